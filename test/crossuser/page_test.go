package crossuser

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/loopback"
)

// page is the page with the test's results.
const page = "../../docs/crossuser.md"

// updateEnv, when set, writes the page.
const updateEnv = "CROSSUSER_UPDATE"

// row is one field of a route or of a socket request.
type row struct{ target, field, rule, openIM, wrapper string }

func (r row) name() string { return strings.TrimPrefix(r.target, "/") + " " + r.field }

func TestNobodyGetsAtWhatIsAnothers(t *testing.T) {
	s := newTestEnv(t)
	var seen findings
	t.Run("attacks", func(t *testing.T) { attackAll(t, s) })
	t.Run("socket", func(t *testing.T) { seen.sent = frames(t, s) })
	t.Run("routes", func(t *testing.T) { seen.calls = declared(t, s) })
	if t.Failed() {
		return
	}
	file := pageOf(s.release)
	written := render(s.release, seen)
	if os.Getenv(updateEnv) != "" {
		if err := os.WriteFile(file, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	current, err := os.ReadFile(file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(current)).To(Equal(written), "%s is not what was seen: run the test with %s=1 and look at the difference", file, updateEnv)
}

// pageOf returns docs/crossuser.md for the release that is built here, and a page beside it for other releases.
func pageOf(release string) string {
	if release == loopback.DefaultRelease {
		return page
	}
	return strings.TrimSuffix(page, ".md") + "-" + release + ".md"
}

// findings holds the results of one run.
type findings struct {
	calls, sent []row
}

func render(release string, seen findings) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# What one user can do to another, on OpenIM %s

Written by test/crossuser, which made every call of this page on the real OpenIM %s, once through the wrapper and once straight at OpenIM
with the same user's own OpenIM token. Do not edit.

Each line is one field that a user may fill in, turned towards another user: the other's id, group, conversation, object. Behind the field
stands the wrapper's rule for it (wrapper/routes, wrapper/websocket). "Passed on" is said of fields that may name anybody, such as whom
to ask for friendship: OpenIM decides, and the reply told nothing that is the other's alone.

`, release, release)
	if release == loopback.DefaultRelease {
		fmt.Fprintf(&b, "The programs of other releases are given by a folder: `%s=FOLDER %s=v3.8.3-patch.16 make test-crossuser`. The page\n"+
			"of that release is [crossuser-v3.8.3-patch.16.md](crossuser-v3.8.3-patch.16.md).\n\n", loopback.ProgramsEnv, loopback.ReleaseEnv)
	}
	summary(&b, slices.Concat(seen.calls, seen.sent))
	b.WriteString("\n## Attacks\n\nEach was tried through the wrapper, which let none of them through, and honest use went on after it (test/crossuser/scenes_test.go).\n\n")
	for _, a := range attacks {
		fmt.Fprintf(&b, "- %s\n", a.name)
	}
	b.WriteString("\nBesides, `make test-crossuser-values` tries every field of every route, whatever it is called, with nothing, null, an empty value, the\n" +
		"beginning of the other's ids, a pattern, the other's ids, numbers below zero and values that are huge: some 4,800 calls, in many minutes.\n")
	b.WriteString("\n## Calls\n\n| route | field | rule | OpenIM alone | through the wrapper |\n|---|---|---|---|---|\n")
	for _, r := range seen.calls {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s |\n", r.target, r.field, r.rule, r.openIM, r.wrapper)
	}
	b.WriteString("\n## Frames of the socket\n\n| request | field | rule | OpenIM alone | through the wrapper |\n|---|---|---|---|---|\n")
	for _, r := range seen.sent {
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
