// Command findingdocs writes the table of the audit's findings into a page, between the marks that the page has: findingdocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/hack/docpage"
	"github.com/openimstack/openim-operator/netpol/audit"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: findingdocs FILE")
		os.Exit(2)
	}
	part := docpage.Part{Source: "the table in netpol/audit", Command: "go generate ./netpol/audit"}
	if err := part.Rewrite(os.Args[1], audit.Docs()); err != nil {
		fmt.Fprintln(os.Stderr, "findingdocs:", err)
		os.Exit(1)
	}
}
