package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/render"
)

// The ready-made steps of config/pipeline and .pre-commit-hooks.yaml. Their commands are run here as they stand, with the plugin in PATH,
// in a repository whose manifests are sealed, open, or unreadable.

// built is the folder of the plugin, empty until a test needs it.
var built string

// plugin builds the plugin once.
var plugin = sync.OnceValues(func() (dir string, err error) {
	root, err := render.Root()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("", "plugin"); err != nil {
		return "", err
	}
	built = dir
	build := exec.Command("go", "build", "-o", filepath.Join(dir, binary), "./cmd/"+binary)
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// repository is a git repository of a user of the pipeline, and the environment of its steps.
type repository struct {
	t    *testing.T
	root string
	dir  string
	env  []string
}

// newRepository returns a repository with a sealed stack in deploy, and an empty file of exceptions.
func newRepository(t *testing.T) repository {
	t.Helper()
	g := NewWithT(t)
	root, err := render.Root()
	g.Expect(err).NotTo(HaveOccurred())
	bin, err := plugin()
	g.Expect(err).NotTo(HaveOccurred())
	temp := t.TempDir()
	r := repository{t: t, root: root, dir: filepath.Join(t.TempDir(), "repository")}
	r.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "RUNNER_TEMP=" + temp,
		"GITHUB_OUTPUT=" + filepath.Join(temp, "outputs"), "MANIFESTS=deploy",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
	}
	r.copy("cmd/kubectl-openimstack/testdata/deploy", "deploy")
	r.write(".openimstack-audit.yaml", r.read("config/pipeline/openimstack-audit.yaml"))
	r.shell("git init -q -b main && git add -A && git commit -qm base")
	return r
}

// open adds the policy and the Service that open the stack.
func (r repository) open() { r.copy("cmd/kubectl-openimstack/testdata/branch", "deploy") }

// breakYAML adds a manifest that cannot be read.
func (r repository) breakYAML() { r.write("deploy/broken.yaml", "a: [\n") }

func (r repository) copy(from, to string) {
	r.t.Helper()
	NewWithT(r.t).Expect(os.CopyFS(filepath.Join(r.dir, to), os.DirFS(filepath.Join(r.root, from)))).To(Succeed())
}

func (r repository) write(name, content string) {
	r.t.Helper()
	NewWithT(r.t).Expect(os.WriteFile(filepath.Join(r.dir, name), []byte(content), 0o600)).To(Succeed())
}

// read returns a file of this project.
func (r repository) read(name string) string {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.root, name))
	NewWithT(r.t).Expect(err).NotTo(HaveOccurred())
	return string(content)
}

// result returns a file that a step wrote.
func (r repository) result(name string) string {
	content, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		return ""
	}
	return string(content)
}

// output returns the file that a step names in its output, "" when the step has none.
func (r repository) output(name string) string {
	i := slices.IndexFunc(r.env, func(e string) bool { return strings.HasPrefix(e, "GITHUB_OUTPUT=") })
	outputs, err := os.ReadFile(strings.TrimPrefix(r.env[i], "GITHUB_OUTPUT="))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(outputs)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
			content, err := os.ReadFile(path)
			if err != nil {
				r.t.Fatal(err)
			}
			return string(content)
		}
	}
	return ""
}

// shell runs a script as GitHub and GitLab do, and returns its exit code and output.
func (r repository) shell(script string, env ...string) (code int, out string) {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "bash", "-eo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = r.dir, slices.Concat(r.env, env)
	content, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(content)
}

// head returns the commit of the repository.
func (r repository) head() string {
	_, out := r.shell("git rev-parse HEAD")
	return strings.TrimSpace(out)
}

// decode reads YAML strictly.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(text), into)).To(Succeed())
}
