package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/archive"
	"github.com/openimstack/openim-operator/hack/render"
)

func TestCommandLines(t *testing.T) {
	for line, says := range map[string]string{
		"": "no command", "publish": "unknown command", "build --version": "flag needs an argument", "check": "check takes one folder",
		"build --version 0.1.0": "invalid version", "build --version v0.1": "invalid version", "build --version v0.1.0;id": "invalid version",
		"build --version v9.9.9": `needs "`, "twice --version v0.1.0 more": "unexpected argument",
	} {
		NewWithT(t).Expect(run(t.Context(), strings.Fields(line), io.Discard)).To(MatchError(ContainSubstring(says)), line)
	}
	NewWithT(t).Expect(errors.Is(run(t.Context(), []string{"--help"}, io.Discard), flag.ErrHelp)).To(BeTrue())
}

// The tree names one version, which can be released.
func TestTheTreeNamesOneVersion(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	chart, err := os.ReadFile(filepath.Join(root, chartFolder, "Chart.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	_, rest, _ := strings.Cut(string(chart), "\nappVersion: ")
	version, _, _ := strings.Cut(rest, "\n")
	g.Expect(checkVersion(root, version)).To(Succeed())
}

func TestAFolderThatExistsIsNotOverwritten(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	g.Expect(build(t.Context(), folder, "v0.1.0", folder, true, io.Discard)).To(MatchError(ContainSubstring("exists: remove it")))
	g.Expect(build(t.Context(), folder, "v0.1.0", filepath.Join(folder, "new"), true, io.Discard)).To(MatchError(
		ContainSubstring("a release is built in a clone of the repository")))
	g.Expect(filepath.Join(folder, "new")).NotTo(BeADirectory())
}

// A clone with a change is refused, unless somebody wants it; the time is that of the commit, wherever it is read.
func TestTheSourceIsTheCommit(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("TZ", "Asia/Tokyo")
	dir := t.TempDir()
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GIT_COMMITTER_DATE=1700000000 +0900", "GIT_CONFIG_GLOBAL=/dev/null")
		out, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
	}
	git("init", "--quiet")
	git("commit", "--quiet", "--allow-empty", "-m", "first")
	from, err := sourceOf(t.Context(), dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(from.commit).To(MatchRegexp("^[0-9a-f]{40}$"))
	g.Expect(from.time).To(Equal("2023-11-14T22:13:20Z"))
	g.Expect(from.dirty).To(BeFalse())
	g.Expect(os.WriteFile(filepath.Join(dir, "new"), nil, 0o600)).To(Succeed())
	g.Expect(build(t.Context(), dir, "v0.1.0", filepath.Join(dir, "dist"), false, io.Discard)).To(MatchError(
		ContainSubstring("files differ from the commit")))
	from, err = sourceOf(t.Context(), dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(from.dirty).To(BeTrue())
}

// docker returns an image of one layer as buildah writes it, with the name of the machine that built it.
func docker(t *testing.T, arch, user, host string) []archive.File {
	t.Helper()
	var layer bytes.Buffer
	NewWithT(t).Expect(archive.Tar(&layer, []archive.File{{Name: "manager", Mode: 0o755, Content: []byte(arch)}})).To(Succeed())
	text := `{"created":"1970-01-01T00:00:00Z","container":"` + host + `","container_config":{"Hostname":"` + host + `"},"config":{"Hostname":"` +
		host + `","User":"` + user + `","Entrypoint":["/manager"],"Labels":{"io.buildah.version":"` + host + `"}},"architecture":"` + arch +
		`","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:` + archive.Sum(layer.Bytes()) + `"]}}`
	return []archive.File{
		{Name: "layer.tar", Content: layer.Bytes()}, {Name: "c.json", Content: []byte(text)},
		{Name: "manifest.json", Content: []byte(`[{"Config":"c.json","Layers":["layer.tar"]}]`)},
	}
}

// layoutOf returns an image's archive for both architectures.
func layoutOf(t *testing.T, user, host string) []byte {
	t.Helper()
	g := NewWithT(t)
	var l layout
	for _, arch := range architectures {
		files, err := l.addDocker(docker(t, arch, user, host), "2026-01-02T03:04:05Z", map[string]string{annotationVersion: "v0.1.0"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files).To(Equal([]archive.File{{Name: "manager", Mode: 0o755, Content: []byte(arch)}}))
	}
	content, err := l.tar("v0.1.0", nil)
	g.Expect(err).NotTo(HaveOccurred())
	return content
}

func TestAnImageHasNothingOfTheMachineThatBuiltIt(t *testing.T) {
	g := NewWithT(t)
	first := layoutOf(t, "65532:65532", "one")
	g.Expect(layoutOf(t, "65532:65532", "another")).To(Equal(first))
	g.Expect(checkImage(first)).To(Succeed())
	g.Expect(string(first)).To(ContainSubstring("2026-01-02T03:04:05Z"))
}

func TestAnImageThatIsNotWhatItSaysIsFound(t *testing.T) {
	g := NewWithT(t)
	g.Expect(checkImage(layoutOf(t, "", "one"))).To(MatchError(ContainSubstring("must name a user")))
	g.Expect(checkImage(layoutOf(t, "0:0", "one"))).To(MatchError(ContainSubstring("must name a user")))
	g.Expect(checkImage([]byte("no archive"))).NotTo(Succeed())
	files, err := archive.Read(bytes.NewReader(layoutOf(t, "65532", "one")))
	g.Expect(err).NotTo(HaveOccurred())
	for i := range files { // each file missing, then changed
		for _, change := range []func([]archive.File) []archive.File{
			func(f []archive.File) []archive.File { return append(f[:i:i], f[i+1:]...) },
			func(f []archive.File) []archive.File {
				f = append([]archive.File{}, f...)
				f[i].Content = append([]byte(" "), f[i].Content...)
				return f
			},
		} {
			var b bytes.Buffer
			g.Expect(archive.Tar(&b, change(files))).To(Succeed())
			if err := checkImage(b.Bytes()); i > 1 { // oci-layout is read by no reference, and a space before index.json changes nothing
				g.Expect(err).To(HaveOccurred(), files[i].Name)
			}
		}
	}

	broken := docker(t, "amd64", "65532", "one")
	broken[0].Content = append(broken[0].Content, 0)
	_, err = new(layout).addDocker(broken, "", nil)
	g.Expect(err).To(MatchError(ContainSubstring("is not the one that the image's configuration names")))
	_, err = new(layout).addDocker(broken[:2], "", nil)
	g.Expect(err).To(MatchError(ContainSubstring("reading manifest.json")))
}

// sbom is an SBOM of the project.
const sbom = `{"bomFormat":"CycloneDX","metadata":{"component":{"name":"` + modulePath + `"}},"components":[{"name":"a"}]}`

// complete writes a release with images and SBOMs as small as they can be.
func complete(t *testing.T) *release {
	t.Helper()
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	from := source{commit: strings.Repeat("a", 40), dirty: true}
	r := &release{root: root, version: "v0.1.0", folder: t.TempDir(), source: from, out: io.Discard}
	for _, name := range imageNames {
		g.Expect(r.write(filepath.Base(name)+"_v0.1.0.oci.tar", layoutOf(t, "65532", "one"))).To(Succeed())
	}
	g.Expect(r.write("manager_v0.1.0_linux_amd64.cdx.json", []byte(sbom))).To(Succeed())
	g.Expect(r.provenance(t.Context())).To(Succeed())
	return r
}

func TestACompleteReleasePassesItsCheckAndEachChangeIsFound(t *testing.T) {
	g := NewWithT(t)
	r := complete(t)
	g.Expect(check(r.folder)).To(Succeed())
	entries, err := os.ReadDir(r.folder)
	g.Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		path := filepath.Join(r.folder, entry.Name())
		before, err := os.ReadFile(path)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(path, append(slices.Clip(before), ' '), 0o600)).To(Succeed())
		g.Expect(check(r.folder)).NotTo(Succeed(), entry.Name()+" changed")
		g.Expect(os.Remove(path)).To(Succeed())
		g.Expect(check(r.folder)).NotTo(Succeed(), entry.Name()+" gone")
		g.Expect(os.WriteFile(path, before, 0o600)).To(Succeed())
		g.Expect(check(r.folder)).To(Succeed(), "restored")
	}
	added := filepath.Join(r.folder, "added")
	g.Expect(os.WriteFile(added, nil, 0o600)).To(Succeed())
	g.Expect(check(r.folder)).To(MatchError(ContainSubstring("does not list the files that are there")))

	other := complete(t)
	g.Expect(os.Remove(added)).To(Succeed())
	g.Expect(same(r.folder, other.folder)).To(Succeed())
	g.Expect(os.WriteFile(added, nil, 0o600)).To(Succeed())
	g.Expect(same(r.folder, other.folder)).To(MatchError(ContainSubstring("added is in " + r.folder + " alone")))
	g.Expect(same(other.folder, r.folder)).To(MatchError(ContainSubstring("added is in " + r.folder + " alone")))
	g.Expect(os.WriteFile(filepath.Join(other.folder, "added"), []byte("x"), 0o600)).To(Succeed())
	g.Expect(same(r.folder, other.folder)).To(MatchError(ContainSubstring("added differs")))
}

func TestTheProvenanceIsHonest(t *testing.T) {
	g := NewWithT(t)
	r := complete(t)
	text, err := os.ReadFile(filepath.Join(r.folder, provenanceFile))
	g.Expect(err).NotTo(HaveOccurred())
	var s statement
	g.Expect(json.Unmarshal(text, &s)).To(Succeed())
	g.Expect(s.Subject).To(HaveLen(len(imageNames) + 1))
	build := s.Predicate.BuildDefinition
	g.Expect(build.ResolvedDependencies[0].Digest).To(Equal(map[string]string{"gitCommit": r.source.commit}))
	g.Expect(build.ResolvedDependencies[0].Annotations).To(HaveKey("uncommitted"))
	g.Expect(s.Predicate.RunDetails.Builder.ID).To(HaveSuffix("#what-the-provenance-is-worth"))
	r.source.dirty = false
	g.Expect(os.Remove(filepath.Join(r.folder, provenanceFile))).To(Succeed())
	g.Expect(r.provenance(t.Context())).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(r.folder, provenanceFile))).NotTo(ContainSubstring("uncommitted"))
}

func TestAnSBOMIsOfTheProjectAndHasNoTime(t *testing.T) {
	g := NewWithT(t)
	g.Expect(checkSBOM([]byte(sbom))).To(Succeed())
	for from, to := range map[string]string{
		"CycloneDX": "SPDX", modulePath: "example.com/other", `{"name":"a"}`: "", `"metadata":{`: `"serialNumber":"urn:uuid:1","metadata":{`,
		`{"component"`: `{"timestamp":"2026-01-02T03:04:05Z","component"`, "}]}": "",
	} {
		g.Expect(checkSBOM([]byte(strings.Replace(sbom, from, to, 1)))).NotTo(Succeed(), from)
	}
}

// The client for browsers is packed as npm packs it: what package.json lists, below package/.
func TestTheWebClientHasWhatItsPackageLists(t *testing.T) {
	g := NewWithT(t)
	r := complete(t)
	g.Expect(r.webClient(t.Context())).To(Succeed())
	content, err := os.ReadFile(filepath.Join(r.folder, "openimstack-gateway-client-0.1.0.tgz"))
	g.Expect(err).NotTo(HaveOccurred())
	files, err := archive.ReadGz(bytes.NewReader(content))
	g.Expect(err).NotTo(HaveOccurred())
	var names []string
	for _, f := range files {
		g.Expect(f.Name).To(HavePrefix("package/"))
		names = append(names, f.Name)
	}
	g.Expect(names).To(ContainElements("package/package.json", "package/LICENSE", "package/README.md", "package/src/index.js",
		"package/src/index.d.ts"))
	g.Expect(strings.Join(names, " ")).NotTo(ContainSubstring("/test/"))
}
