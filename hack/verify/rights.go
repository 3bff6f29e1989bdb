package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

const rightsMarker = "// +kubebuilder:rbac:"

// rights finds markers that controller-gen overlooks without a word: those in the doc comment of a type or function. The role then
// lacks their rights, and the operator fails in the cluster alone.
func rights(_ context.Context, t tree, figures io.Writer) ([]string, error) {
	var findings []string
	markers := 0
	for _, name := range t.glob("*.go") {
		if !strings.HasPrefix(name, "controllers/") {
			continue
		}
		source, err := t.read(name)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(string(source), "\n")
		for i, line := range lines {
			if !strings.HasPrefix(line, rightsMarker) {
				continue
			}
			markers++
			if after := nextOutside(lines[i:]); after != "" {
				findings = append(
					findings,
					fmt.Sprintf(
						"%s:%d is a part of the comment on %q, where controller-gen overlooks it: put the markers above that comment, and an empty line "+
							"between",
						name,
						i+1,
						after,
					),
				)
			}
		}
	}
	fmt.Fprintf(figures, "%d markers", markers)
	return findings, nil
}

// nextOutside is the first line after a comment that begins with lines[0].
func nextOutside(lines []string) string {
	for _, line := range lines {
		if !strings.HasPrefix(line, "//") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
