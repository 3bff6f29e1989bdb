package main

import (
	"fmt"
	"strings"
)

const module = "github.com/openimstack/openim-operator"

// Markers of the generated part of .golangci.yml.
const (
	begin = "        # BEGIN rules from docs/packages.md, written by go generate ./hack/imports\n"
	end   = "        # END rules from docs/packages.md\n"
)

// rules returns the rules of depguard for the rows, as YAML below settings.depguard.rules. Test files are not bound by them.
func rules(rows []row) string {
	var out strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&out, "        %s:\n", strings.ReplaceAll(r.Package, "/", "-"))
		if r.open() {
			fmt.Fprintf(&out, "          files: [%s]\n          deny:\n", files(rows, r.Package))
			for _, not := range r.Except {
				fmt.Fprintf(
					&out,
					"            - pkg: %s/%s\n              desc: %s must not import %s (docs/packages.md).\n",
					module,
					not,
					r.Package,
					not,
				)
			}
			continue
		}
		fmt.Fprintf(
			&out,
			"          list-mode: strict\n          files: [%s, \"!$test\"]\n          allow:\n            - $gostd\n",
			files(rows, r.Package),
		)
		for _, ours := range r.Ours {
			// The dollar sign ends the match: a package does not bring the packages below it.
			fmt.Fprintf(&out, "            - %s/%s$\n", module, ours)
		}
		for _, others := range r.Others {
			// The package itself and those below it, but not k8s.io/apimachinery for k8s.io/api.
			fmt.Fprintf(&out, "            - %s$\n            - %s/\n", others, others)
		}
	}
	return out.String()
}

// files returns the patterns of a package's files. A pattern begins anywhere in a path, so packages whose path ends with this one's are
// left out by name: cmd/supervisor is not supervisor.
func files(rows []row, name string) string {
	patterns := []string{fmt.Sprintf("%q", "**/"+name+"/*.go")}
	for _, other := range rows {
		if strings.HasSuffix(other.Package, "/"+name) {
			patterns = append(patterns, fmt.Sprintf("%q", "!**/"+other.Package+"/*.go"))
		}
	}
	return strings.Join(patterns, ", ")
}

// insert returns the linter's configuration with the rules between the markers.
func insert(config, rules string) (string, error) {
	before, rest, found := strings.Cut(config, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf(".golangci.yml lacks one of the lines %q and %q: restore them", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin + rules + end + after, nil
}
