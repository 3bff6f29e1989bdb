package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Matching returns a completion with the candidates that begin with what was typed. Shells filter too, but not all that read the output of
// __complete are shells.
func Matching(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		candidates, directive := complete(cmd, args, typed)
		return slices.DeleteFunc(slices.Clone(candidates), func(c string) bool { return !strings.HasPrefix(c, typed) }), directive
	}
}

// CompleteFlag registers the completion of a flag's values. A flag that does not exist is a programming error.
func CompleteFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, Matching(complete)); err != nil {
		panic(err)
	}
}

// Files completes with the names of files.
func Files(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
