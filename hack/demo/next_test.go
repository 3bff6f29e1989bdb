package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/render"
	"github.com/openimstack/openim-operator/netpol/audit"
)

var chatStack = client.ObjectKey{Namespace: "im", Name: "chat"}

func TestTheReportIsWhereTheDemoSays(t *testing.T) {
	g := NewWithT(t)
	root := t.TempDir()
	found := audit.Report{Stack: audit.Stack{Namespace: "im", Name: "chat"}, Verdict: audit.VerdictSealed}
	g.Expect(writeReport(root, found)).To(Succeed())
	g.Expect(writeReport(root, found)).To(Succeed(), "a later demo replaces it")
	page, err := os.ReadFile(filepath.Join(root, "dist", "demo", "audit.html"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(And(ContainSubstring("<html"), ContainSubstring("im/chat"), ContainSubstring("Sealed")))

	g.Expect(os.RemoveAll(filepath.Join(root, "dist"))).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(root, "dist"), nil, 0o600)).To(Succeed())
	g.Expect(writeReport(root, found)).To(MatchError(ContainSubstring("writing the audit's report")))
}

// What the demo names exists: the folder, and each command with its flags.
func TestTheDemoNamesWhatExists(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	boards, err := filepath.Glob(filepath.Join(root, dashboards, "*.json"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(boards).NotTo(BeEmpty())
	reference, err := os.ReadFile(filepath.Join(root, "docs", "reference", "cli.md"))
	g.Expect(err).NotTo(HaveOccurred())
	commands := nextCommands(chatStack)
	g.Expect(commands).To(HaveLen(3))
	for _, c := range commands {
		words := strings.Fields(c[0])
		g.Expect(string(reference)).To(ContainSubstring("\n## " + strings.Join(words[:3], " ") + "\n"))
		g.Expect(words[len(words)-2:]).To(Equal([]string{"-n", "im"}))
	}
}

// docs/demo.md ends with these lines, without what differs between machines.
func TestThePageOfTheDemoEndsWithWhatIsNext(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "demo.md"))
	g.Expect(err).NotTo(HaveOccurred())
	var out bytes.Buffer
	writeNext(&out, chatStack, "/root/.cache/openim-operator/cluster/kubeconfig")
	text := normalize(out.String() + "\ndemo: PASS in 1m2s. Everything is left running; remove it with `make demo-down`.\n")
	g.Expect(text).To(ContainSubstring("  export KUBECONFIG=<file>\n"))
	g.Expect(string(page)).To(HaveSuffix("\n\n" + text + "```\n"))

	out.Reset()
	writeNext(&out, chatStack, "")
	g.Expect(out.String()).NotTo(ContainSubstring("KUBECONFIG"), "a cluster of kubectl's current context needs none")
}
