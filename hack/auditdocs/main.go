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

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "auditdocs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: auditdocs FOLDER, the one of the project's docs")
	}
	files, err := render(ctx, filepath.Dir(filepath.Clean(args[0])))
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(args[0], name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// render makes the files of the docs from the project in a folder.
func render(ctx context.Context, root string) (map[string][]byte, error) {
	demo, err := load(ctx, root)
	if err != nil {
		return nil, fmt.Errorf("the demo's stack without a cluster: %w", err)
	}
	// No time: the same objects make the same page on any day.
	found := audit.Run(audit.Input{Stack: demo.stack, Graph: graph.NewGraph(demo.stack, demo.facts), World: demo.world})
	files := map[string][]byte{}
	for name, format := range map[string]report.Format{"audit-demo.html": report.HTML, "audit-demo.svg": report.SVG} {
		var out bytes.Buffer
		if err := report.Write(&out, format, found, report.Options{}); err != nil {
			return nil, err
		}
		files[name] = out.Bytes()
	}
	schema, err := report.Schema()
	if err != nil {
		return nil, fmt.Errorf("the schema of a report: %w", err)
	}
	files["audit-v1.schema.json"] = schema
	return files, nil
}
