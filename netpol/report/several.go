package report

import (
	"bytes"
	"io"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// WriteAll writes the reports of several stacks. SARIF and JUnit hold them in one document; in the other formats they follow one another.
func WriteAll(w io.Writer, format Format, reports []audit.Report, o Options) error {
	if format == SARIF || format == JUnit {
		cleaned := make([]audit.Report, 0, len(reports))
		for _, r := range reports {
			cleaned = append(cleaned, clean(r))
		}
		if format == SARIF {
			return writeSARIF(w, cleaned, o.Version)
		}
		return writeJUnit(w, cleaned)
	}
	for i, r := range reports {
		var text bytes.Buffer
		if err := Write(&text, format, r, o); err != nil {
			return err
		}
		content := text.Bytes()
		if i > 0 && format == CSV { // one header is enough
			_, content, _ = bytes.Cut(content, []byte("\n"))
		}
		if i > 0 && (format == Table || format == Markdown) {
			content = append([]byte("\n"), content...)
		}
		if _, err := w.Write(content); err != nil {
			return err
		}
	}
	return nil
}
