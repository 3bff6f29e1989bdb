package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// claimsPage is the page whose rows name the tests that prove them.
const claimsPage = "docs/capabilities.md"

// proof is a test that a row names: `file_test.go`: "text of the test".
var proof = regexp.MustCompile("`([^`]+_test\\.go)`: \"([^\"]+)\"")

// claims finds claims whose tests are gone, and rows that name no test.
func claims(_ context.Context, t tree, figures io.Writer) ([]string, error) {
	if !slices.Contains(t.files, claimsPage) {
		return nil, nil
	}
	page, err := t.read(claimsPage)
	if err != nil {
		return nil, err
	}
	var findings []string
	count := 0
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| claim |") {
			continue
		}
		proofs := proof.FindAllStringSubmatch(line, -1)
		if len(proofs) == 0 {
			findings = append(findings, fmt.Sprintf("%s: the row %q names no test: write `file_test.go`: \"text\"",
				claimsPage, strings.TrimSpace(line)))
		}
		for _, p := range proofs {
			count++
			if !slices.Contains(t.files, p[1]) {
				findings = append(findings, fmt.Sprintf("%s names %s, which does not exist: name the test that proves the claim", claimsPage, p[1]))
				continue
			}
			code, err := t.read(p[1])
			if err != nil {
				return nil, err
			}
			if !hasTest(string(code), p[2]) {
				findings = append(findings, fmt.Sprintf("%s: %s has no test %q: name the test that proves the claim", claimsPage, p[1], p[2]))
			}
		}
	}
	fmt.Fprintf(figures, "%d tests are named", count)
	return findings, nil
}

// hasTest reports whether a file has a test function of a name, or a spec or table of a text, that is not pending.
func hasTest(code, text string) bool {
	if strings.Contains(code, "\nfunc "+text+"(t *testing.T)") {
		return true
	}
	spec := regexp.MustCompile(`(?:^|[^A-Za-z])(?:It|DescribeTable)\(\s*` + regexp.QuoteMeta(`"`+text+`"`))
	return spec.MatchString(code)
}
