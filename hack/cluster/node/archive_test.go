package node

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

func archiveOf(t *testing.T, ref, program string) string {
	t.Helper()
	g, dir := NewWithT(t), t.TempDir()
	binary := filepath.Join(dir, "program")
	g.Expect(os.WriteFile(binary, []byte(program), 0o755)).To(Succeed())
	var archive bytes.Buffer
	g.Expect(writeArchive(&archive, ref, "65532", binary)).To(Succeed())
	path := filepath.Join(dir, "image.tar")
	g.Expect(os.WriteFile(path, archive.Bytes(), 0o644)).To(Succeed())
	return path
}

func TestAnArchiveTellsItsNamesAndItsDigest(t *testing.T) {
	g := NewWithT(t)
	images, err := readArchive(archiveOf(t, "openimstack/x:1", "one"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(images).To(HaveLen(1))
	g.Expect(images[0].Refs).To(Equal([]string{"openimstack/x:1"}))
	g.Expect(images[0].Config).To(MatchRegexp(`^sha256:[0-9a-f]{64}$`))

	g.Expect(readArchive(archiveOf(t, "openimstack/x:1", "one"))).To(Equal(images), "the same program is the same image")
	other, err := readArchive(archiveOf(t, "openimstack/x:1", "two"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(other[0].Config).NotTo(Equal(images[0].Config))
}

func TestTheImageRunsItsOneProgramAsTheGivenUser(t *testing.T) {
	g := NewWithT(t)
	path := archiveOf(t, "openimstack/x:1", "one")
	images, err := readArchive(path)
	g.Expect(err).NotTo(HaveOccurred())
	config, err := readMember(path, images[0].Config[len("sha256:"):]+".json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config).To(ContainSubstring(`"config":{"User":"65532","Entrypoint":["/program"]}`))
}

func TestWhatIsNoDockerArchiveIsRefusedInOneSentence(t *testing.T) {
	g, dir := NewWithT(t), t.TempDir()
	write := func(name string, content []byte) string {
		g.Expect(os.WriteFile(filepath.Join(dir, name), content, 0o644)).To(Succeed())
		return filepath.Join(dir, name)
	}
	other, err := tarball(file{"index.json", []byte("{}"), 0o644})
	g.Expect(err).NotTo(HaveOccurred())
	garbled, err := tarball(file{"manifest.json", []byte("?"), 0o644})
	g.Expect(err).NotTo(HaveOccurred())
	lacking, err := tarball(file{"manifest.json", []byte(`[{"Config":"gone.json"}]`), 0o644})
	g.Expect(err).NotTo(HaveOccurred())
	huge, err := tarball(file{"manifest.json", make([]byte, 2<<20), 0o644})
	g.Expect(err).NotTo(HaveOccurred())
	for path, want := range map[string]string{
		filepath.Join(dir, "none.tar"):       "no such file",
		write("text.tar", []byte("not tar")): "as a docker archive",
		write("other.tar", other):            "manifest.json is missing",
		write("garbled.tar", garbled):        "decoding manifest.json",
		write("lacking.tar", lacking):        "gone.json is missing",
		write("huge.tar", huge):              "more than",
	} {
		_, err := readArchive(path)
		g.Expect(err).To(MatchError(ContainSubstring(want)), path)
	}
}

const listing = `REF                                 TYPE                                                 DIGEST                                                                  SIZE    PLATFORMS   LABELS
docker.io/openimstack/x:1           application/vnd.docker.distribution.manifest.v2+json sha256:aaaa                                                             1.2 MiB linux/amd64 io.cri-containerd.image=managed
docker.io/openimstack/old:1         application/vnd.docker.distribution.manifest.v2+json sha256:bbbb                                                             1.2 MiB linux/amd64 io.cri-containerd.image=managed
sha256:c0ffee                       application/vnd.docker.distribution.manifest.v2+json sha256:aaaa                                                             1.2 MiB linux/amd64 io.cri-containerd.image=managed
`

func TestAnImageIsLoadedUnlessItsNameAlreadyMeansThisContent(t *testing.T) {
	there := parseImages(listing)
	for name, c := range map[string]struct {
		images []archived
		want   bool
	}{
		"name and content":          {[]archived{{[]string{"openimstack/x:1"}, "sha256:c0ffee"}}, true},
		"full name":                 {[]archived{{[]string{"docker.io/openimstack/x:1"}, "sha256:c0ffee"}}, true},
		"content under another tag": {[]archived{{[]string{"openimstack/x:2"}, "sha256:c0ffee"}}, false},
		"name with older content":   {[]archived{{[]string{"openimstack/old:1"}, "sha256:c0ffee"}}, false},
		"unknown content":           {[]archived{{[]string{"openimstack/x:1"}, "sha256:new"}}, false},
		"one of two missing": {[]archived{{[]string{"openimstack/x:1"}, "sha256:c0ffee"}, {[]string{"openimstack/y:1"}, "sha256:y"}},
			false},
		"an archive without images": {nil, false},
	} {
		NewWithT(t).Expect(hasAll(there, c.images)).To(Equal(c.want), name)
	}
}

func TestNamesOfImagesAreCompletedAsContainerdDoesIt(t *testing.T) {
	for ref, want := range map[string]string{
		"openimstack/x:1":       "docker.io/openimstack/x:1",
		"busybox":               "docker.io/library/busybox:latest",
		"localhost/x:1":         "localhost/x:1",
		"registry.example/x":    "registry.example/x:latest",
		"registry:5000/a/b:1.0": "registry:5000/a/b:1.0",
	} {
		NewWithT(t).Expect(canonical(ref)).To(Equal(want))
	}
}
