package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// maxReport is the largest file of reports that is read.
const maxReport = 256 << 20

// reportsOf returns the reports of a path: audits of the stacks of a folder of manifests, or the reports that `audit -o json` wrote.
func (o *options) reportsOf(ctx context.Context, path string) ([]audit.Report, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() && filepath.Ext(path) == ".json" {
		reports, err := readReports(path)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
		return reports, nil
	}
	fromFiles := o.Flags
	fromFiles.FromFiles = path
	s, err := load.Read(ctx, &fromFiles, nil, o.streams.ErrOut)
	if err != nil {
		return nil, err
	}
	return s.Audits(), nil
}

// readReports reads the reports of a file. `audit -o json` of several stacks writes one JSON document after the other.
func readReports(path string) ([]audit.Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxReport+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(content) > maxReport {
		return nil, fmt.Errorf("the file is larger than %d MiB", maxReport>>20)
	}
	var reports []audit.Report
	for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
		var r audit.Report
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("not a report: write one with `%s audit -o json`: %w", cli.Name, err)
		}
		if r.Schema != audit.Schema {
			return nil, fmt.Errorf("the report has schema %q, and this plugin reads %q: write the report again, or use the plugin that wrote it",
				r.Schema, audit.Schema)
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return nil, errors.New("the file holds no report")
	}
	return reports, nil
}

// comparison of two sets of reports, a line for each difference.
type comparison struct {
	newlyOpen, newlyClosed, added, removed, stacks []string
	// unknown is what could not be read in the second set.
	unknown []string
}

// compare returns the differences between two sets of reports.
func compare(before, after []audit.Report) comparison {
	var c comparison
	a, b := byStack(before), byStack(after)
	for _, stack := range slices.Sorted(maps.Keys(merged(a, b))) {
		old, existed := a[stack]
		now, exists := b[stack]
		switch {
		case !exists:
			c.stacks = append(c.stacks, stack+" is gone")
		case !existed:
			c.stacks = append(c.stacks, stack+" is new")
		}
		c.cells(stack, old, now)
		c.findings(stack, old, now)
		for _, u := range now.Unread {
			c.unknown = append(c.unknown, fmt.Sprintf("%s: %s: %s", stack, u.Kind, u.Reason))
		}
	}
	return c
}

// byStack returns reports by the namespace and name of their stack.
func byStack(reports []audit.Report) map[string]audit.Report {
	all := map[string]audit.Report{}
	for _, r := range reports {
		all[r.Stack.Namespace+"/"+r.Stack.Name] = r
	}
	return all
}

// merged returns a map with the keys of both.
func merged[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// cells adds the cells that are open in one report and not in the other. An absent cell is closed.
func (c *comparison) cells(stack string, before, after audit.Report) {
	old, now := openCells(before), openCells(after)
	for _, cell := range slices.Sorted(maps.Keys(merged(old, now))) {
		line := stack + ": " + cell
		switch {
		case now[cell] && !old[cell]:
			c.newlyOpen = append(c.newlyOpen, line)
		case old[cell] && !now[cell]:
			c.newlyClosed = append(c.newlyClosed, line)
		}
	}
}

// openCells returns the open cells of a report, as they are printed.
func openCells(r audit.Report) map[string]bool {
	open := map[string]bool{}
	for _, cell := range r.Cells {
		if cell.Evaluated {
			open[fmt.Sprintf("%s -> %s:%d/%s", cell.From, cell.To, cell.Port.Number, cell.Port.Protocol)] = true
		}
	}
	return open
}

// findings adds the findings that only one report has.
func (c *comparison) findings(stack string, before, after audit.Report) {
	old, now := findingsOf(before), findingsOf(after)
	for _, key := range slices.Sorted(maps.Keys(merged(old, now))) {
		f, present := now[key]
		_, known := old[key]
		switch {
		case present && !known:
			c.added = append(c.added, fmt.Sprintf("%s: %s %s: %s", stack, f.Severity, key, f.Lets))
		case known && !present:
			c.removed = append(c.removed, fmt.Sprintf("%s: %s %s", stack, old[key].Severity, key))
		}
	}
}

// findingsOf returns the findings of a report by kind and object.
func findingsOf(r audit.Report) map[string]audit.Finding {
	all := map[string]audit.Finding{}
	for _, f := range r.Findings {
		object := f.Object.Name
		if f.Object.Namespace != "" {
			object = f.Object.Namespace + "/" + object
		}
		all[fmt.Sprintf("%s %s %s", f.Kind, f.Object.Kind, object)] = f
	}
	return all
}

// any reports whether there is a difference.
func (c comparison) any() bool {
	return len(c.newlyOpen)+len(c.newlyClosed)+len(c.added)+len(c.removed)+len(c.stacks) > 0
}

// exitCode returns the exit code. Differences outrank what could not be read.
func (c comparison) exitCode() int {
	switch {
	case c.any():
		return cli.ExitFindings
	case len(c.unknown) > 0:
		return cli.ExitUnknown
	default:
		return cli.ExitSealed
	}
}

// page returns the differences by kind. a and b are the paths of the arguments.
func (c comparison) page(a, b string) page {
	p := page{heading: "Network audit: the two sides differ"}
	if !c.any() {
		p.title = fmt.Sprintf("%s and %s let the same connections through", a, b)
		p.heading = "Network audit: both sides let the same connections through"
		if len(c.unknown) > 0 {
			p.heading = "Network audit: could not tell"
		}
	}
	p.sections = []section{
		{heading: "stacks", lines: c.stacks}, {heading: "newly open", lines: c.newlyOpen}, {heading: "newly closed", lines: c.newlyClosed},
		{heading: "new findings", lines: c.added}, {heading: "findings that are gone", lines: c.removed},
		{heading: "could not be read", lines: c.unknown, where: " in " + b},
	}
	return p
}
