package plugintest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// Update reports whether golden files and the outputs in docs/plugin.md are to be written.
var Update = flag.Bool("update", false, "write the golden files and the outputs in docs/plugin.md")

// secret is in a Secret of testdata/deploy, and must never be printed.
const secret = "correct-horse-battery"

// Run is root.Run. It is an argument, so that the tests of a command's own package can use this package.
type Run func(ctx context.Context, streams cli.Streams, args []string) int

// Streams returns streams into buffers, without a terminal.
func Streams() (streams cli.Streams, out, errs *bytes.Buffer) {
	standard, _, out, errs := genericiooptions.NewTestIOStreams()
	return cli.Streams{IOStreams: standard}, out, errs
}

// Invoke runs a command line as a pipeline does: arguments in, an exit code and text out.
func Invoke(t *testing.T, run Run, args ...string) (code int, out, errs string) {
	t.Helper()
	streams, stdout, stderr := Streams()
	code = run(t.Context(), streams, args)
	if both := stdout.String() + stderr.String(); strings.Contains(both, secret) {
		t.Errorf("%v prints a Secret's value", args)
	}
	return code, stdout.String(), stderr.String()
}

// Path returns the path of a file or a folder of testdata, for tests whose folder is beside this one.
func Path(elements ...string) string {
	return filepath.Join(append([]string{"..", "..", "testdata"}, elements...)...)
}

// Copies returns a new folder with the content of the given folders of testdata.
func Copies(t *testing.T, folders ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range folders {
		CopyFolder(t, Path(folder), dir)
	}
	return dir
}

// CopyFolder copies a folder.
func CopyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// Edit replaces text in a file. The file must hold the text.
func Edit(t *testing.T, path, old, replacement string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	Write(t, path, strings.ReplaceAll(string(content), old, replacement))
}

// Write writes a file.
func Write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Case returns the content of a file of testdata/cases. It panics when there is no such file, because tables of tests call it.
func Case(file string) string {
	content, err := os.ReadFile(Path("cases", file))
	if err != nil {
		panic(err)
	}
	return string(content)
}

// Manifest returns the manifest of an object called x.
func Manifest(apiVersion, kind, namespace, spec string) string {
	return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata: {name: x, namespace: " + namespace + "}\nspec: " + spec + "\n"
}

// Reports returns the reports of a JSON output.
func Reports(t *testing.T, out string) []audit.Report {
	t.Helper()
	var all []audit.Report
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var r audit.Report
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

// Observed returns a stack with a status, as an operator wrote it.
func Observed(t *testing.T) *v1alpha1.OpenIMStack {
	t.Helper()
	text, err := os.ReadFile(Path("observed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var stack v1alpha1.OpenIMStack
	if err := yaml.UnmarshalStrict(text, &stack); err != nil {
		t.Fatal(err)
	}
	return &stack
}

// Golden compares text with a golden file, or writes the file with -update.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := Path("golden", name)
	if *Update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	wanted, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(wanted) {
		t.Errorf("not what %s holds:\n%s\n`go test ./cmd/kubectl-openimstack/... -update` writes the file", path, got)
	}
}

// Objects returns the objects of a YAML output.
func Objects(t *testing.T, text string) []unstructured.Unstructured {
	t.Helper()
	var all []unstructured.Unstructured
	for document := range strings.SplitSeq(strings.TrimPrefix(text, "---\n"), "\n---\n") {
		var u unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(document), &u.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}
