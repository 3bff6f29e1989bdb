package main

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

	"github.com/openimstack/openim-operator/netpol/audit"
)

// maxReport is the largest file of reports that is read.
const maxReport = 256 << 20

// reportsOf a path: audits of the stacks of a folder of manifests, or reports that `audit -o json` wrote.
func (p *program) reportsOf(ctx context.Context, o *options, path string) ([]audit.Report, error) {
	file, err := isFile(path)
	if err != nil {
		return nil, err
	}
	if file && filepath.Ext(path) == ".json" {
		reports, err := readReports(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return reports, nil
	}
	fromFiles := *o
	fromFiles.fromFiles = path
	s, err := p.gather(ctx, &fromFiles, nil)
	if err != nil {
		return nil, err
	}
	var reports []audit.Report
	for _, v := range s.views {
		reports = append(reports, s.audit(v))
	}
	return reports, nil
}

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
		return nil, fmt.Errorf("it has more than %d MiB", maxReport>>20)
	}
	var reports []audit.Report
	for decoder := json.NewDecoder(bytes.NewReader(content)); ; {
		var r audit.Report
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no report: write one with `%s audit -o json`: %w", name, err)
		}
		if r.Schema != audit.Schema {
			return nil, fmt.Errorf("its schema is %q, and this plugin reads %q: write it anew, or use the plugin's other version", r.Schema, audit.Schema)
		}
		reports = append(reports, r)
	}
	if len(reports) == 0 {
		return nil, errors.New("it holds no report")
	}
	return reports, nil
}

// comparison of two sets of reports, a line for each difference.
type comparison struct {
	newlyOpen, newlyShut, came, went, stacks []string
	unknown                                  []string
}

func compare(before, after []audit.Report) comparison {
	var c comparison
	a, b := byStack(before), byStack(after)
	for _, stack := range slices.Sorted(maps.Keys(merged(a, b))) {
		was, hadIt := a[stack]
		is, hasIt := b[stack]
		switch {
		case !hasIt:
			c.stacks = append(c.stacks, stack+" is gone")
		case !hadIt:
			c.stacks = append(c.stacks, stack+" is new")
		}
		c.cells(stack, was, is)
		c.findings(stack, was, is)
		for _, u := range is.Unread {
			c.unknown = append(c.unknown, fmt.Sprintf("%s: %s: %s", stack, u.Kind, u.Reason))
		}
	}
	return c
}

func byStack(reports []audit.Report) map[string]audit.Report {
	all := map[string]audit.Report{}
	for _, r := range reports {
		all[r.Stack.Namespace+"/"+r.Stack.Name] = r
	}
	return all
}

func merged[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// cells that are open in one and not in the other. One that is not there is shut.
func (c *comparison) cells(stack string, before, after audit.Report) {
	was, is := openCells(before), openCells(after)
	for _, cell := range slices.Sorted(maps.Keys(merged(was, is))) {
		line := stack + ": " + cell
		switch {
		case is[cell] && !was[cell]:
			c.newlyOpen = append(c.newlyOpen, line)
		case was[cell] && !is[cell]:
			c.newlyShut = append(c.newlyShut, line)
		}
	}
}

func openCells(r audit.Report) map[string]bool {
	open := map[string]bool{}
	for _, cell := range r.Cells {
		if cell.Evaluated {
			open[fmt.Sprintf("%s -> %s:%d/%s", cell.From, cell.To, cell.Port.Number, cell.Port.Protocol)] = true
		}
	}
	return open
}

func (c *comparison) findings(stack string, before, after audit.Report) {
	was, is := findingsOf(before), findingsOf(after)
	for _, key := range slices.Sorted(maps.Keys(merged(was, is))) {
		f, stays := is[key]
		_, known := was[key]
		switch {
		case stays && !known:
			c.came = append(c.came, fmt.Sprintf("%s: %s %s: %s", stack, f.Severity, key, f.Lets))
		case known && !stays:
			c.went = append(c.went, fmt.Sprintf("%s: %s %s", stack, was[key].Severity, key))
		}
	}
}

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

func (c comparison) any() bool {
	return len(c.newlyOpen)+len(c.newlyShut)+len(c.came)+len(c.went)+len(c.stacks) > 0
}

func (c comparison) exit() int {
	switch {
	case c.any():
		return exitFindings
	case len(c.unknown) > 0:
		return exitUnknown
	default:
		return exitSealed
	}
}

func (c comparison) write(w io.Writer, a, b string) error {
	if !c.any() {
		if _, err := fmt.Fprintf(w, "%s and %s let the same through\n", a, b); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		head  string
		lines []string
	}{
		{"stacks:", c.stacks}, {"newly open:", c.newlyOpen}, {"newly shut:", c.newlyShut}, {"new findings:", c.came}, {"findings that are gone:", c.went},
		{"could not be read in " + b + ":", c.unknown},
	} {
		if err := section(w, s.head, s.lines); err != nil {
			return err
		}
	}
	return nil
}
