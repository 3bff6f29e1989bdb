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
	SARIF    Format = "sarif"
	JUnit    Format = "junit"
)

// Formats returns all formats. The format for terminals is the first.
func Formats() []Format { return []Format{Table, JSON, Markdown, CSV, DOT, SVG, HTML, SARIF, JUnit} }

// ParseFormat returns the format of a name. Markdown may be written out.
func ParseFormat(name string) (Format, error) {
	if name == "markdown" {
		return Markdown, nil
	}
	if f := Format(name); slices.Contains(Formats(), f) {
		return f, nil
	}
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown report format %q: use one of %s", name, strings.Join(names, ", "))
}

// Options of a format.
type Options struct {
	// Colour enables colours in the table.
	Colour bool
	// Width of the terminal in columns, for the table. 0 means 100, and the minimum is 40.
	Width int
	// Version of the program, for SARIF. Left out when empty.
	Version string
}

// Write writes a report in a format.
func Write(w io.Writer, format Format, r audit.Report, o Options) error {
	if format == JSON {
		return writeJSON(w, r) // programs read JSON: texts are not cleaned
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
	case SARIF:
		return writeSARIF(w, []audit.Report{r}, o.Version)
	case JUnit:
		return writeJUnit(w, []audit.Report{r})
	default:
		_, err := ParseFormat(string(format))
		return err
	}
}
