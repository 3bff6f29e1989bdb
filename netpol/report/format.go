package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

// Format of a report.
type Format string

// Formats.
const (
	Table    Format = "table"
	JSON     Format = "json"
	Markdown Format = "md"
	CSV      Format = "csv"
	DOT      Format = "dot"
	SVG      Format = "svg"
	HTML     Format = "html"
)

// Formats returns all formats, the one for people at a terminal first.
func Formats() []Format { return []Format{Table, JSON, Markdown, CSV, DOT, SVG, HTML} }

// ParseFormat takes a format's name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("%q is no format of a report: use one of %s", name, strings.Join(names, ", "))
}

// Options are for the table alone.
type Options struct {
	// Colour is true when the reader is a terminal that shows colours.
	Colour bool
	// Width of the terminal in columns; 0 for 100. Below 40 it is taken for 40.
	Width int
}

// Write writes a report in a format.
func Write(w io.Writer, format Format, r audit.Report, o Options) error {
	if format == JSON {
		return writeJSON(w, r) // keeps every text as it is: its reader is a program
	}
	r = clean(r)
	switch format {
	case Table:
		return writeTable(w, r, o)
	case Markdown:
		return writeMarkdown(w, r)
	case CSV:
		return writeCSV(w, r)
	case DOT:
		return writeDOT(w, r)
	case SVG:
		_, err := io.WriteString(w, picture.Standalone(r))
		return err
	case HTML:
		return writeHTML(w, r)
	default:
		_, err := ParseFormat(string(format))
		return err
	}
}
