package filewatch

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// joined returns the folder as one text: name=content, in the order in which parse received them.
func joined(names []string, contents [][]byte) (string, error) {
	if len(names) == 0 {
		return "", errors.New("contains no file")
	}
	var parts []string
	for i, name := range names {
		if string(contents[i]) == "bad" {
			return "", errors.New("contains an invalid file: " + name)
		}
		parts = append(parts, name+"="+string(contents[i]))
	}
	return strings.Join(parts, " "), nil
}

func TestAFolderIsItsFilesInLexicalOrder(t *testing.T) {
	g := NewWithT(t)
	m := newMount(t, map[string]string{"b": "2", "a": "1"})
	s := NewFolder("keys", m.dir, 4, joined)
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("a=1 b=2"), "the kubelet's own entries, whose names begin with a dot, are skipped")
	g.Expect(s.Reload()).To(BeFalse(), "nothing changed")
}

func TestAFolderDetectsNewRemovedAndRenamedFiles(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write := func(name, content string) {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)).To(Succeed())
	}
	s := NewFolder("keys", dir, 2, joined)

	_, err := s.Reload()
	g.Expect(err).To(MatchError(ContainSubstring("contains no file")))
	write("a", "1")
	g.Expect(s.Reload()).To(BeTrue())
	write("b", "2")
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("a=1 b=2"))
	g.Expect(os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "c"))).To(Succeed())
	g.Expect(s.Reload()).To(BeTrue(), "the order is part of the content")
	g.Expect(s.Get()).To(Equal("b=2 c=1"))

	write("d", "3")
	_, err = s.Reload()
	g.Expect(err).To(MatchError(ContainSubstring("more than 2 files")))
	g.Expect(s.Get()).To(Equal("b=2 c=1"), "the last good one stays in force")

	g.Expect(os.Remove(filepath.Join(dir, "d"))).To(Succeed())
	write("b", "bad")
	_, err = s.Reload()
	g.Expect(err).To(MatchError(And(ContainSubstring("keys"), ContainSubstring(dir), ContainSubstring("invalid file: b"))))
	g.Expect(s.Get()).To(Equal("b=2 c=1"))

	g.Expect(os.RemoveAll(dir)).To(Succeed())
	_, err = s.Reload()
	g.Expect(err).To(MatchError(ContainSubstring("no such file")))
	g.Expect(s.Get()).To(Equal("b=2 c=1"))
}
