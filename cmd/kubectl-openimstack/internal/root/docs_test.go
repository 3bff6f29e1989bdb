package root_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/status"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// docs/plugin.md shows commands with their output, in blocks that begin with "$ kubectl openimstack". The commands that need no cluster are
// run here, in a folder with deploy/, branch/ and settings/; the outputs of the others are golden files, by the name of the command.
//
// -update writes the outputs.

var example = regexp.MustCompile("(?s)```console\n\\$ kubectl openimstack ([^\n]*)\n(.*?)```\n")

func TestTheDocsShowWhatIsPrinted(t *testing.T) {
	g := NewWithT(t)
	var stack strings.Builder
	g.Expect(status.Write(&stack, plugintest.Observed(t))).To(Succeed())
	plugintest.Golden(t, "status.txt", stack.String()) // first: the page shows them
	plugintest.Golden(t, "probe.txt", stack.String())
	path := filepath.Join("..", "..", "..", "..", "docs", "plugin.md")
	absolute, err := filepath.Abs(path)
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	recorded := map[string]string{}
	entries, err := filepath.Glob(plugintest.Path("golden", "*.txt"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		content, err := os.ReadFile(entry)
		g.Expect(err).NotTo(HaveOccurred())
		recorded[strings.TrimSuffix(filepath.Base(entry), ".txt")] = string(content)
	}
	dir := t.TempDir()
	plugintest.CopyFolder(t, plugintest.Path("deploy"), filepath.Join(dir, "deploy"))
	plugintest.CopyFolder(t, plugintest.Path("deploy"), filepath.Join(dir, "branch"))
	plugintest.CopyFolder(t, plugintest.Path("branch"), filepath.Join(dir, "branch"))
	plugintest.CopyFolder(t, plugintest.Path("settings"), filepath.Join(dir, "settings"))
	t.Chdir(dir)

	var shown []string
	now := example.ReplaceAllStringFunc(string(page), func(block string) string {
		line := example.FindStringSubmatch(block)[1]
		args := strings.Fields(line)
		shown = append(shown, args[0])
		if strings.Contains(block, "\n...\n") {
			return excerpt(t, block, line, args)
		}
		out, ok := recorded[args[0]]
		if !ok {
			out = output(t, args)
		}
		return fmt.Sprintf("```console\n$ kubectl openimstack %s\n%s```\n", line, out)
	})
	for _, c := range root.New(cli.Streams{}).Commands() {
		if !slices.Contains([]string{"version", "help", "completion"}, c.Name()) {
			g.Expect(shown).To(ContainElement(c.Name()), "each command is shown with its output")
		}
	}
	if *plugintest.Update {
		g.Expect(os.WriteFile(absolute, []byte(now), 0o644)).To(Succeed())
		return
	}
	g.Expect(now).To(Equal(
		string(page)), "docs/plugin.md differs from the output of the plugin: go test ./cmd/kubectl-openimstack/internal/root -run Docs -update")
}

// output returns the output of a command, and its exit code as a shell shows it.
func output(t *testing.T, args []string) string {
	t.Helper()
	code, out, errs := invoke(t, args...)
	return out + errs + fmt.Sprintf("$ echo $?\n%d\n", code)
}

// excerpt returns a block with the beginning of a long output, of as many lines as the page has now, and then "...".
func excerpt(t *testing.T, block, line string, args []string) string {
	t.Helper()
	lines := strings.Split(output(t, args), "\n")
	shown := slices.Index(strings.Split(block, "\n"), "...") - 2
	code := lines[len(lines)-3:]
	beginning := strings.Join(lines[:min(shown, len(lines))], "\n")
	return fmt.Sprintf("```console\n$ kubectl openimstack %s\n%s\n...\n%s```\n", line, beginning, strings.Join(code, "\n"))
}

// The flags on the page exist.
func TestTheDocsNameFlagsThatExist(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "plugin.md"))
	g.Expect(err).NotTo(HaveOccurred())
	known := map[string]bool{"--help": true, "--manifest": true, "--clusterrole": true}
	commands := root.New(cli.Streams{}).Commands()
	for _, c := range commands {
		commands = append(commands, c.Commands()...)
	}
	for _, c := range commands {
		for _, f := range strings.Fields(c.LocalFlags().FlagUsages() + c.InheritedFlags().FlagUsages()) {
			known[strings.TrimSuffix(f, ",")] = true
		}
	}
	for _, f := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(page), -1) {
		g.Expect(known).To(HaveKey(f), f)
	}
}

// docs/pipeline.md names every kind of finding that cannot be excepted, with the reason that the plugin prints.
func TestTheDocsNameWhatIsNeverExcepted(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "pipeline.md"))
	g.Expect(err).NotTo(HaveOccurred())
	_, section, found := strings.Cut(string(page), "These are never excepted")
	g.Expect(found).To(BeTrue())
	table, _, _ := strings.Cut(section, "\n## ")
	for _, k := range audit.Kinds() {
		row := "`" + k.Name + "`"
		if k.NeverExcepted == "" {
			g.Expect(table).NotTo(ContainSubstring(row))
			continue
		}
		g.Expect(table).To(MatchRegexp(`\| [^|]*` + row + `[^|]* \| ` + regexp.QuoteMeta(k.NeverExcepted) + ` \|`))
	}
}
