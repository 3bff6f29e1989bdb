package main

import (
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const testFile = `package a

func TestItWorks(t *testing.T) {}

// fails is a word of a comment.
var _ = Describe("A thing", func() {
	It("works", func() {})
	DescribeTable(
		"works in each case", func() {})
	PIt("is pending", func() {})
})
`

func TestAClaimNeedsATestThatExists(t *testing.T) {
	g := NewWithT(t)
	row := func(text string) string { return "| claim | proven by |\n|---|---|\n" + text + "\n" }
	for page, finding := range map[string]string{
		row("| it works | `a/a_test.go`: \"works\" |"):                           "",
		row("| it works | `a/a_test.go`: \"works\"; `a/a_test.go`: \"fails\" |"): `a/a_test.go has no test "fails"`,
		row("| it works | `a/b_test.go`: \"works\" |"):                           "a/b_test.go, which does not exist",
		row("| it works | `a/a_test.go`: \"TestItWorks\" |"):                     "",
		row("| it works | `a/a_test.go`: \"works in each case\" |"):              "",
		row("| it works | `a/a_test.go`: \"is pending\" |"):                      `has no test "is pending"`,
		row("| it works | `a/a_test.go`: \"wor\" |"):                             `has no test "wor"`,
		row("| it works | we think so |"):                                        `"| it works | we think so |" names no test`,
		row("| it works | `a/a_test.go` |"):                                      "a/a_test.go is named without a test",
		row("| it works | `a/a_test.go`: \"works\", \"TestItWorks\" |"):          "",
		row("| it works | `a/a_test.go`: \"works\", \"fails\" |"):                `a/a_test.go has no test "fails"`,
		row("| it works | `a/a_test.go`; `a/a_test.go`: \"works\" |"):            "a/a_test.go is named without a test",
		"# Text alone\n": "",
	} {
		tr := newTree(t, map[string]string{claimsPages[0]: page, "a/a_test.go": testFile})
		found, err := claims(t.Context(), tr, io.Discard)
		g.Expect(err).NotTo(HaveOccurred())
		if finding == "" {
			g.Expect(found).To(BeEmpty(), page)
			continue
		}
		g.Expect(found).To(ConsistOf(ContainSubstring(finding)), page)
	}
	// The other page is read with the same rules, and its own first line.
	tr := newTree(t, map[string]string{claimsPages[1]: "| attacker | shown by |\n|---|---|\n| a user | nothing |\n"})
	found, err := claims(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(ContainSubstring("docs/threats.md: the row")))
	var figures strings.Builder
	tr = newTree(t, map[string]string{claimsPages[1]: row("| it works | `a_test.go`: \"works\" |"), "a_test.go": testFile})
	_, err = claims(t.Context(), tr, &figures)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(figures.String()).To(Equal("1 tests are named"))
}
