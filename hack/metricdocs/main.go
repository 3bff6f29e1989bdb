package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/hack/docpage"
)

// part is what is generated of the page.
var part = docpage.Part{Source: "the registered collectors", Command: "go generate ./hack/metricdocs"}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: metricdocs FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "metricdocs:", err)
		os.Exit(1)
	}
}

func run(file string) error {
	operator, err := ofOperator()
	if err != nil {
		return fmt.Errorf("reading the operator's metrics: %w", err)
	}
	wrapper, err := ofWrapper()
	if err != nil {
		return fmt.Errorf("reading the wrapper's metrics: %w", err)
	}
	text, err := page(operator, wrapper)
	if err != nil {
		return err
	}
	return part.Rewrite(file, text)
}

// page returns the tables. A metric without help, or whose name does not tell its unit as Prometheus wants it, is an error.
func page(operator, wrapper []metric) (string, error) {
	var b strings.Builder
	var failures []error
	for _, section := range []struct {
		title   string
		metrics []metric
	}{{"Operator", operator}, {"Wrapper", wrapper}} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | unit | served by | meaning |\n|---|---|---|---|---|---|\n", section.title)
		for _, m := range section.metrics {
			failures = append(failures, m.problem())
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n",
				m.name, m.kind, code(m.labels), m.unit(), strings.Join(m.servers, ", "), cell(m.help))
		}
	}
	return b.String(), errors.Join(failures...)
}

// problem returns what is missing of a metric's description.
func (m metric) problem() error {
	switch {
	case m.help == "" || !strings.HasSuffix(m.help, "."):
		return fmt.Errorf("metric %s: the help %q is no sentence: write in Help what the value means, with a full stop", m.name, m.help)
	case m.kind == "":
		return fmt.Errorf("metric %s has no type: register it as a collector of one metric, or have a sample of it in this generator", m.name)
	case m.kind == kindCounter != strings.HasSuffix(m.name, "_total"):
		return fmt.Errorf("metric %s is a %s: names of counters, and of nothing else, end with _total", m.name, m.kind)
	}
	return nil
}

// units are the suffixes of names that tell a unit (https://prometheus.io/docs/practices/naming), the longest first.
var units = []struct{ suffix, unit string }{
	{"_timestamp_seconds", "Unix time in seconds"}, {"_seconds", "seconds"}, {"_bytes", "bytes"},
}

// unit returns the unit that the name tells. Anything else is a number without unit.
func (m metric) unit() string {
	for _, u := range units {
		if strings.HasSuffix(strings.TrimSuffix(m.name, "_total"), u.suffix) {
			return u.unit
		}
	}
	return "1"
}

// code returns names in backquotes, separated by commas.
func code(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, "`"+name+"`")
	}
	return strings.Join(quoted, ", ")
}

// cell returns a text as the content of a table's cell.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

// sorted returns metrics by name. Those of the same name are one, which all of their servers serve.
func sorted(all []metric) ([]metric, error) {
	slices.SortStableFunc(all, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	var merged []metric
	for _, m := range all {
		last := len(merged) - 1
		if last < 0 || merged[last].name != m.name {
			merged = append(merged, m)
			continue
		}
		if same := &merged[last]; same.kind != m.kind || same.help != m.help || !slices.Equal(same.labels, m.labels) {
			return nil, fmt.Errorf("metric %s differs between %s and %s: register it with one help, type and list of labels",
				m.name, strings.Join(same.servers, ", "), strings.Join(m.servers, ", "))
		}
		merged[last].servers = append(merged[last].servers, m.servers...)
	}
	return merged, nil
}
