package main

import (
	"errors"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// kubectls is the end of each help of a command of the plugin.
const kubectls = "\nFlags of kubectl:\n      --as string   a user\n"

// answers are the helps of a plugin with two commands, of which one has a command below it.
func answers() map[string]string {
	all := map[string]string{
		"kubectl-openimstack --help": "Reports.\n\nCommands:\n  audit       report\n  completion  of shells\n  user        act\n\n" +
			"Exit codes: 0.\n\nFlags of kubectl, for all commands:\n      --as string   a user\n",
		"kubectl-openimstack audit --help":     "Audits.   \n\n  not-a-command  x\n\nFlags:\n  -h\n" + kubectls,
		"kubectl-openimstack user --help":      "Acts.\n\nCommands:\n  code  issue codes\n" + kubectls,
		"kubectl-openimstack user code --help": "Issues.\n" + kubectls,
		"manager probe --help":                 "usage:\n  probe idle\n",
	}
	for _, program := range []string{"manager", "wrapper", "supervisor", "preflight"} {
		all[program+" --help"] = "Usage of " + program + ":\n  -a\tb\n"
	}
	return all
}

// of returns a function that gives these helps, and an error for others.
func of(all map[string]string) func(program string, args ...string) (string, error) {
	return func(program string, args ...string) (string, error) {
		line := strings.Join(append([]string{program}, args...), " ")
		text, ok := all[line]
		if !ok {
			return "", errors.New("unexpected: " + line)
		}
		return text, nil
	}
}

func TestEachProgramAndEachCommandHasASection(t *testing.T) {
	g := NewWithT(t)
	text, err := page(of(answers()))
	g.Expect(err).NotTo(HaveOccurred())
	var titles []string
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			titles = append(titles, strings.TrimSpace(title))
		}
	}
	g.Expect(titles).To(Equal([]string{"kubectl openimstack", "kubectl openimstack audit", "kubectl openimstack user",
		"kubectl openimstack user code", "manager", "manager probe", "wrapper", "supervisor", "preflight"}))
	g.Expect(text).To(ContainSubstring("## kubectl openimstack audit\n\n```text\nAudits.\n\n  not-a-command  x\n\nFlags:\n  -h\n```\n"))
	g.Expect(strings.Count(text, "--as string")).To(Equal(1), "kubectl's flags are the same for all commands")
	g.Expect(text).NotTo(ContainSubstring("\t"))
}

func TestAHelpThatSaysNothingIsAnError(t *testing.T) {
	for line, says := range map[string]string{
		"wrapper --help": "the help of wrapper is empty", "kubectl-openimstack user code --help": "has no section of kubectl's flags",
	} {
		all := answers()
		all[line] = "\n"
		_, err := page(of(all))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)))
	}
	all := answers()
	delete(all, "supervisor --help")
	_, err := page(of(all))
	NewWithT(t).Expect(err).To(MatchError("unexpected: supervisor --help"))
	_, err = page(of(answers()))
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "after the refusals a good one is taken")
}
