package archive

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAnArchiveHoldsItsFilesAndNothingOfTheMachine(t *testing.T) {
	g := NewWithT(t)
	from := filepath.Join(t.TempDir(), "from")
	g.Expect(os.WriteFile(from, []byte("b"), 0o600)).To(Succeed())
	second, err := Open(from, "z/b", 0o755)
	g.Expect(err).NotTo(HaveOccurred())
	files := []File{{Name: "a", Mode: 0o644, Content: []byte("a")}, second, {Name: "empty", Mode: 0o644, Content: []byte{}}}
	var first, again bytes.Buffer
	g.Expect(TarGz(&first, files)).To(Succeed())
	g.Expect(os.Chtimes(from, time.Now(), time.Now().Add(-time.Hour))).To(Succeed())
	g.Expect(TarGz(&again, files)).To(Succeed())
	g.Expect(again.Bytes()).To(Equal(first.Bytes()))
	g.Expect(ReadGz(&first)).To(Equal(files))

	var plain bytes.Buffer
	g.Expect(Tar(&plain, files)).To(Succeed())
	header, err := tar.NewReader(&plain).Next()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(header.ModTime.Unix()).To(BeZero())
	g.Expect(header.Uid + header.Gid).To(BeZero())
	g.Expect(header.Uname + header.Gname).To(BeEmpty())
}

func TestNamesThatLeaveAnArchiveAreRefused(t *testing.T) {
	for _, name := range []string{"../a", "/a", "a/../../b", "./a", "a//b", ".."} {
		g := NewWithT(t)
		var b bytes.Buffer
		g.Expect(Tar(&b, []File{{Name: name, Content: []byte("x")}})).To(Succeed())
		_, err := Read(&b)
		g.Expect(err).To(MatchError(ContainSubstring("is not a clean path")), name)
	}
	g := NewWithT(t)
	var b bytes.Buffer
	g.Expect(Tar(&b, []File{{Name: "..a/b", Content: []byte("x")}})).To(Succeed())
	g.Expect(Read(&b)).To(HaveLen(1), "after the refusals a clean one is read")
	_, err := ReadGz(bytes.NewReader([]byte("no gzip")))
	g.Expect(err).To(HaveOccurred())
	_, err = Open(filepath.Join(t.TempDir(), "gone"), "a", 0)
	g.Expect(err).To(HaveOccurred())
}
