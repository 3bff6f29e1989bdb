package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// docs/plugin.md shows commands with their output, in blocks that begin with "$ kubectl openimstack". Those that need no cluster are run
// here, in a folder with deploy/ and branch/; what others print is compared with golden files, by the command's name.
//
// -update writes the outputs anew.

var example = regexp.MustCompile("(?s)```console\n\\$ kubectl openimstack ([^\n]*)\n(.*?)```\n")

func TestTheDocsShowWhatIsPrinted(t *testing.T) {
	g := NewWithT(t)
	checkStatus(t) // first: the page shows it
	path := filepath.Join("..", "..", "docs", "plugin.md")
	absolute, err := filepath.Abs(path)
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	recorded := map[string]string{}
	entries, err := filepath.Glob(filepath.Join("testdata", "golden", "*.txt"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		content, err := os.ReadFile(entry)
		g.Expect(err).NotTo(HaveOccurred())
		recorded[strings.TrimSuffix(filepath.Base(entry), ".txt")] = string(content)
	}
	dir := t.TempDir()
	copyFolder(t, filepath.Join("testdata", "deploy"), filepath.Join(dir, "deploy"))
	copyFolder(t, filepath.Join("testdata", "deploy"), filepath.Join(dir, "branch"))
	copyFolder(t, filepath.Join("testdata", "branch"), filepath.Join(dir, "branch"))
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
	for _, c := range commands() {
		if c.name != "version" {
			g.Expect(shown).To(ContainElement(c.name), "each command is shown with its output")
		}
	}
	if *update {
		g.Expect(os.WriteFile(absolute, []byte(now), 0o644)).To(Succeed())
		return
	}
	g.Expect(now).To(Equal(string(page)), "docs/plugin.md is not what the plugin prints: go test ./cmd/kubectl-openimstack -run Docs -update")
}

// output of a command, and its exit code as a shell shows it.
func output(t *testing.T, args []string) string {
	t.Helper()
	code, out, errs := invoke(t, args...)
	return out + errs + fmt.Sprintf("$ echo $?\n%d\n", code)
}

// excerpt is a block that shows the beginning of a long output, as many lines as it has now, and then "...".
func excerpt(t *testing.T, block, line string, args []string) string {
	t.Helper()
	lines := strings.Split(output(t, args), "\n")
	shown := slices.Index(strings.Split(block, "\n"), "...") - 2
	code := lines[len(lines)-3:]
	return fmt.Sprintf("```console\n$ kubectl openimstack %s\n%s\n...\n%s```\n", line, strings.Join(lines[:min(shown, len(lines))], "\n"), strings.Join(code, "\n"))
}

// Flags of the page are flags of the commands.
func TestTheDocsNameFlagsThatThereAre(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "plugin.md"))
	g.Expect(err).NotTo(HaveOccurred())
	known := map[string]bool{"--help": true, "--manifest": true, "--clusterrole": true, "--user": true}
	for _, c := range commands() {
		var o options
		for _, f := range strings.Fields(c.flagSet(&o).FlagUsages()) {
			known[strings.TrimSuffix(f, ",")] = true
		}
	}
	for _, f := range regexp.MustCompile(`--[a-z][a-z-]+`).FindAllString(string(page), -1) {
		g.Expect(known).To(HaveKey(f), f)
	}
}
