package failures

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// page is the table for readers.
const page = "../../docs/failures.md"

// updateEnv, when set, writes the page.
const updateEnv = "FAILURES_UPDATE"

// line is one of the page's other table: what is not a fault that lasts.
type line struct{ event, seen, bound, test string }

var lines = []line{
	{"an administrator revokes a user, a device, or everything", "sockets are closed with 4401, calls at every gateway get 1506", "p99 " + bound(felt) + ", with 1,000 sockets", "TestARevocationReachesAThousandSocketsWithinASecond"},
	{"a session ends: by its owner, an administrator, a disabled user, a replaced key, a ninth login, its time, a lost Redis", "the next login works at either gateway, with a call, a socket and a message on it", bound(comesBack), "TestAfterEveryRevocationLifeGoesOn"},
	{"kill -9 of a gateway", "its sockets break; the same sessions hold at the other gateway, at the first try", "100 sockets open again within " + bound(reunited), "TestAKilledGatewayLosesNoSession"},
	{"kill -9 of a backend", "nothing, or a call that must be made once more; what was confirmed is kept", "at once", "TestAKilledBackendLosesNothing"},
	{"SIGTERM to a gateway", "close frames 1012 spread over `drainSeconds`, no new sockets meanwhile, every acknowledged message arrives, exit status 0", "`shutdownGraceSeconds`", "TestADrainingGatewayLosesNothing"},
}

func render() string {
	var b strings.Builder
	b.WriteString(`# When something fails

Written from the table of test/failures, which makes each of these faults on the real OpenIM v3.8.3 behind two gateways and two backends: do not edit. ` + "`make test-failures`" + ` runs it.

Whatever fails, this holds, and each line is tested for it:

- Nobody is let in because of it. A token that was never given, a session that was revoked, a ticket that was used before are refused: with their own errCode or with 503.
- Nobody is logged out because of it: no session that holds is answered 1501 to 1507, which would make an SDK drop it.
- Nothing hangs: everybody has an answer within the bound. Over a socket whose other side is frozen the answer is the socket's end.
- It ends by itself: once the part is back, all is as usual within the time in the last column, with the same sessions. A revocation that was answered with an error is repeated by whoever asked for it, and then holds.

What a line does not name is as usual, within ` + bound(quick) + `. Looked at in every case: ` + names() + `.

Numbers are HTTP statuses, *errCode* is OpenIM's with HTTP 200, *closed with* is the code of the close frame. Several answers: each of them is seen, it depends on which part is met.

| what fails | how | who notices | answer | bound | as usual again | test: TestWhenSomethingIsDown/ |
|---|---|---|---|---|---|---|
`)
	var notes []string
	for _, f := range faults() {
		mark := ""
		if f.note != "" {
			notes = append(notes, f.note)
			mark = fmt.Sprintf(" (%d)", len(notes))
		}
		wants := f.notable()
		if len(wants) == 0 {
			fmt.Fprintf(&b, "| %s | %s%s | nobody | as usual | %s | %s | `%s` |\n", f.what, f.how, mark, bound(quick), bound(f.back), f.name)
		}
		for i, w := range wants {
			if i > 0 {
				mark = ""
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s | %s | %s | %s | `%s/%s` |\n", f.what, f.how, mark, w.probe.name, strings.Join(w.answers, ", or "), bound(w.within), bound(f.back), f.name, w.probe.test())
		}
	}
	b.WriteString("\n")
	for i, note := range notes {
		fmt.Fprintf(&b, "%d. %s.\n", i+1, strings.ToUpper(note[:1])+note[1:])
	}
	b.WriteString("\nWhat takes longer to see, or needs a part made to fail at one moment, is in [sessions.md](sessions.md), [token-vault.md](token-vault.md) and [websocket.md](websocket.md); files that go bad are in [wrapper.md](wrapper.md).\n\n## Ends and revocations\n\n| event | seen | bound | test |\n|---|---|---|---|\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", l.event, l.seen, l.bound, l.test)
	}
	return b.String()
}

// notable are the lines of a fault: what is another answer than usual, or takes longer than it.
func (f fault) notable() []want {
	return slices.DeleteFunc(slices.Clone(f.wants), func(w want) bool { return slices.Equal(w.answers, []string{w.probe.usual}) && w.within <= quick })
}

func bound(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }

func names() string {
	var all []string
	for _, p := range probes {
		all = append(all, p.name)
	}
	return strings.Join(all, ", ")
}

func TestThePageIsTheTable(t *testing.T) {
	written := render()
	if os.Getenv(updateEnv) != "" {
		if err := os.WriteFile(page, []byte(written), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	current, err := os.ReadFile(page)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(current)).To(Equal(written), "%s is not the table: run the test with %s=1", page, updateEnv)
}

// TestEachLineHasATestAndEachTestALine holds the page's second table and this package's tests together. In the first one they cannot
// differ: a line of it is what its test is run with.
func TestEachLineHasATestAndEachTestALine(t *testing.T) {
	g := NewWithT(t)
	var tests []string
	for _, file := range must(filepath.Glob("*_test.go"))(t) {
		parsed := must(parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution))(t)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				tests = append(tests, f.Name.Name)
			}
		}
	}
	named := []string{"TestMain", "TestWhenSomethingIsDown", "TestEachFaultSaysWhatIsSeen", "TestThePageIsTheTable", "TestEachLineHasATestAndEachTestALine"}
	for _, l := range lines {
		named = append(named, l.test)
	}
	g.Expect(tests).To(ConsistOf(named))
}
