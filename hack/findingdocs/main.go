// Command findingdocs writes the table of the audit's findings into a page, between the marks that the page has: findingdocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/netpol/audit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: findingdocs FILE")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "findingdocs:", err)
		os.Exit(1)
	}
}

// rewrite replaces the generated part of a page.
func rewrite(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	out, err := audit.Docs(string(page))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	return nil
}
