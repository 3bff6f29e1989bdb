package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/render"
)

// The archive of this platform holds a program that runs and prints the version of the release.
func TestTheArchiveUnpacksAndRuns(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	g.Expect(run(t.Context(), []string{"--version", "v9.8.7", "--platforms", platform, "--out", dir}, io.Discard)).To(Succeed())
	b := builder{version: "v9.8.7"}
	content, err := os.ReadFile(filepath.Join(dir, b.archive(platform)))
	g.Expect(err).NotTo(HaveOccurred())

	unpacked := unpack(t, content)
	names := []string{}
	for name := range unpacked {
		names = append(names, name)
	}
	g.Expect(names).To(ConsistOf(binary, completion, "LICENSE"))
	program := filepath.Join(dir, binary)
	g.Expect(os.WriteFile(program, unpacked[binary], 0o755)).To(Succeed())
	out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	g.Expect(string(out)).To(HavePrefix("kubectl-openimstack v9.8.7 " + platform + ", "))

	sum := sha256.Sum256(content)
	sums, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(sums)).To(Equal(hex.EncodeToString(sum[:]) + "  " + b.archive(platform) + "\n"))
	_, err = os.Stat(filepath.Join(dir, "openimstack.yaml"))
	g.Expect(err).To(MatchError(os.ErrNotExist), "a manifest is for all platforms")

	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	again := builder{root: root, folder: t.TempDir(), version: "v9.8.7", sums: map[string]string{}}
	g.Expect(again.build(t.Context(), platform)).To(Succeed())
	g.Expect(again.sums[platform]).To(Equal(hex.EncodeToString(sum[:])), "the same sources, the same bytes")
}

func unpack(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	g := NewWithT(t)
	plain, err := gzip.NewReader(bytes.NewReader(content))
	g.Expect(err).NotTo(HaveOccurred())
	files := map[string][]byte{}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		g.Expect(err).NotTo(HaveOccurred())
		file, err := io.ReadAll(archive)
		g.Expect(err).NotTo(HaveOccurred())
		files[header.Name] = file
	}
}

// krew refuses a manifest with incomplete platforms, files or checksums.
func TestTheManifestNamesEveryArchive(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	b := builder{root: root, folder: t.TempDir(), version: "v1.2.3", sums: map[string]string{}}
	for i, platform := range platforms {
		b.sums[platform] = strings.Repeat(string(rune('a'+i)), 64)
	}
	g.Expect(b.writeManifest()).To(Succeed())
	text, err := os.ReadFile(filepath.Join(b.folder, "openimstack.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var manifest struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name string `json:"name"`
		} `json:"metadata"`
		Spec struct {
			Version, Homepage, ShortDescription, Description, Caveats string
			Platforms                                                 []struct {
				Selector struct {
					MatchLabels map[string]string `json:"matchLabels"`
				} `json:"selector"`
				URI, SHA256, Bin string
				Files            []struct{ From, To string }
			}
		} `json:"spec"`
	}
	g.Expect(yaml.UnmarshalStrict(text, &manifest)).To(Succeed())
	g.Expect(manifest.APIVersion).To(Equal("krew.googlecontainertools.github.com/v1alpha2"))
	g.Expect(manifest.Kind).To(Equal("Plugin"))
	g.Expect("kubectl-" + manifest.Metadata.Name).To(Equal(binary))
	g.Expect(manifest.Spec.Version).To(Equal("v1.2.3"))
	g.Expect(manifest.Spec.ShortDescription).NotTo(BeEmpty())
	g.Expect(len(manifest.Spec.ShortDescription)).To(BeNumerically("<=", 50), "krew's index requires a short description")
	g.Expect(manifest.Spec.Platforms).To(HaveLen(len(platforms)))
	for i, p := range manifest.Spec.Platforms {
		platform := p.Selector.MatchLabels["os"] + "/" + p.Selector.MatchLabels["arch"]
		g.Expect(platform).To(Equal(platforms[i]))
		g.Expect(p.URI).To(HaveSuffix("/v1.2.3/" + b.archive(platform)))
		g.Expect(p.SHA256).To(Equal(b.sums[platform]))
		g.Expect(p.Files[0].From).To(Equal(p.Bin))
		g.Expect(strings.HasSuffix(p.Bin, ".exe")).To(Equal(strings.HasPrefix(platform, "windows/")))
	}

	delete(b.sums, "linux/arm64")
	g.Expect(b.writeManifest()).To(MatchError(ContainSubstring("SHA256_linux_arm64")))
}

func TestVersionsOfReleases(t *testing.T) {
	for _, version := range []string{"", "0.1.0", "v1", "v1.2.3; rm", "-X"} {
		g := NewWithT(t)
		g.Expect(run(t.Context(), []string{"--version=" + version, "--out", t.TempDir()}, io.Discard)).To(MatchError(
			ContainSubstring("invalid version")))
	}
}
