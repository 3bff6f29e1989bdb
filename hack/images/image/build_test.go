package image

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// TestAnImageIsBuiltByBuildah runs the real program on a small recipe.
func TestAnImageIsBuiltByBuildah(t *testing.T) {
	if host.Find("buildah") == "" || os.Geteuid() != 0 {
		t.Skip("needs buildah and root")
	}
	g := NewWithT(t)
	r, root := fixture(t)
	write(
		t,
		filepath.Join(root, "Dockerfile"),
		"FROM scratch AS wanted\nARG TARGETARCH\nCOPY bin/a /a-${TARGETARCH}\nCOPY links/ /links/\nUSER 65532:65532\nENTRYPOINT "+
			"[\"/a\"]\nFROM scratch AS other\n",
	)
	r.target = "wanted"
	p, err := r.prepare(t.Context(), root, "amd64", &bytes.Buffer{})
	g.Expect(err).NotTo(HaveOccurred())
	store := archives{dir: t.TempDir()}
	ref := "openimstack/fixture:" + p.tag
	archive := store.path(r.name, p.tag, ref)
	var out bytes.Buffer
	g.Expect(p.build(t.Context(), store, ref, archive, "[1/1] image fixture", &out)).To(Succeed())

	g.Expect(out.String()).
		To(MatchRegexp(`(?s)^\[1/1\] image fixture: building openimstack/fixture:dev-[0-9a-f]{12}\n.*image fixture: built in \S+, 0 MB\n$`))
	g.Expect(store.has(archive, p.key)).To(BeTrue())
	left, err := filepath.Glob(filepath.Join(store.dir, ".build-*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(BeEmpty(), "buildah's storage is gone")

	files := untar(t, archive)
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	g.Expect(json.Unmarshal(files["manifest.json"], &manifest)).To(Succeed())
	g.Expect(manifest).To(HaveLen(1))
	g.Expect(manifest[0].RepoTags).To(HaveLen(1), "one name in containerd, not two")
	g.Expect(manifest[0].RepoTags[0]).To(HaveSuffix(ref))
	var config struct {
		Architecture string
		Config       struct {
			User       string
			Entrypoint []string
		}
	}
	g.Expect(json.Unmarshal(files[manifest[0].Config], &config)).To(Succeed())
	g.Expect(config.Architecture).To(Equal("amd64"))
	g.Expect(config.Config.User).To(Equal("65532:65532"))
	g.Expect(config.Config.Entrypoint).To(Equal([]string{"/a"}))
}

func TestAFailedBuildShowsBuildahsWordsAndLeavesNothing(t *testing.T) {
	if host.Find("buildah") == "" || os.Geteuid() != 0 {
		t.Skip("needs buildah and root")
	}
	g := NewWithT(t)
	r, root := fixture(t)
	write(t, filepath.Join(root, "Dockerfile"), "FROM scratch\nCOPY not-there /\n")
	p, err := r.prepare(t.Context(), root, "amd64", &bytes.Buffer{})
	g.Expect(err).NotTo(HaveOccurred())
	store := archives{dir: t.TempDir()}
	err = p.build(t.Context(), store, "openimstack/fixture:x", store.path(r.name, "x", "openimstack/fixture:x"), "image", io.Discard)
	g.Expect(err).To(MatchError(And(ContainSubstring("buildah bud"), ContainSubstring("not-there"))))
	entries, err := os.ReadDir(store.dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(BeEmpty())
}

func untar(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}
