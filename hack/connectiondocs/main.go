// Command connectiondocs writes the page docs/connections.md from the graph: connectiondocs FILE.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: connectiondocs FILE")
	}
	return os.WriteFile(args[0], page(), 0o644)
}
