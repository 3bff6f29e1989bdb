package main

import (
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestColumnsBindWhatPeopleWrite(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("word ", 29)
	tr := newTree(t, map[string]string{
		"a/a.go":              "package a\n\n// " + long + "\n",
		"a/just.go":           "// " + strings.Repeat("é", 68) + " " + strings.Repeat("é", 68) + "\n",
		"a/tool.go":           "//go:generate " + long + "\n//nolint:all // " + long + "\n// +kubebuilder:rbac:" + long + "\n",
		"a/vector.go":         "var key = \"" + strings.Repeat("ab", 80) + "\"\n",
		"a/raw.go":            "package a\n\nvar a = `\n" + long + "\n`\n",
		"a/testdata/out.md":   long + "\n",
		"docs/code.md":        "```sh\n" + long + "\n```\n    " + long + "\n",
		"docs/page.md":        "first\n| " + long + " | in a table |\n" + long + "\n",
		"api/zz_generated.go": "// " + long + "\n",
	})
	found, err := columns(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf("a/a.go:3 has 148 columns, over 140: break it", "docs/page.md:3 has 145 columns, over 140: break it"))
}

func TestLanguageKnowsWordsInProseAndInIdentifiers(t *testing.T) {
	for text, word := range map[string]string{
		"it opens the door to users": "door", "func doorOf(x int)": "door", "type Strangers struct": "strangers", "BELT": "belt",
		"the caller and his token": "his", "// Open tells whether it is": "tells whether",
		"outdoors, boxes and herds": "", "here, there, the, this": "", "history of a ring buffer": "", "hallmark, bellman": "", "isHe_is": "he",
	} {
		g := NewWithT(t)
		found, err := language(
			t.Context(),
			newTree(t, map[string]string{"docs/a.md": "first line\n" + text + "\n", "a/testdata/x.md": text, "docs/a.svg": text}),
			io.Discard,
		)
		g.Expect(err).NotTo(HaveOccurred())
		if word == "" {
			g.Expect(found).To(BeEmpty(), text)
		} else {
			g.Expect(found).To(ConsistOf(HavePrefix("docs/a.md:2 says \""+word+"\": ")), text)
		}
	}
}
