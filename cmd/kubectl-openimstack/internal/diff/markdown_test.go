package diff

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
)

// of returns a page with sections of so many lines each.
func of(heading string, counts ...int) page {
	p := page{heading: heading}
	for i, count := range counts {
		s := section{heading: fmt.Sprintf("section %d", i)}
		for n := range count {
			s.lines = append(s.lines, fmt.Sprintf("im/chat: line %d of %d", n, i))
		}
		p.sections = append(p.sections, s)
	}
	return p
}

func TestAComment(t *testing.T) {
	p := page{heading: "Network audit: the two sides differ", sections: []section{
		{heading: "newly open", lines: []string{"im/chat: intruder -> api:10002/TCP"}}, {heading: "newly closed"},
		{heading: "could not be read", lines: []string{"im/chat: Pod: forbidden"}, where: " in @org/branch"},
	}}
	NewWithT(t).Expect(markdown([]page{p})).To(Equal("### Network audit: the two sides differ\n\n" +
		"**Newly open** (1)\n\n```text\nim/chat: intruder -> api:10002/TCP\n```\n\n" +
		"**Could not be read** (1)\n\n```text\nim/chat: Pod: forbidden\n```\n\n"))
}

// A comment fits, whatever there is to say, and says how much is left out.
func TestACommentFits(t *testing.T) {
	manyStacks := make([]page, 5000)
	for i := range manyStacks {
		manyStacks[i] = of(fmt.Sprintf("OpenIMStack `im/chat-%d`", i), i%3)
	}
	left := regexp.MustCompile(`(?:^|\n)(\d+) lines(?: and (\d+) stacks)? were left out, because a comment has at most 65536 characters: ` +
		"run `kubectl openimstack diff` for all of them.\n$")
	for name, pages := range map[string][]page{
		"little": {of("a", 3, 3)}, "a flood": {of("a", 3, 100_000, 3)}, "floods": {of("a", 5000, 5000), of("b", 5000)}, "many stacks": manyStacks,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			out := markdown(pages)
			g.Expect(len(out)).To(BeNumerically("<=", maxComment))
			g.Expect(markdown(pages)).To(Equal(out), "equal differences make an equal comment")
			all, shown := 0, strings.Count(out, "im/chat: line")
			for _, p := range pages {
				all += p.count()
			}
			found := left.FindStringSubmatch(out)
			if all == shown && strings.Count(out, "### ") == len(pages) {
				g.Expect(found).To(BeNil())
				return
			}
			g.Expect(found).NotTo(BeNil(), out[len(out)-200:])
			g.Expect(fmt.Sprint(all-shown)).To(Equal(found[1]), "lines")
			g.Expect(len(out)).To(BeNumerically(">", maxComment/2), "the room is used")
		})
	}
}

// Somebody who can make one list long must not hide another: every section keeps its heading and number, and short sections are complete.
func TestAFloodHidesNothingElse(t *testing.T) {
	g := NewWithT(t)
	out := markdown([]page{of("a", 100_000, 20, 100_000, 20)})
	for i, count := range []int{100_000, 20, 100_000, 20} {
		g.Expect(out).To(ContainSubstring("**Section %d** (%d)\n", i, count))
		g.Expect(out).To(ContainSubstring("im/chat: line 19 of %d\n", i))
	}
	g.Expect(markdown(append([]page{of("clean")}, of("dirty", 1)))).To(HavePrefix("### dirty\n"), "differences come first")
}

// hostileLines are what the name of an object or a label in a report may try.
var hostileLines = []string{
	"@org/team #1 GH-1 https://evil.example www.evil.example", "<img src=x onerror=alert(1)><!--",
	"```\n@org/team", "````", "~~~", "`x`", "**b** [a](b)",
	"a\r\nb", "\x1b[2J\u202e\u2028x", "\xff", strings.Repeat("`", 100_000), "", "</details>", "|a|b|", "&#64;org",
}

// All that is not in a block of code is ours, and no line ends a block.
func FuzzMarkdown(f *testing.F) {
	for _, line := range hostileLines {
		f.Add(line)
	}
	ours := regexp.MustCompile(`^(### a|\*\*New findings\*\* \(2\)|)$`)
	f.Fuzz(func(t *testing.T, line string) {
		g := NewWithT(t)
		p := page{heading: "a", sections: []section{{heading: "new findings", lines: []string{line, "last"}}}}
		out := markdown([]page{p})
		g.Expect(utf8.ValidString(out)).To(BeTrue())
		blocks := strings.Split(out, "```")
		g.Expect(blocks).To(HaveLen(3), "one block of code")
		g.Expect(strings.Split(blocks[1], "\n")).To(HaveLen(4), "two lines between the fences")
		g.Expect(blocks[1]).To(And(HavePrefix("text\n"), HaveSuffix("\nlast\n")))
		for _, l := range strings.Split(blocks[0]+blocks[2], "\n") {
			g.Expect(ours.MatchString(l)).To(BeTrue(), "%q", l)
		}
	})
}
