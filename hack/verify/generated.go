package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
)

// Targets of the Makefile that write into the tree.
var generators = []string{"generate", "manifests"}

// generated runs the generators in a copy of the tree and finds files that they change, add or should not find. So every target
// that joins the list is verified without another line here.
func generated(ctx context.Context, t tree, figures io.Writer) ([]string, error) {
	dir, err := os.MkdirTemp("", "openim-operator-verify-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	copied, err := t.copyTo(dir)
	if err != nil {
		return nil, fmt.Errorf("copy the tree: %w", err)
	}
	cmd := exec.CommandContext(ctx, "make", append([]string{"--no-print-directory", "--directory", dir}, generators...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make %s: %w: %s", strings.Join(generators, " "), err, out)
	}
	fmt.Fprintf(figures, "by make %s", strings.Join(generators, " "))
	return staleFiles(copied, dir)
}

func staleFiles(copied map[string][]byte, dir string) ([]string, error) {
	var findings []string
	for _, name := range slices.Sorted(maps.Keys(copied)) {
		before := copied[name]
		after, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(before, after) {
			diff := cmp.Diff(strings.Split(string(before), "\n"), strings.Split(string(after), "\n"))
			findings = append(findings, fmt.Sprintf("%s is stale: run `make %s` (-now +generated)\n%s", name, strings.Join(generators, " "), diff))
		}
	}
	err := filepath.WalkDir(dir, func(file string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		if name := filepath.ToSlash(relative); copied[name] == nil && !strings.HasPrefix(name, "bin/") {
			findings = append(findings, fmt.Sprintf("%s is generated and missing: run `make %s` and commit it", name, strings.Join(generators, " ")))
		}
		return nil
	})
	return findings, err
}

// tidy finds modules whose go.mod or go.sum `go mod tidy` would change.
func tidy(ctx context.Context, t tree, figures io.Writer) ([]string, error) {
	modules := t.glob("go.mod")
	fmt.Fprintf(figures, "%d modules", len(modules))
	var findings []string
	for _, module := range modules {
		cmd := exec.CommandContext(ctx, "go", "mod", "tidy", "-diff")
		cmd.Dir = filepath.Join(t.root, path.Dir(module))
		if out, err := cmd.CombinedOutput(); err != nil {
			findings = append(findings, fmt.Sprintf("%s is not tidy: run `go mod tidy` in %s\n%s", module, path.Dir(module), lastBytes(out, 2000)))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return findings, nil
}

// lastBytes keeps a finding readable.
func lastBytes(out []byte, limit int) string {
	if len(out) > limit {
		return "..." + string(out[len(out)-limit:])
	}
	return string(out)
}
