package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/check"
)

// maxTerminationMessage bounds the summary in the termination message, in bytes: package termination cuts longer ones.
const maxTerminationMessage = 1000

// checkReport is what `wrapper check --output json` prints.
type checkReport struct {
	Checked  int             `json:"checked"`
	Problems []check.Finding `json:"problems"`
}

func reportOf(findings []check.Finding) checkReport {
	r := checkReport{Checked: len(findings), Problems: []check.Finding{}}
	for _, f := range findings {
		if f.Problem != "" {
			r.Problems = append(r.Problems, f)
		}
	}
	return r
}

func (r checkReport) write(out io.Writer, format string) error {
	if format == outputJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := io.WriteString(out, r.text())
	return err
}

// text returns a line for each problem, and the numbers.
func (r checkReport) text() string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s: %s\n", p.Name, p.Problem)
	}
	fmt.Fprintf(&b, "%s\n", r.numbers())
	return b.String()
}

func (r checkReport) numbers() string {
	return fmt.Sprintf("%d things checked, %d problems", r.Checked, len(r.Problems))
}

// summary returns the numbers and the first problems, in at most limit bytes.
func (r checkReport) summary(limit int) string {
	lines := []string{r.numbers()}
	for _, p := range r.Problems {
		lines = append(lines, p.Name+": "+p.Problem)
	}
	return shortened(strings.Join(lines, "\n"), limit)
}

// shortened cuts a text to at most limit bytes, between two characters.
func shortened(text string, limit int) string {
	const more = "..."
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(more)], "") + more
}
