// Command eventdocs writes the tables of the operator's events into a page, between the marks that the page has: eventdocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/hack/docpage"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: eventdocs FILE")
		os.Exit(2)
	}
	part := docpage.Part{Source: "the table in controllers/eventkind", Command: "go generate ./controllers/eventkind"}
	if err := part.Rewrite(os.Args[1], eventkind.Docs()); err != nil {
		fmt.Fprintln(os.Stderr, "eventdocs:", err)
		os.Exit(1)
	}
}
