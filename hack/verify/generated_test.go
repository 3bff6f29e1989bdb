package main

import (
	"io"
	"testing"

	. "github.com/onsi/gomega"
)

// A project whose generators write the upper-case form of a file, and one file more when asked to.
const makefile = "generate:\n\ttr a-z A-Z < source.txt > upper.txt\nmanifests:\n\t@test ! -f more.txt || echo new > extra.txt\n"

func TestGeneratedIsSilentWhenAllIsCurrent(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{"Makefile": makefile, "source.txt": "abc\n", "upper.txt": "ABC\n"})
	found, err := generated(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
}

func TestGeneratedFindsAStaleFileAndLeavesItAlone(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{"Makefile": makefile, "source.txt": "abcd\n", "upper.txt": "ABC\n"})
	found, err := generated(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(And(HavePrefix("upper.txt is stale: run `make generate manifests`"), ContainSubstring("ABCD"))))
	g.Expect(tr.read("upper.txt")).To(BeEquivalentTo("ABC\n"))
}

func TestGeneratedFindsAFileThatNobodyCommitted(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{"Makefile": makefile, "source.txt": "abc\n", "upper.txt": "ABC\n", "more.txt": ""})
	found, err := generated(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(HavePrefix("extra.txt is generated and missing: ")))
}

func TestGeneratedReportsAGeneratorThatBreaks(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{"Makefile": "generate manifests:\n\t@echo no such type >&2; exit 3\n"})
	_, err := generated(t.Context(), tr, io.Discard)
	g.Expect(err).To(MatchError(And(HavePrefix("make generate manifests: "), ContainSubstring("no such type"))))
}

func TestTidyFindsARequirementThatNothingImports(t *testing.T) {
	g := NewWithT(t)
	tidyModule := "module example.com/tidy\n\ngo 1.26.0\n"
	tr := newTree(t, map[string]string{
		"go.mod": tidyModule, "a.go": "package a\n",
		"tools/go.mod": "module example.com/untidy\n\ngo 1.26.0\n\nrequire golang.org/x/text v0.40.0\n", "tools/a.go": "package a\n",
	})
	found, err := tidy(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(And(HavePrefix("tools/go.mod is not tidy: run `go mod tidy` in tools\n"),
		ContainSubstring("-require golang.org/x/text v0.40.0"))))
}
