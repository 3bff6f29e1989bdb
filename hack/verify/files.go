package main

import (
	"bytes"
	"context"
	"fmt"
	"go/format"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// formatted finds Go files which gofmt would change.
func formatted(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.glob("*.go") {
		source, err := t.read(name)
		if err != nil {
			return nil, err
		}
		want, err := format.Source(source)
		switch {
		case err != nil:
			findings = append(findings, fmt.Sprintf("%s does not parse: %v", name, err))
		case !bytes.Equal(source, want):
			findings = append(findings, name+" is not formatted: run `make fmt`")
		}
	}
	return findings, nil
}

// maxFile bounds files that people write, in bytes.
const maxFile = 30_000

// size finds files that nobody wants to read.
func size(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.files {
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		if len(content) > maxFile && !mayBeLarge(name) {
			findings = append(findings, fmt.Sprintf("%s has %d bytes, over %d: split it by concern", name, len(content), maxFile))
		}
	}
	return findings, nil
}

// mayBeLarge tells files that are generated, data of tests, or API types.
func mayBeLarge(name string) bool {
	apiTypes, _ := path.Match("api/*/*_types.go", name)
	// Most of the linter's configuration is generated from docs/packages.md.
	return apiTypes || isGenerated(name) || name == ".golangci.yml" || strings.Contains(name, "/testdata/")
}

// Words that say where something was made rather than what it is.
var forbidden = []struct {
	pattern *regexp.Regexp
	remedy  string
}{
	{regexp.MustCompile(`(^|[^\w./-])/(root|work)/\w`), "names a folder of one machine: write a relative path, or a variable such as $HOME"},
	{
		regexp.MustCompile(`\b(proxy|sum)\.golang\.org\b|\bregistry\.npm\w*\.org\b|\bdeb\.debian\.org\b`),
		"names a package registry: the Go, apt or npm client knows its own",
	},
	{
		regexp.MustCompile(`\b(ghcr|quay|gcr)\.io\b|\bregistry\.k8s\.io\b`),
		"names an image registry: images come without one, or from the user's IMAGE_PREFIX",
	},
}

// words finds text that speaks of more than the project.
func words(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.files {
		if isGenerated(name) || strings.HasPrefix(name, "hack/verify/files") {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		for number, line := range slices.Collect(strings.Lines(string(content))) {
			for _, word := range forbidden {
				if found := word.pattern.FindString(line); found != "" {
					findings = append(findings, fmt.Sprintf("%s:%d %q %s", name, number+1, strings.TrimSpace(found), word.remedy))
				}
			}
		}
	}
	return findings, nil
}

// packageDocs finds Go packages which do not say what they are for: in doc.go, or a program in main.go.
func packageDocs(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	code, docs := map[string]bool{}, map[string]bool{}
	for _, name := range t.glob("*.go") {
		if strings.Contains(name, "/testdata/") {
			continue
		}
		dir := path.Dir(name)
		code[dir] = true
		switch path.Base(name) {
		case "doc.go":
			docs[dir] = true
		case "main.go":
			source, err := t.read(name)
			if err != nil {
				return nil, err
			}
			docs[dir] = docs[dir] || bytes.HasPrefix(source, []byte("// Command "))
		}
	}
	var findings []string
	for dir := range code {
		if !docs[dir] {
			findings = append(findings, dir+" has no doc.go: say in a few lines what the package does, what it may touch, what it never does")
		}
	}
	slices.Sort(findings)
	return findings, nil
}

// weight compares test code with code, in bytes of Go. Under test/ everything is test code.
func weight(_ context.Context, t tree, figures io.Writer) ([]string, error) {
	var code, tests int
	for _, name := range t.glob("*.go") {
		if isGenerated(name) {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") {
			tests += len(content)
			continue
		}
		code += len(content)
	}
	fmt.Fprintf(figures, "%d KB of test code for %d KB of code", tests/1000, code/1000)
	if tests < code {
		return []string{fmt.Sprintf("test code is lighter than code by %d bytes: write what is not yet specified", code-tests)}, nil
	}
	return nil, nil
}
