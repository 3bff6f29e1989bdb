package crossuser

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// page is what the test saw, for readers.
const page = "../../docs/crossuser.md"

// updateEnv, when set, writes the page.
const updateEnv = "CROSSUSER_UPDATE"

// row is one field of one route, or of one of the socket's requests.
type row struct{ target, field, rule, openIM, wrapper string }

func (r row) name() string { return strings.TrimPrefix(r.target, "/") + " " + r.field }

func TestNobodyGetsAtWhatIsAnothers(t *testing.T) {
	s := newStage(t)
	var calls, sent []row
	t.Run("socket", func(t *testing.T) { sent = frames(t, s) })
	t.Run("routes", func(t *testing.T) { calls = routes(t, s) })
	if t.Failed() {
		return
	}
	written := render(calls, sent)
	if os.Getenv(updateEnv) != "" {
		if err := os.WriteFile(page, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	current, err := os.ReadFile(page)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(current)).To(Equal(written), "%s is not what was seen: run the test with %s=1 and look at the difference", page, updateEnv)
}

func render(calls, sent []row) string {
	var b strings.Builder
	b.WriteString(`# What one user can do to another

Written by test/crossuser, which made every call of this page on the real OpenIM v3.8.3, once through the wrapper and once straight at OpenIM
with the same user's own OpenIM token. Do not edit.

Each line is one field that a user may fill in, turned towards another user: his id, his group, his conversation, his object. Behind the field
stands the wrapper's rule for it (wrapper/policy, wrapper/realtime). "Passed on" is said of fields that may name anybody, such as whom
to ask for friendship: OpenIM decides, and the reply told nothing that is the other's alone.

`)
	summary(&b, slices.Concat(calls, sent))
	b.WriteString("\n## Calls\n\n| route | field | rule | OpenIM alone | through the wrapper |\n|---|---|---|---|---|\n")
	for _, r := range calls {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", r.target, r.field, r.rule, r.openIM, r.wrapper)
	}
	b.WriteString("\n## Frames of the socket\n\n| request | field | rule | OpenIM alone | through the wrapper |\n|---|---|---|---|---|\n")
	for _, r := range sent {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.target, r.field, r.rule, r.openIM, r.wrapper)
	}
	return b.String()
}

func summary(b *strings.Builder, rows []row) {
	var open, closed int
	for _, r := range rows {
		if strings.HasPrefix(r.openIM, "**") {
			open++
		}
		if !strings.HasPrefix(r.wrapper, passedOn) {
			closed++
		}
	}
	fmt.Fprintf(b, "Of %d fields, OpenIM alone lets a user get at another's by %d. The wrapper refuses or rewrites %d, and the remaining %d give away nothing.\n", len(rows), open, closed, len(rows)-closed)
}
