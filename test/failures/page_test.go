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

// page is the generated page.
const page = "../../docs/failures.md"

// updateEnv, when set, writes the page.
const updateEnv = "FAILURES_UPDATE"

// line is a line of the page's second table, of events that are not lasting faults.
type line struct{ event, seen, bound, test string }

var lines = []line{
	{"an administrator revokes a user, a device, or everything", "sockets are closed with 4401, calls at every gateway get 1506", "p99 " + bound(felt) + ", with 1,000 sockets", "TestARevocationReachesAThousandSocketsWithinASecond"},
	{"a session ends: revoked by its owner or an administrator, a disabled user, a replaced key, a ninth login, its lifetime, a lost Redis", "the next login works at either gateway, with a call, a socket and a message on it", bound(comesBack), "TestAfterEveryRevocationLifeGoesOn"},
	{"kill -9 of a gateway", "its sockets break; the same sessions are valid at the other gateway, at the first attempt", "100 sockets open again within " + bound(reunited), "TestAKilledGatewayLosesNoSession"},
	{"kill -9 of a backend", "nothing, or a call that must be repeated; confirmed changes are kept", "immediately", "TestAKilledBackendLosesNothing"},
	{"SIGTERM to a gateway", "close frames 1012 spread over `drainSeconds`, no new sockets meanwhile, every acknowledged message arrives, exit status 0", "`shutdownGraceSeconds`", "TestADrainingGatewayLosesNothing"},
}

func render() string {
	var b strings.Builder
	b.WriteString(`# When something fails

Generated from the table of test/failures, which produces each of these faults with the real OpenIM v3.8.3 behind two gateways and two
backends: do not edit. ` + "`make test-failures`" + ` runs the tests.

For each fault, the tests check:

- No caller is admitted because of the fault. An invalid token, a revoked session and a used ticket are refused, with their own errCode or
  with 503.
- No user is logged out because of the fault: no valid session is answered 1501 to 1507, which would make an SDK drop the session.
- Nothing hangs: each call is answered within the bound. On a socket whose other side is frozen, the answer is the end of the socket.
- Recovery needs no action: once the process is back, all answers are the usual ones within the time of column "recovery", with the same
  sessions. A revocation that was answered with an error must be repeated by the caller, and then takes effect.

Answers that a line does not name are the usual ones, within ` + bound(quick) + `. The probes in every case:

` + names() + `
Numbers are HTTP statuses, *errCode* is OpenIM's with HTTP 200, *closed with* is the code of the close frame. With several answers, each of
them occurs, depending on the process that serves the call.

| what fails | how | probe | answer | bound | recovery | test: TestWhenSomethingIsDown/ |
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
			fmt.Fprintf(&b, "| %s | %s%s | all | as usual | %s | %s | `%s` |\n", f.what, f.how, mark, bound(quick), bound(f.back), f.name)
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
		b.WriteString(wrap(fmt.Sprintf("%d. %s.", i+1, strings.ToUpper(note[:1])+note[1:])))
	}
	b.WriteString("\nFaults that take longer to show, or that occur at one precise moment, are in [sessions.md](sessions.md),\n[token-vault.md](token-vault.md) and [websocket.md](websocket.md); files that become invalid are in [wrapper.md](wrapper.md).\n\n## Ends and revocations\n\n| event | seen | bound | test |\n|---|---|---|---|\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "| %s | %s | %s | `%s` |\n", l.event, l.seen, l.bound, l.test)
	}
	return b.String()
}

// wrap breaks an item of a list into lines of at most 140 columns.
func wrap(item string) string {
	const columns = 140
	indent := strings.Repeat(" ", strings.Index(item, " ")+1)
	var b strings.Builder
	line := ""
	for word := range strings.FieldsSeq(item) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > columns:
			b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}

// notable returns the lines of a fault: answers that differ from the usual one or take longer.
func (f fault) notable() []want {
	return slices.DeleteFunc(slices.Clone(f.wants), func(w want) bool { return slices.Equal(w.answers, []string{w.probe.usual}) && w.within <= quick })
}

func bound(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }

func names() string {
	var all []string
	for _, p := range probes {
		all = append(all, "- "+p.name+"\n")
	}
	return strings.Join(all, "")
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

// TestEachLineHasATestAndEachTestALine compares the page's second table with this package's tests. The first table cannot differ: its
// lines are the tests' cases.
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
