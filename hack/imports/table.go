package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// heading is the section of docs/packages.md in which the tables are.
const heading = "## Packages and their imports"

// row is what the table says of one package.
type row struct {
	// Package is its folder, for example "wrapper/auth".
	Package string
	// Ours are the packages of this module that it may import. Empty: none.
	Ours []string
	// Others are prefixes of import paths of other modules. Empty: the standard library alone.
	Others []string
	// Except are the folders that a package must not import which may import anything else. Only programs, developer tools and
	// test suites have it; Ours and Others are empty then.
	Except []string
}

// open reports whether the row lists what a package must not import, rather than what it may.
func (r row) open() bool { return r.Except != nil }

var code = regexp.MustCompile("`([^`]+)`")

// parse reads the rows of all tables below the heading. A row looks like this:
//
//	| `wrapper/ids`, `wrapper/bounds` | what they hold | `wrapper/wire` | `k8s.io/api` |
//
// "none" allows nothing; "anything but `hack`" allows the rest.
func parse(page string) ([]row, error) {
	_, section, found := strings.Cut(page, "\n"+heading+"\n")
	if !found {
		return nil, fmt.Errorf("docs/packages.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows []row
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			return nil, fmt.Errorf("docs/packages.md: the row %q has %d cells: write four", strings.TrimSpace(line), len(cells))
		}
		for _, name := range quoted(cells[0]) {
			r, err := rowOf(name, cells[2], cells[3])
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(rows, func(other row) bool { return other.Package == name }) {
				return nil, fmt.Errorf("docs/packages.md: %s has two rows: keep one", name)
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("docs/packages.md: the section %q has no table", heading)
	}
	return rows, nil
}

func rowOf(name, ours, others string) (row, error) {
	r := row{Package: name, Ours: quoted(ours), Others: quoted(others)}
	if strings.Contains(ours, "anything but ") {
		return row{Package: name, Except: r.Ours}, nil
	}
	for _, cell := range []struct {
		text string
		list []string
	}{{ours, r.Ours}, {others, r.Others}} {
		if len(cell.list) == 0 && strings.TrimSpace(cell.text) != "none" {
			return row{}, fmt.Errorf(
				"docs/packages.md: %s: %q names no package: write packages in backquotes, or none",
				name,
				strings.TrimSpace(cell.text),
			)
		}
	}
	return r, nil
}

func quoted(cell string) []string {
	var list []string
	for _, match := range code.FindAllStringSubmatch(cell, -1) {
		list = append(list, match[1])
	}
	return list
}
