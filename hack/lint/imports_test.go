package lint_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

const module = "github.com/openimstack/openim-operator"

// Imports that a room may not have. Each stands for a rule of .golangci.yml; a rule that is lost lets its line through.
var wrong = []struct{ room, imports string }{
	{"api/v1alpha1", module + "/openim"},
	{"api/v1alpha1", "k8s.io/api/core/v1"},
	{"controllers", module + "/wrapper/auth"},
	{"openim", module + "/controllers/manifests"},
	{"openim", "k8s.io/client-go/kubernetes"},
	{"controllers/dependencies", module + "/controllers/apply"},
	{"controllers/manifests", module + "/controllers/apply"},
	{"netpol/graph", module + "/controllers/manifests"},
	{"controllers/apply", module + "/api/v1alpha1"},
	{"controllers/rollout", module + "/controllers/apply"},
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
	{"wrapper/ratelimit", module + "/wrapper/celrules"},
	{"wrapper/auditlog", module + "/wrapper/auth"},
	{"wrapper/celrules", module + "/wrapper/routes"},
	{"wrapper/login", module + "/wrapper/session"},
	{"wrapper/devices", module + "/wrapper/tokenvault"},
	{"wrapper/tokenvault", module + "/wrapper/openimclient"},
	{"wrapper/handshake", module + "/wrapper/login"},
	{"wrapper/internalapi", module + "/wrapper/backend"},
	{"clients/go", module + "/wrapper/login"},
	{"cmd/manager", module + "/test/harness"},
	{"wrapper/httpserver", module + "/hack/render"},
	{"hack/verify", "github.com/stretchr/testify/require"},
}

// Imports that look alike and are right.
var right = []struct{ room, imports string }{
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
	{"hack/render", module + "/openim"},
}

func TestRoomsKeepToTheirImports(t *testing.T) {
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	config, err := os.ReadFile(filepath.Join(root, ".golangci.yml"))
	g.Expect(err).NotTo(HaveOccurred())
	house := t.TempDir()
	write(g, house, ".golangci.yml", string(config))
	write(g, house, "go.mod", "module "+module+"\n\ngo 1.26.0\n")

	var expected []any
	for i, w := range wrong {
		file := addImport(g, house, w.room, w.imports, fmt.Sprintf("wrong%d.go", i))
		expected = append(expected, And(HavePrefix(file+" "), ContainSubstring(fmt.Sprintf("'%s/leaf'", w.imports))))
	}
	for i, r := range right {
		addImport(g, house, r.room, r.imports, fmt.Sprintf("right%d.go", i))
	}
	g.Expect(depguard(t, g, root, house)).To(ConsistOf(expected...))
}

// addImport adds a file to a room of the house and returns its path. It imports a leaf under the package that matters: the rules
// hold for what lies beneath a package too, and leaves make no import cycles.
func addImport(g *WithT, house, room, imports, name string) string {
	file := path.Join(room, name)
	write(g, house, file, fmt.Sprintf("package %s\n\nimport _ %q\n", path.Base(room), imports+"/leaf"))
	if inHouse, ok := strings.CutPrefix(imports, module+"/"); ok {
		write(g, house, path.Join(inHouse, "leaf/leaf.go"), "package leaf\n")
	} else {
		// Anybody else's package stands in the house's vendor folder.
		write(g, house, path.Join("vendor", imports, "leaf/leaf.go"), "package leaf\n")
	}
	return file
}

func write(g *WithT, house, name, content string) {
	file := filepath.Join(house, name)
	g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(file, []byte(content), 0o600)).To(Succeed())
}

// depguard lints the house and returns "file text" of each finding.
func depguard(t *testing.T, g *WithT, root, house string) []string {
	t.Helper()
	// The tool is built and found in the project, and run in the house.
	g.Expect(render.Tool(t.Context(), root, "golangci-lint", nil, "version").Run()).To(Succeed())
	binary, err := render.Tool(t.Context(), root, "golangci-lint", []string{"-n"}).Output()
	g.Expect(err).NotTo(HaveOccurred())

	report := filepath.Join(t.TempDir(), "report.json")
	cmd := exec.CommandContext(t.Context(), strings.TrimSpace(string(binary)), "run", "--enable-only=depguard",
		"--modules-download-mode=vendor", "--output.json.path="+report, "--issues-exit-code=0", "./...")
	cmd.Dir = house
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
