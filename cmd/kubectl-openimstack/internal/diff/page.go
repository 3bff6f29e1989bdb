package diff

import (
	"fmt"
	"io"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/report"
)

// page is the result of one comparison: a title and lists of differences.
type page struct {
	// title for a terminal; heading for Markdown, which names no path.
	title, heading string
	sections       []section
}

// section is a list of differences, a line each.
type section struct {
	heading string
	lines   []string
	// where follows the heading on a terminal.
	where string
}

// format of the output.
type format string

// Formats. The format for terminals is the first.
const (
	formatText     format = "text"
	formatMarkdown format = "md"
)

// parseFormat returns the format of a name. Markdown may be written out.
func parseFormat(name string) (format, error) {
	switch name {
	case string(formatText):
		return formatText, nil
	case string(formatMarkdown), "markdown":
		return formatMarkdown, nil
	default:
		return "", fmt.Errorf("unknown format %q: use one of %s, %s", name, formatText, formatMarkdown)
	}
}

// write writes pages in a format.
func write(w io.Writer, f format, pages []page) error {
	if f == formatMarkdown {
		_, err := io.WriteString(w, markdown(pages))
		return err
	}
	for i, p := range pages {
		if i > 0 {
			p.title = "\n" + p.title
		}
		if p.title != "" {
			if _, err := fmt.Fprintln(w, p.title); err != nil {
				return err
			}
		}
		for _, s := range p.sections {
			if err := cli.Section(w, s.heading+s.where+":", cleaned(s.lines)); err != nil {
				return err
			}
		}
	}
	return nil
}

// cleaned returns lines without control characters: reports and manifests are the work of others.
func cleaned(lines []string) []string {
	var all []string
	for _, l := range lines {
		all = append(all, report.Line(l))
	}
	return all
}
