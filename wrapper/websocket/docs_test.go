package websocket

import (
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

func TestThePageIsUpToDate(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/websocket.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(ContainSubstring("\n"+Table()+"\n"), `run "go generate ./wrapper/websocket"`)
}

func TestTheTableIsSound(t *testing.T) {
	g := NewWithT(t)
	seen := map[int32]bool{}
	for _, r := range Requests {
		g.Expect(seen[r.ID]).To(BeFalse(), "%d", r.ID)
		seen[r.ID] = true
		g.Expect(r.Name).NotTo(BeEmpty())
		g.Expect(r.Why).NotTo(BeEmpty())
		if r.Refused != "" {
			continue
		}
		g.Expect(r.Class).To(BeElementOf(ClassMessage, ClassRead))
		g.Expect(r.Audit).To(BeElementOf(AuditRoutine, AuditPrivate, AuditWrite))
		g.Expect(r.Fields).NotTo(BeEmpty())
		checkFields(g, r.Name, r.Fields)
	}
}

func checkFields(g Gomega, name string, list []Field) {
	seen := map[int32]bool{}
	for _, f := range list {
		g.Expect(seen[int32(f.Number)]).To(BeFalse(), "%s %s", name, f.Name)
		seen[int32(f.Number)] = true
		// What goes on to OpenIM as a client wrote it, and every list.
		if f.kept() && f.Shape != Message || f.Rule == Shown || f.Repeated {
			g.Expect(f.Bound).To(BeNumerically(">", 0), "%s %s has no bound", name, f.Name)
		}
		if f.Repeated && (f.Shape == Text || f.Shape == Numbers) {
			g.Expect(f.Entry).To(BeNumerically(">", 0), "%s %s has no bound for one", name, f.Name)
		}
		if f.Rule == Conversation && f.Shape == Text && f.Repeated {
			g.Expect(f.Bound).To(BeNumerically("<=", MaxConversationsPerCall), "%s %s: OpenIM may keep a key for each", name, f.Name)
		}
		checkFields(g, name+"."+f.Name, f.Fields)
	}
}
