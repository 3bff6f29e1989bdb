package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// completeWord is what kubectl_complete-openimstack calls the plugin with, before the words of the command line.
const completeWord = "__complete"

// noFiles is the directive of the shell's completion that stands behind the candidates: do not offer names of files (cobra's
// ShellCompDirectiveNoFileComp, which kubectl passes on).
const noFiles, anyFile = ":4", ":0"

// complete prints candidates for the last word. It asks no cluster.
func (p *program) complete(args []string) (int, error) {
	candidates, directive := completions(args)
	for _, c := range candidates {
		fmt.Fprintln(p.out, c)
	}
	_, err := fmt.Fprintln(p.out, directive)
	return exitSealed, err
}

func completions(args []string) (candidates []string, directive string) {
	last := ""
	if len(args) > 0 {
		last = args[len(args)-1]
	}
	if len(args) < 2 || args[0] == "help" {
		return withPrefix(words(), last), noFiles
	}
	c, err := find(args[0])
	if err != nil {
		return nil, noFiles
	}
	var o options
	flags := c.flagSet(&o)
	switch before := args[len(args)-2]; {
	case (before == "-o" || before == "--output") && flags.Lookup("output") != nil:
		return withPrefix(formats(), last), noFiles
	case slices.Contains([]string{"--from-files", "--output-file", "--kubeconfig"}, before):
		return nil, anyFile
	case strings.HasPrefix(last, "-"):
		flags.VisitAll(func(f *pflag.Flag) { candidates = append(candidates, "--"+f.Name) })
		return withPrefix(candidates, last), noFiles
	case c.name == "diff":
		return nil, anyFile
	}
	return nil, noFiles
}

func withPrefix(all []string, prefix string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, prefix) })
}
