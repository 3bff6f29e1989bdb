package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: imports ROOT")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "imports:", err)
		os.Exit(1)
	}
}

// run writes the rules into .golangci.yml of the checkout at root.
func run(root string) error {
	page, err := os.ReadFile(filepath.Join(root, "docs", "packages.md"))
	if err != nil {
		return err
	}
	rows, err := parse(string(page))
	if err != nil {
		return err
	}
	path := filepath.Join(root, ".golangci.yml")
	config, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	written, err := insert(string(config), rules(rows))
	if err != nil || written == string(config) {
		return err
	}
	return os.WriteFile(path, []byte(written), 0o644)
}
