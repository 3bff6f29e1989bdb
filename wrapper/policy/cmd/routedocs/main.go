// Command routedocs writes the page of routes from the table: routedocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: routedocs FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(policy.Docs(wire.AdminPrefix)), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
