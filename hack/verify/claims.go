package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// claimsPages are the pages whose rows name the tests that prove them.
var claimsPages = []string{"docs/capabilities.md", "docs/threats.md"}

// claimsHeads begin the rows that name the columns of these pages.
var claimsHeads = []string{"| claim |", "| attacker |"}

// proof is what a row names of a file: `file_test.go`: "text of a test", "text of another".
var proof = regexp.MustCompile("`([^`]+_test\\.go)`(: \"[^\"]+\"(?:, \"[^\"]+\")*)?")

// named is a test of a proof.
var named = regexp.MustCompile("\"([^\"]+)\"")

// claims finds claims whose tests are gone, and rows that name no test.
func claims(_ context.Context, t tree, figures io.Writer) ([]string, error) {
	var findings []string
	count := 0
	for _, name := range claimsPages {
		if !slices.Contains(t.files, name) {
			continue
		}
		page, err := t.read(name)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(page)) {
			if !strings.HasPrefix(line, "| ") || slices.ContainsFunc(claimsHeads, func(h string) bool { return strings.HasPrefix(line, h) }) {
				continue
			}
			proofs := proof.FindAllStringSubmatch(line, -1)
			if len(proofs) == 0 {
				findings = append(findings, fmt.Sprintf("%s: the row %q names no test: write `file_test.go`: \"text\"",
					name, strings.TrimSpace(line)))
			}
			for _, p := range proofs {
				tests := named.FindAllStringSubmatch(p[2], -1)
				if len(tests) == 0 {
					findings = append(findings, fmt.Sprintf("%s: %s is named without a test: write `%s`: \"text\"", name, p[1], p[1]))
				}
				count += len(tests)
				for _, test := range tests {
					finding, err := t.proven(name, p[1], test[1])
					if err != nil {
						return nil, err
					}
					findings = append(findings, finding...)
				}
			}
		}
	}
	fmt.Fprintf(figures, "%d tests are named", count)
	return findings, nil
}

// proven looks for a test that a page names.
func (t tree) proven(page, file, test string) ([]string, error) {
	if !slices.Contains(t.files, file) {
		return []string{fmt.Sprintf("%s names %s, which does not exist: name the test that proves the claim", page, file)}, nil
	}
	code, err := t.read(file)
	if err != nil {
		return nil, err
	}
	if !hasTest(string(code), test) {
		return []string{fmt.Sprintf("%s: %s has no test %q: name the test that proves the claim", page, file, test)}, nil
	}
	return nil, nil
}

// hasTest reports whether a file has a test function of a name, or a spec or table of a text, that is not pending.
func hasTest(code, text string) bool {
	if strings.Contains(code, "\nfunc "+text+"(t *testing.T)") {
		return true
	}
	spec := regexp.MustCompile(`(?:^|[^A-Za-z])(?:It|DescribeTable)\(\s*` + regexp.QuoteMeta(`"`+text+`"`))
	return spec.MatchString(code)
}
