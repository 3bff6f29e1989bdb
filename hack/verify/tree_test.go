package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// newTree writes files into a fresh git checkout and reads it as verify does.
func newTree(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := t.TempDir()
	write(t, root, files)
	NewWithT(t).Expect(exec.CommandContext(t.Context(), "git", "init", "--quiet", root).Run()).To(Succeed())
	read, err := readTree(t.Context(), root)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return read
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	g := NewWithT(t)
	for name, content := range files {
		file := filepath.Join(root, name)
		g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(file, []byte(content), 0o600)).To(Succeed())
	}
}

func TestTreeIsWhatGitWouldTrack(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{
		".gitignore": "dist/\n", "dist/install.yaml": "x", "api/v1/a_types.go": "package v1", "new file.txt": "y",
	})
	g.Expect(tr.files).To(Equal([]string{".gitignore", "api/v1/a_types.go", "new file.txt"}))
	g.Expect(tr.glob("*_types.go")).To(Equal([]string{"api/v1/a_types.go"}))
}

func TestTreeForgetsAFileThatIsTrackedButDeleted(t *testing.T) {
	g := NewWithT(t)
	root := newTree(t, map[string]string{"a": "1", "b": "2"}).root
	g.Expect(exec.CommandContext(t.Context(), "git", "-C", root, "add", ".").Run()).To(Succeed())
	g.Expect(os.Remove(filepath.Join(root, "a"))).To(Succeed())

	again, err := readTree(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.files).To(Equal([]string{"b"}))
}

func TestACopyHoldsTheSameFiles(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{"a/b/c.txt": "deep", "d.txt": "flat"})
	dir := t.TempDir()
	g.Expect(tr.copyTo(dir)).To(Equal(map[string][]byte{"a/b/c.txt": []byte("deep"), "d.txt": []byte("flat")}))
	g.Expect(os.ReadFile(filepath.Join(dir, "a/b/c.txt"))).To(BeEquivalentTo("deep"))
	g.Expect(os.ReadFile(filepath.Join(dir, "d.txt"))).To(BeEquivalentTo("flat"))
}

func TestRunNamesAnUnknownCheck(t *testing.T) {
	g := NewWithT(t)
	err := run(t.Context(), "formatted,spelling", &bytes.Buffer{})
	g.Expect(err).To(MatchError(And(HavePrefix(`no check is called "spelling"`), ContainSubstring("choose of formatted, "))))
}

// The rules bind the code that states them.
func TestRunPrintsOneLinePerCheckThatPasses(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	g.Expect(run(t.Context(), "conventions", &out)).To(Succeed(), out.String())
	g.Expect(strings.Count(out.String(), "\n")).To(Equal(1))
	g.Expect(out.String()).To(MatchRegexp(`^verify: conventions  ok +\d+\.\ds [1-9]\d+ fields\n$`))
}
