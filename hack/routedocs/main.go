// Command routedocs generates docs/routes.md and docs/openapi.yaml from the route tables: routedocs FOLDER.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: routedocs FOLDER")
	}
	openapi, err := routes.OpenAPI()
	if err != nil {
		return fmt.Errorf("generating the OpenAPI document: %w", err)
	}
	for name, content := range map[string][]byte{"routes.md": []byte(routes.Docs()), "openapi.yaml": openapi} {
		if err := os.WriteFile(filepath.Join(args[0], name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
