package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

// forbidden are imports by which somebody might loosen the design. Beside them, each row of the table is tried with a package of this
// module and one of another that no row allows.
var forbidden = []struct{ from, imports string }{
	{"api/v1alpha1", module + "/openim"},
	{"api/v1alpha1", "k8s.io/api/core/v1"},
	{"controllers", module + "/wrapper/auth"},
	{"openim", module + "/controllers/manifests"},
	{"openim", "k8s.io/client-go/kubernetes"},
	{"controllers/dependencies", module + "/controllers/apply"},
	{"controllers/manifests", module + "/controllers/apply"},
	{"netpol/graph", module + "/controllers/manifests"},
	{"controllers/apply", module + "/api/v1alpha1"},
	{"wrapper/auth", module + "/openim"},
	{"wrapper/routes", module + "/api/v1alpha1"},
	{"wrapper/auth", module + "/wrapper/routes"},
	{"wrapper/routes", module + "/wrapper/openimclient"},
	{"wrapper/openimclient", module + "/wrapper/backend"},
	{"wrapper/gateway", module + "/wrapper/backend"},
	{"wrapper/gateway", module + "/wrapper/openimclient"},
	{"wrapper/gateway", module + "/wrapper/tokenvault"},
	{"wrapper/gateway", module + "/wrapper/devices"},
	{"wrapper/gateway", "go.mongodb.org/mongo-driver/v2/mongo"},
	{"wrapper/backend", module + "/wrapper/gateway"},
	{"wrapper/session", module + "/wrapper/ratelimit"},
	{"wrapper/websocket", module + "/wrapper/session"},
	{"wrapper/login", module + "/wrapper/session"},
	{"wrapper/devices", module + "/wrapper/tokenvault"},
	{"wrapper/tokenvault", module + "/wrapper/openimclient"},
	{"wrapper/handshake", module + "/wrapper/login"},
	{"wrapper/internalapi", module + "/wrapper/backend"},
	{"clients/go", module + "/wrapper/login"},
	{"cmd/manager", module + "/test/loopback"},
	{"wrapper/httpserver", module + "/hack/render"},
	{"hack/verify", "github.com/stretchr/testify/require"},
}

// allowed are imports that look like forbidden ones.
var allowed = []struct{ from, imports string }{
	{"api/v1alpha1", "k8s.io/apimachinery/pkg/runtime"},
	{"controllers", module + "/controllers/apply"},
	{"controllers/manifests", module + "/netpol/graph"},
	{"netpol/graph", module + "/openim"},
	{"openim", module + "/api/v1alpha1"},
	{"wrapper/gateway", module + "/wrapper/auth"},
	{"wrapper/gateway", module + "/wrapper/session"},
	{"wrapper/backend", module + "/wrapper/openimclient"},
	{"wrapper/backend", module + "/wrapper/tokenvault"},
	{"clients/go", module + "/wrapper/handshake"},
	{"wrapper/session", module + "/wrapper/redisdb"},
	{"wrapper/ratelimit", "github.com/redis/go-redis/v9"},
	{"wrapper/websocket", module + "/wrapper/websocket/frame"},
	{"clients/go", module + "/wrapper/wire"},
	{"cmd/wrapper", module + "/wrapper/gateway"},
	{"cmd/supervisor", module + "/supervisor"},
	{"cmd/preflight", module + "/preflight"},
	{"hack/render", module + "/openim"},
	{"test/e2e", module + "/hack/render"},
}

// TestTheLinterRefusesWhatTheTableDoesNotAllow lints a tree that has the project's folders, its rules, and one file for each import.
func TestTheLinterRefusesWhatTheTableDoesNotAllow(t *testing.T) {
	g := NewWithT(t)
	root, rows := table(t)
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	tree := t.TempDir()
	write(g, tree, ".golangci.yml", string(config))
	write(g, tree, "go.mod", "module "+module+"\n\ngo 1.26.0\n")

	tries := slices.Clone(forbidden)
	for _, r := range rows {
		if r.open() {
			for _, not := range r.Except {
				tries = append(tries, struct{ from, imports string }{r.Package, module + "/" + not + "/any"})
			}
			continue
		}
		tries = append(
			tries,
			struct{ from, imports string }{r.Package, module + "/unlisted"},
			struct{ from, imports string }{r.Package, "example.com/unlisted"},
		)
	}
	var expected []any
	for i, f := range tries {
		// A leaf below the forbidden package makes no import cycle with the allowed ones. Rules hold for it too.
		file := addImport(g, tree, f.from, f.imports+"/leaf", fmt.Sprintf("forbidden%d.go", i))
		expected = append(expected, And(HavePrefix(file+" "), ContainSubstring(fmt.Sprintf("'%s/leaf'", f.imports))))
	}
	for i, a := range allowed {
		addImport(g, tree, a.from, a.imports, fmt.Sprintf("allowed%d.go", i))
	}
	g.Expect(depguard(t, g, root, tree)).To(ConsistOf(expected...))
}

// addImport adds a file to a folder of the tree that imports the package, which is made too, and returns its path.
func addImport(g *WithT, tree, from, imports, name string) string {
	file := path.Join(from, name)
	write(g, tree, file, fmt.Sprintf("package %s\n\nimport _ %q\n", packageName(from), imports))
	folder, ours := strings.CutPrefix(imports, module+"/")
	if !ours {
		folder = path.Join("vendor", imports)
	}
	write(g, tree, path.Join(folder, "made.go"), fmt.Sprintf("package %s\n", packageName(imports)))
	return file
}

// packageName returns a valid name for a folder's package: that of clients/go is a keyword.
func packageName(folder string) string { return "p" + strings.ReplaceAll(path.Base(folder), "-", "") }

func write(g *WithT, tree, name, content string) {
	file := filepath.Join(tree, name)
	g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(file, []byte(content), 0o600)).To(Succeed())
}

// depguard lints the tree and returns "file text" of each finding.
func depguard(t *testing.T, g *WithT, root, tree string) []string {
	t.Helper()
	// The tool is built and found in the project, and run in the tree.
	g.Expect(render.Tool(t.Context(), root, "golangci-lint", nil, "version").Run()).To(Succeed())
	binary, err := render.Tool(t.Context(), root, "golangci-lint", []string{"-n"}).Output()
	g.Expect(err).NotTo(HaveOccurred())

	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(binary)), "run", "--enable-only=depguard",
		"--modules-download-mode=vendor", "--output.json.path="+report, "--issues-exit-code=0", "./...")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "GOLANGCI_LINT_CACHE="+t.TempDir(), "GOFLAGS=-mod=vendor")
	out, err := cmd.CombinedOutput()
	g.Expect(report).To(BeARegularFile(), "%v: %s", err, out)

	content, err := os.ReadFile(report)
	g.Expect(err).NotTo(HaveOccurred())
	var found struct {
		Issues []struct {
			FromLinter, Text string
			Pos              struct{ Filename string }
		}
	}
	g.Expect(json.Unmarshal(content, &found)).To(Succeed())
	var texts []string
	for _, issue := range found.Issues {
		texts = append(texts, filepath.ToSlash(issue.Pos.Filename)+" "+issue.Text)
	}
	return texts
}
