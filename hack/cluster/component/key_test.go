package component

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// module writes a folder of files for a test.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		NewWithT(t).Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(path, []byte(content), 0o644)).To(Succeed())
	}
	return dir
}

func TestTheKeyChangesWithAllThatCanChangeTheResult(t *testing.T) {
	files := map[string]string{"go.mod": "module m\n", "go.sum": "sum\n", "main.go": "package main\n", "README.md": "words\n"}
	base := func() (Spec, string, string, []string) {
		return Spec{Name: "m", Dir: module(t, files)}, "go1.26.8\nlinux\namd64\n", "-s -w", []string{"main.go"}
	}
	of := func(g *WithT, spec Spec, goVersion, ldflags string, sources []string) string {
		k, err := key(spec, goVersion, ldflags, sources)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(k).To(MatchRegexp(`^[0-9a-f]{8}$`))
		return k
	}
	g := NewWithT(t)
	spec, version, ldflags, sources := base()
	first := of(g, spec, version, ldflags, sources)

	write := func(name, content string) func(*Spec, *string, *string) {
		return func(s *Spec, _, _ *string) {
			g.Expect(os.WriteFile(filepath.Join(s.Dir, name), []byte(content), 0o644)).To(Succeed())
		}
	}
	changes := map[string]struct {
		change func(spec *Spec, version, ldflags *string)
		same   bool
	}{
		"nothing, in another folder": {func(*Spec, *string, *string) {}, true},
		"a document":                 {write("README.md", "other words\n"), true},
		"go.mod":                     {write("go.mod", "module m // changed\n"), false},
		"go.sum":                     {write("go.sum", "other\n"), false},
		"a source":                   {write("main.go", "package main // changed\n"), false},
		"the compiler or platform":   {func(_ *Spec, v, _ *string) { *v = "go1.26.9\nlinux\namd64\n" }, false},
		"the linker's flags":         {func(_ *Spec, _, l *string) { *l = "-s -w -X a.b=c" }, false},
		"the packages":               {func(s *Spec, _, _ *string) { s.Packages = []string{"."} }, false},
		"the environment":            {func(s *Spec, _, _ *string) { s.Env = []string{"GOARCH=arm64"} }, false},
		"a rename":                   {func(s *Spec, _, _ *string) { s.Rename = map[string]string{"a": "b"} }, false},
		"an input":                   {func(s *Spec, _, _ *string) { s.Inputs = []string{"version.txt"} }, false},
	}
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			spec, version, ldflags, sources := base()
			c.change(&spec, &version, &ldflags)
			if got := of(g, spec, version, ldflags, sources); c.same {
				g.Expect(got).To(Equal(first))
			} else {
				g.Expect(got).NotTo(Equal(first))
			}
		})
	}
}

func TestAModuleWithoutDependenciesNeedsNoGoSumButAlwaysAGoMod(t *testing.T) {
	g := NewWithT(t)
	_, err := key(Spec{Name: "m", Dir: module(t, map[string]string{"go.mod": "module m\n"})}, "go", "", nil)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = key(Spec{Name: "m", Dir: t.TempDir()}, "go", "", nil)
	g.Expect(err).To(MatchError(ContainSubstring("go.mod")))
}

func TestOwnSourcesAreThoseOfTheModuleAndOfLocalReplacements(t *testing.T) {
	g := NewWithT(t)
	list := `
{"Dir":"/m","Module":{"Main":true},"GoFiles":["main.go"],"EmbedFiles":["page.html"]}
{"Dir":"/m/inner","Module":{"Main":true},"GoFiles":["b.go","a.go"]}
{"Dir":"/local","Module":{"Main":false,"Replace":{"Path":"../local","Dir":"/local"}},"GoFiles":["l.go"]}
{"Dir":"/cache/x","Module":{"Main":false},"GoFiles":["x.go"]}
{"Dir":"/cache/y","Module":{"Main":false,"Replace":{"Path":"example.com/fork"}},"GoFiles":["y.go"]}
{"Dir":"/goroot/fmt","GoFiles":["print.go"]}`
	files, err := ownFiles("/m", strings.NewReader(list))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(Equal([]string{"../local/l.go", "inner/a.go", "inner/b.go", "main.go", "page.html"}))

	_, err = ownFiles("/m", strings.NewReader("go: something else"))
	g.Expect(err).To(MatchError(ContainSubstring("decoding the output of go list")))
}
