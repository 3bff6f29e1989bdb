package eventkind

import (
	"fmt"
	"slices"
	"strings"
)

// Row is a row of the reference.
type Row struct {
	Kind Kind
	// About is the object that the event names beside the stack. Empty: none.
	About string
	// When tells when the event is recorded, and what to do about it.
	When string
}

// Rows returns the kinds of events that no condition tells of.
func Rows() []Row {
	const child = "the child, or the first of several"
	return []Row{
		{Created, child, "a child did not exist and was created."},
		{Repaired, child, "somebody else had changed a child, and what the spec says was written again. Look for the writer in the child's " +
			"managed fields: `kubectl get -o yaml --show-managed-fields`."},
		{Deleted, child, "a child is no longer wanted, and was deleted."},
		{SecretRegenerated, "the Secret", "a Secret that the operator had generated was lost, and another value was generated. The message " +
			"tells what that ends."},
		{CheckFailed, "", "a check failed before the first wave, with what runs already, so that checks decide nothing about this rollout. " +
			"The message has what the check found: [upgrades.md](../upgrades.md)."},
		{CheckSkipped, "", "a rollout is not checked, because the check cannot be made, or because somebody asked for that. The message tells."},
	}
}

// when returns in words when a condition makes a Warning.
func (r rule) when() string {
	if r.always {
		return "always"
	}
	text := "the status is False, and the reason is not " + quoted(append(slices.Clone(waiting), r.waiting...))
	if r.good != "" {
		text += "; or the status is True, and the reason is not " + quoted([]string{r.good})
	}
	if r.warning != "" {
		text += "; or the status is True, and the reason is " + quoted([]string{r.warning})
	}
	return text
}

// quoted returns reasons in backquotes: one, or a list with "or" before the last.
func quoted(reasons []string) string {
	var all []string
	for _, reason := range reasons {
		all = append(all, "`"+reason+"`")
	}
	last := len(all) - 1
	if last == 0 {
		return all[0]
	}
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

// Docs returns the tables of the reference in Markdown.
func Docs() string {
	var b strings.Builder
	b.WriteString("## What the operator did\n\n| reason | type | action | about | when |\n|---|---|---|---|---|\n")
	for _, r := range Rows() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s | %s |\n", r.Kind.reason, r.Kind.kind, r.Kind.action, r.About, r.When)
	}
	b.WriteString("\n## Changes of conditions\n\n| action | reason | Warning when |\n|---|---|---|\n")
	for _, r := range rules {
		fmt.Fprintf(&b, "| `%s` | that of the condition | %s |\n", r.condition, r.when())
	}
	return b.String()
}
