package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// tree is the project's files: what git tracks, and what it would track if asked. What .gitignore names is no part of it.
type tree struct {
	root  string
	files []string // relative to root, with slashes, sorted
}

func readTree(ctx context.Context, root string) (tree, error) {
	cmd := exec.CommandContext(ctx, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return tree{}, fmt.Errorf("list the project's files: git ls-files: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	t := tree{root: root}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted and not yet committed
		}
		if err != nil {
			return tree{}, fmt.Errorf("list the project's files: %w", err)
		}
		if info.Mode().IsRegular() {
			t.files = append(t.files, name)
		}
	}
	slices.Sort(t.files)
	t.files = slices.Compact(t.files)
	return t, nil
}

func (t tree) read(name string) ([]byte, error) { return os.ReadFile(filepath.Join(t.root, name)) }

// glob lists the files of which the base name matches pattern.
func (t tree) glob(pattern string) []string {
	var found []string
	for _, name := range t.files {
		if ok, _ := path.Match(pattern, path.Base(name)); ok {
			found = append(found, name)
		}
	}
	return found
}

// copyTo copies the tree, so that generators can run on it without touching the original. It returns what it has copied.
func (t tree) copyTo(dir string) (map[string][]byte, error) {
	copied := map[string][]byte{}
	for _, name := range t.files {
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(target, content, 0o644); err != nil {
			return nil, err
		}
		copied[name] = content
	}
	return copied, nil
}

// isGenerated tells files that a program wrote: no rule about what people write binds them.
func isGenerated(name string) bool {
	base := path.Base(name)
	return strings.HasPrefix(base, "zz_generated.") || base == "go.sum" || base == "go.mod" || base == "package-lock.json" ||
		name == "docs/routes.md" || name == "docs/openapi.yaml" || name == "docs/audit-v1.schema.json" ||
		strings.HasPrefix(name, "docs/reference/") ||
		strings.HasPrefix(name, "config/crd/bases/") || strings.HasPrefix(name, "charts/openim-operator/files/")
}
