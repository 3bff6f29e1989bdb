package settings

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// writeTable prints a report for people.
func writeTable(w io.Writer, r report) error {
	fmt.Fprintf(w, "%s: %s\n", r.Stack, r.Verdict)
	switch {
	case r.Verdict == verdictUnknown:
		fmt.Fprintln(w, r.Problem)
	case len(r.Refused) == 1:
		fmt.Fprintf(w, "OpenIM %s does not take 1 setting.\n", r.Release)
	case len(r.Refused) > 1:
		fmt.Fprintf(w, "OpenIM %s does not take %d settings.\n", r.Release, len(r.Refused))
	default:
		fmt.Fprintf(w, "OpenIM %s takes all that spec.settings sets.\n", r.Release)
	}
	if len(r.Refused) > 0 {
		fmt.Fprintln(w, "\nREFUSED")
		for _, refused := range r.Refused {
			fmt.Fprintf(w, "  %s %s: %s\n", refused.Reason, refused.Field, refused.Why)
		}
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	writeValues(table, "SET", r.Set)
	writeValues(table, "IN FORCE", r.InForce)
	if r.InForceNote != "" {
		if len(r.InForce) == 0 {
			fmt.Fprintln(table, "\nIN FORCE")
		}
		fmt.Fprintf(table, "  %s\n", r.InForceNote)
	}
	if len(r.Takes) > 0 {
		fmt.Fprintln(table, "\nFILE\tKEY\tVALUES\tSET BY")
	}
	for _, k := range r.Takes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", k.File, k.Key, k.Values, k.SetBy)
	}
	return table.Flush()
}

// writeValues prints values under a heading.
func writeValues(w io.Writer, heading string, values []value) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\tVALUE\n", heading)
	for _, v := range values {
		fmt.Fprintf(w, "%s\t%s\n", v.Name, v.Value)
	}
}

// writeJSON writes a report as a document of JSON. Several follow one another.
func writeJSON(w io.Writer, r report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

// writeYAML writes a report as a document of YAML.
func writeYAML(w io.Writer, r report) error {
	content, err := yaml.Marshal(r)
	if err != nil {
		return fmt.Errorf("writing the report of %s: %w", r.Stack, err)
	}
	_, err = fmt.Fprintf(w, "---\n%s", content)
	return err
}
