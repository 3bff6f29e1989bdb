package docpage

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

var part = Part{Source: "a/b", Command: "go generate ./a/b"}

const mark = `<!-- generated from a/b by "go generate ./a/b": do not edit between the marks -->`

func TestOnlyTheTextBetweenTheMarksIsReplaced(t *testing.T) {
	g := NewWithT(t)
	page := "above\n" + mark + "\nold\n" + end + "\nbelow\n"
	once, err := part.Replace(page, "\nnew\n")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(once).To(Equal("above\n" + mark + "\n\nnew\n\n" + end + "\nbelow\n"))
	g.Expect(part.Replace(once, "new")).To(Equal(once), "twice is once")
}

func TestAPageMayHaveSeveralParts(t *testing.T) {
	g := NewWithT(t)
	other := Part{Source: "c", Command: "go generate ./c"}
	page := other.begin() + "\nc\n" + end + "\n" + mark + "\n" + end + "\n"
	out, err := part.Replace(page, "new")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HavePrefix(other.begin() + "\nc\n" + end))
	g.Expect(other.Replace(out, "d")).To(ContainSubstring(mark + "\n\nnew\n\n" + end))
}

func TestAPageWithoutMarksIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "page.md")
	for _, page := range []string{"", "text", mark, mark + "\nno end", end + "\n" + mark, mark + "\n" + end + mark + "\n" + end} {
		g.Expect(os.WriteFile(file, []byte(page), 0o600)).To(Succeed())
		g.Expect(part.Rewrite(file, "new")).To(MatchError(ContainSubstring("keep the lines")), page)
		g.Expect(os.ReadFile(file)).To(BeEquivalentTo(page))
	}
	g.Expect(part.Rewrite(filepath.Join(t.TempDir(), "gone"), "")).To(MatchError(ContainSubstring("reading the page")))
	g.Expect(os.WriteFile(file, []byte(mark+"\n"+end), 0o600)).To(Succeed())
	g.Expect(part.Rewrite(file, "new")).To(Succeed(), "after the refusals the next page works")
}
