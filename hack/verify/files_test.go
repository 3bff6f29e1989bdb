package main

import (
	"io"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestFormattedFindsWhatGofmtWouldChange(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{
		"good.go":    "package a\n\nvar A = 1\n",
		"crooked.go": "package a\nvar   B=1\n",
		"broken.go":  "package",
	})
	found, err := formatted(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(
		HavePrefix("broken.go does not parse: "),
		"crooked.go is not formatted: run `make fmt`",
	))
}

func TestSizeBindsWhatPeopleWrite(t *testing.T) {
	g := NewWithT(t)
	large := strings.Repeat("x", maxFile+1)
	tr := newTree(t, map[string]string{
		"controllers/all.go":                    large,
		"docs/novel.md":                         large,
		"controllers/just.go":                   large[:maxFile],
		"api/v1alpha1/stack_types.go":           large,
		"api/v1alpha1/zz_generated.deepcopy.go": large,
		"hack/tools/helm/go.sum":                large,
		"controllers/manifests/testdata/a.yaml": large,
		"config/crd/bases/generated.yaml":       large,
	})
	found, err := size(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(
		"controllers/all.go has 30001 bytes, over 30000: split it by concern",
		"docs/novel.md has 30001 bytes, over 30000: split it by concern",
	))
}

func TestWordsFindsWhereSomethingWasMade(t *testing.T) {
	for text, remedy := range map[string]string{
		"see /root/notes.txt":                    "names a folder of one machine",
		"/work/main":                             "names a folder of one machine",
		"GOPROXY=https://proxy.golang.org":       "names a package registry",
		"npm from registry.npmjs.org":            "names a package registry",
		"image: ghcr.io/someone/thing:v1":        "names an image registry",
		"registry.k8s.io/pause":                  "names an image registry",
		"the address https://example.com/root/x": "",
		"config/work/x and ./home/y":             "",
		"the root/ of the tree":                  "",
		"$HOME/.cache/openim-operator":           "",
		"registry.example.com/im/operator":       "",
	} {
		g := NewWithT(t)
		found, err := words(t.Context(), newTree(t, map[string]string{"docs/a.md": "first line\n" + text + "\n"}), io.Discard)
		g.Expect(err).NotTo(HaveOccurred())
		if remedy == "" {
			g.Expect(found).To(BeEmpty(), text)
			continue
		}
		g.Expect(found).To(ConsistOf(And(HavePrefix("docs/a.md:2 "), ContainSubstring(remedy))), text)
	}
}

func TestPackageDocsWantsADocGoBesideGoCode(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{
		"api/v1/doc.go": "package v1", "api/v1/types.go": "package v1",
		"wrapper/auth/jwt.go":            "package auth",
		"wrapper/auth/testdata/input.go": "package input",
		"cmd/said/main.go":               "// Command said says.\npackage main",
		"cmd/silent/main.go":             "package main",
	})
	found, err := packageDocs(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(ConsistOf(HavePrefix("cmd/silent has no doc.go: "), HavePrefix("wrapper/auth has no doc.go: ")))
}

func TestWeightCountsGoAlone(t *testing.T) {
	g := NewWithT(t)
	tr := newTree(t, map[string]string{
		"controllers/a.go":                strings.Repeat("x", 5000),
		"controllers/a_test.go":           strings.Repeat("x", 3000),
		"test/harness/h.go":               strings.Repeat("x", 1500),
		"api/v1/zz_generated.deepcopy.go": strings.Repeat("x", 9000),
		"controllers/testdata/g.yaml":     strings.Repeat("x", 9000),
	})
	var figures strings.Builder
	found, err := weight(t.Context(), tr, &figures)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(figures.String()).To(Equal("4 KB of test code for 5 KB of code"))
	g.Expect(found).To(ConsistOf("test code is lighter than code by 500 bytes: write what is not yet specified"))

	write(t, tr.root, map[string]string{"test/harness/h.go": strings.Repeat("x", 2000)})
	found, err = weight(t.Context(), tr, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeEmpty())
}
