package docpage

import (
	"fmt"
	"os"
	"strings"
)

// end is the mark after each generated part.
const end = "<!-- end of what is generated -->"

// Part is a generated part of a page.
type Part struct {
	// Source is what the part is made from, such as openim/settings.
	Source string
	// Command is what makes it, such as go generate ./openim/settings.
	Command string
}

// begin returns the mark before the part.
func (p Part) begin() string {
	return fmt.Sprintf("<!-- generated from %s by %q: do not edit between the marks -->", p.Source, p.Command)
}

// Replace returns the page with text between the marks of the part, and all else as it was. A page has each part once.
func (p Part) Replace(page, text string) (string, error) {
	before, rest, hasBegin := strings.Cut(page, p.begin()+"\n")
	_, after, hasEnd := strings.Cut(rest, end)
	if !hasBegin || !hasEnd || strings.Contains(after, p.begin()) {
		return "", fmt.Errorf("replacing the generated part: the page has no marks, or has them twice: keep the lines %q and %q", p.begin(), end)
	}
	return before + p.begin() + "\n\n" + strings.Trim(text, "\n") + "\n\n" + end + after, nil
}

// Rewrite replaces the part in a file.
func (p Part) Rewrite(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	out, err := p.Replace(string(page), text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}
