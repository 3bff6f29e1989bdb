package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

// listed is what `go list` reports of a package.
type listed struct {
	ImportPath string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T, root string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,GoFiles", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []listed
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func table(t *testing.T) (root string, rows []row) {
	t.Helper()
	root, err := render.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "packages.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err = parse(string(page))
	if err != nil {
		t.Fatal(err)
	}
	return root, rows
}

// TestTheTableIsWhatThePackagesImport fails for a package without a row, a row without a package, an import that is not allowed and a
// permission that no file of the package needs.
func TestTheTableIsWhatThePackagesImport(t *testing.T) {
	g := NewWithT(t)
	root, rows := table(t)
	var names []string
	for _, p := range packages(t, root) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		names = append(names, name)
		i := slices.IndexFunc(rows, func(r row) bool { return r.Package == name })
		if i < 0 {
			t.Errorf("docs/packages.md has no row for %s: add one", name)
			continue
		}
		if r := rows[i]; r.open() {
			for _, imported := range p.Imports {
				for _, not := range r.Except {
					g.Expect(imported).NotTo(HavePrefix(module+"/"+not+"/"), "%s must not import it", name)
				}
			}
		} else {
			ours, others := split(p.Imports)
			g.Expect(ours).To(ConsistOf(r.Ours), "imports of %s from this module, against its row", name)
			for _, imported := range others {
				g.Expect(slices.ContainsFunc(r.Others, func(allowed string) bool { return below(imported, allowed) })).
					To(BeTrue(), "%s imports %s, which its row does not allow", name, imported)
			}
			for _, allowed := range r.Others {
				g.Expect(slices.ContainsFunc(others, func(imported string) bool { return below(imported, allowed) })).
					To(BeTrue(), "%s may import %s and does not: remove it from the row", name, allowed)
			}
		}
	}
	for _, r := range rows {
		g.Expect(names).To(ContainElement(r.Package), "a row of docs/packages.md names a package that does not exist")
	}
}

// split returns the imports of this module, as folders, and those of other modules. The standard library has no dot in its first part.
func split(imports []string) (ours, others []string) {
	for _, path := range imports {
		first, _, _ := strings.Cut(path, "/")
		if inside, ok := strings.CutPrefix(path, module+"/"); ok {
			ours = append(ours, inside)
		} else if strings.Contains(first, ".") {
			others = append(others, path)
		}
	}
	return ours, others
}

func below(path, prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") }

// TestImportsGoDown holds the table itself to the layers of the design, so that a row cannot be widened against them unseen.
func TestImportsGoDown(t *testing.T) {
	_, rows := table(t)
	layers := []struct{ above, below []string }{
		{[]string{"api"}, nil},
		{[]string{"openim/settings", "openim/pods"}, []string{"openim", "api", "oneline"}},
		{[]string{"openim"}, []string{"api", "bucketurl", "mongouri", "oneline"}},
		{[]string{"netpol"}, []string{"netpol", "openim", "api"}},
		// One package of controllers may run the gateway's parser, and the wrapper's configuration has one set of types.
		{[]string{"controllers/accept"}, []string{"wrapper/gateway"}},
		// The formats of termination messages are what programs in pods tell the operator. Their package imports nothing of ours.
		{[]string{"supervisor/termination"}, nil},
		{[]string{"controllers"}, []string{
			"controllers", "netpol", "openim", "api", "bucketurl", "wrapper/config", "mongouri", "oneline", "supervisor/termination",
		}},
		{[]string{"clients"}, []string{
			"clients", "wrapper/handshake", "wrapper/internalapi", "wrapper/wire", "wrapper/websocket/frame", "wrapper/websocket/sdkws",
		}},
		{[]string{"podforward"}, nil},
		// The form of MongoDB's connection strings is nobody's own. Its package imports nothing of ours.
		{[]string{"mongouri"}, nil},
		// How texts of others are bounded is the same for all. Its package imports nothing of ours.
		{[]string{"oneline"}, nil},
		// Which public authorities a program trusts is the same for all. Its package imports nothing of ours.
		{[]string{"publicroots"}, nil},
		// Where OpenIM's clients find a bucket is what the operator and the check in the pod must agree on.
		{[]string{"bucketurl"}, nil},
		// Ports for servers are what tests of all sides need.
		{[]string{"supervisor/freeport"}, nil},
		{[]string{"wrapper"}, []string{"wrapper", "mongouri", "supervisor/termination", "supervisor/freeport"}},
	}
	for _, r := range rows {
		for _, layer := range layers {
			if !slices.ContainsFunc(layer.above, func(top string) bool { return below(r.Package, top) }) {
				continue
			}
			for _, ours := range r.Ours {
				if !slices.ContainsFunc(layer.below, func(bottom string) bool { return below(ours, bottom) }) {
					t.Errorf("%s may import %s, which is not below it", r.Package, ours)
				}
			}
			break
		}
		for _, pair := range [][2]string{{"wrapper/gateway", "wrapper/backend"}, {"wrapper/backend", "wrapper/gateway"},
			{"wrapper/gateway", "wrapper/openimclient"}, {"wrapper/gateway", "wrapper/tokenvault"}, {"wrapper/gateway", "wrapper/devices"}} {
			if r.Package == pair[0] && slices.Contains(r.Ours, pair[1]) {
				t.Errorf("%s may import %s: what the gateway must not hold, it must not be able to hold", pair[0], pair[1])
			}
		}
	}
}

func TestARowThatSaysNothingIsRefused(t *testing.T) {
	for page, want := range map[string]string{
		"# x\n":                        "no section",
		"\n" + heading + "\n\nprose\n": "no table",
		"\n" + heading + "\n| `a` | holds | none |\n":                                       "3 cells",
		"\n" + heading + "\n| `a` | holds | whatever | none |\n":                            "names no package",
		"\n" + heading + "\n| `a` | holds | none | none |\n| `a` | holds | none | none |\n": "two rows",
	} {
		_, err := parse(page)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)))
	}
}

func TestRulesAreExactMatches(t *testing.T) {
	g := NewWithT(t)
	out := rules(
		[]row{
			{Package: "wrapper/auth", Ours: []string{"wrapper/wire"}, Others: []string{"k8s.io/api"}},
			{Package: "hack/demo", Except: []string{"test"}},
		},
	)
	g.Expect(out).To(ContainSubstring("        wrapper-auth:\n          list-mode: strict\n"))
	g.Expect(out).To(ContainSubstring("- " + module + "/wrapper/wire$\n"))
	g.Expect(out).To(ContainSubstring("- k8s.io/api$\n            - k8s.io/api/\n"))
	g.Expect(out).
		To(ContainSubstring("hack-demo:\n          files: [\"**/hack/demo/*.go\"]\n          deny:\n            - pkg: " + module + "/test\n"))
	_, err := insert("nothing", out)
	g.Expect(err).To(MatchError(ContainSubstring("restore them")))
	again, err := insert("a\n"+begin+"old\n"+end+"b\n", out)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal("a\n" + begin + out + end + "b\n"))
}

// TestThePlacesExist holds the map of docs/architecture.md to the tree: each path in the table "Where to find what" names a file or folder.
func TestThePlacesExist(t *testing.T) {
	root, err := render.Root()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## Where to find what\n")
	if !found {
		t.Fatal(`docs/architecture.md has no section "Where to find what"`)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	paths := 0
	for _, name := range quoted(section) {
		if !strings.Contains(name, "/") {
			continue
		}
		paths++
		if matches, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(name))); err != nil || len(matches) == 0 {
			t.Errorf("docs/architecture.md says that something is in %s, which does not exist", name)
		}
	}
	if paths < 20 {
		t.Errorf("%d places: the table was lost", paths)
	}
}
