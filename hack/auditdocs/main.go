package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/report"
)

// schemaFile is the name of the JSON Schema of a report.
const schemaFile = "audit-v1.schema.json"

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "auditdocs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: auditdocs schema FOLDER, or, in the project's folder: auditdocs demo FOLDER")
	}
	var files map[string][]byte
	var err error
	switch args[0] {
	case "schema":
		files, err = schema()
	case "demo":
		files, err = demo(ctx, ".")
	default:
		err = fmt.Errorf("unknown command %q: write schema or demo", args[0])
	}
	if err != nil {
		return err
	}
	return write(args[1], files)
}

// write writes files to a folder and creates the folder when it does not exist.
func write(folder string, files map[string][]byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func schema() (map[string][]byte, error) {
	content, err := report.Schema()
	if err != nil {
		return nil, fmt.Errorf("rendering the schema of a report: %w", err)
	}
	return map[string][]byte{schemaFile: content}, nil
}

// demo returns the audit of the demo's stack as a page and as a picture. root is the project's folder.
func demo(ctx context.Context, root string) (map[string][]byte, error) {
	demo, err := load(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("loading the demo's stack: %w", err)
	}
	// The report has no time, so that the same objects make the same page on any day.
	found := audit.Run(audit.Input{Stack: demo.stack, Graph: graph.New(demo.stack, demo.facts), Snapshot: demo.snapshot})
	files := map[string][]byte{}
	for name, format := range map[string]report.Format{"audit-demo.html": report.HTML, "audit-demo.svg": report.SVG} {
		var out bytes.Buffer
		if err := report.Write(&out, format, found, report.Options{}); err != nil {
			return nil, err
		}
		files[name] = out.Bytes()
	}
	return files, nil
}
