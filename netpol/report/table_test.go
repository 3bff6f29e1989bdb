package report_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

func TestTheTableBeginsWithTheVerdictAndThenSaysWhatToDo(t *testing.T) {
	g := NewWithT(t)
	out := string(write(t, report.Table, breached(), report.Options{}))
	g.Expect(out).To(HavePrefix("im/chat: 5 findings (2 critical, 1 high, 1 medium, 1 low; 1 excepted)\n"))
	last := 0
	for _, head := range []string{"FINDINGS", "EXCEPTIONS", "NOT AS INTENDED", "WHO REACHES WHAT", "COULD NOT BE READ", "NOTES"} {
		at := strings.Index(out, "\n"+head)
		g.Expect(at).To(BeNumerically(">", last), "%s is there, in its order", head)
		last = at
	}
	for _, f := range breached().Findings {
		g.Expect(out).To(ContainSubstring(f.Kind))
		g.Expect(out).To(ContainSubstring(f.Reason))
		g.Expect(out).To(ContainSubstring(f.Lets))
	}
	g.Expect(out).To(ContainSubstring("              spec:\n                podSelector: {}\n"), "an object to apply keeps its indentation")
	g.Expect(out).To(ContainSubstring("msggateway:10001 websocket"))
}

func TestASealedStackHasNoSectionsOfTrouble(t *testing.T) {
	out := string(write(t, report.Table, clean(), report.Options{}))
	NewWithT(t).Expect(out).To(HavePrefix("im/chat: Sealed\n"))
	for _, head := range []string{"FINDINGS", "EXCEPTIONS", "NOT AS INTENDED", "COULD NOT BE READ"} {
		NewWithT(t).Expect(out).NotTo(ContainSubstring(head))
	}
}

func TestLinesFitTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80, 100, 200} {
		for _, r := range []audit.Report{clean(), breached(), large(), ownWrapper()} {
			r.Findings = append([]audit.Finding{{Kind: "Wide", Reason: strings.Repeat("長い名前", 40)}}, r.Findings...)
			for line := range strings.Lines(string(write(t, report.Table, r, report.Options{Width: width}))) {
				taken := utf8.RuneCountInString(
					strings.TrimRight(line, "\n"),
				) + strings.Count(
					line,
					"長",
				) + strings.Count(
					line,
					"い",
				) + strings.Count(
					line,
					"名",
				) + strings.Count(
					line,
					"前",
				)
				NewWithT(t).Expect(taken).To(BeNumerically("<=", width), line)
			}
		}
	}
}

func TestColoursAreForTerminalsThatAskForThem(t *testing.T) {
	g := NewWithT(t)
	plain := string(write(t, report.Table, breached(), report.Options{}))
	coloured := string(write(t, report.Table, breached(), report.Options{Colour: true}))
	g.Expect(plain).NotTo(ContainSubstring("\x1b"))
	g.Expect(coloured).To(HavePrefix("\x1b[31;1mim/chat: 5 findings"))
	g.Expect(strings.NewReplacer("\x1b[31;1m", "", "\x1b[32;1m", "", "\x1b[33;1m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[0m",
		"").Replace(coloured)).
		To(Equal(plain), "colours change nothing else")
	g.Expect(string(write(t, report.Table, clean(), report.Options{Colour: true}))).To(HavePrefix("\x1b[32;1m"), "sealed is green")
}

func TestTheSummaryIsShort(t *testing.T) {
	g := NewWithT(t)
	var calm, loud strings.Builder
	g.Expect(report.Summary(&calm, clean(), report.Options{})).To(Succeed())
	g.Expect(strings.Count(calm.String(), "\n")).To(BeNumerically("<=", 12))
	g.Expect(report.Summary(&loud, breached(), report.Options{})).To(Succeed())
	g.Expect(loud.String()).To(ContainSubstring("F1 Critical ForeignPolicyWidens: NetworkPolicy im/debug-open: "))
	g.Expect(loud.String()).To(ContainSubstring("Exception   WebSocketDirect: "))
	g.Expect(loud.String()).To(ContainSubstring("Not read    TCPRoute: forbidden"))
}
