package main

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

const code = `package p

// Conditions of a thing.
const (
	// ConditionReady is True when all
	// is well.
	ConditionReady = "Ready"
	// ReasonWaiting: something a|b is missing.
	ReasonWaiting = "Waiting"
)
`

func TestEachConstantHasARow(t *testing.T) {
	g := NewWithT(t)
	text, err := tables(code)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(text).To(Equal("\n## Conditions of a thing\n\n| value | meaning |\n|---|---|\n" +
		"| `Ready` | is True when all is well. |\n| `Waiting` | something a\\|b is missing. |\n"))
}

func TestAConstantWithoutItsOwnCommentIsAnError(t *testing.T) {
	g := NewWithT(t)
	for _, bad := range []string{
		"package p\n\n// C.\nconst (\n\tA = \"a\"\n)\n",
		"package p\n\n// C.\nconst (\n\t// B is another.\n\tA = \"a\"\n)\n",
		"package p\n\n// C.\nconst (\n\t// A is computed.\n\tA = \"a\" + \"b\"\n)\n",
		"package p\n\nconst (\n\t// A is in a block without a comment.\n\tA = \"a\"\n)\n",
		"package p\n\nconst (",
	} {
		_, err := tables(bad)
		g.Expect(err).To(HaveOccurred(), bad)
	}
}

func TestTheTablesAreWrittenIntoThePage(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	source, page := filepath.Join(dir, "c.go"), filepath.Join(dir, "page.md")
	g.Expect(os.WriteFile(source, []byte(code), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(page, []byte("no marks"), 0o600)).To(Succeed())
	g.Expect(rewrite(source, page)).To(MatchError(ContainSubstring("has no marks")))
	current, err := os.ReadFile(filepath.Join("..", "..", "docs", "conditions.md"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(page, current, 0o600)).To(Succeed())
	g.Expect(rewrite(source, page)).To(Succeed())
	g.Expect(os.ReadFile(page)).To(And(ContainSubstring("`Waiting`"), Not(ContainSubstring("NetworkIsolated` | is True"))))
}
