package root

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
)

// flagWidth is the width in columns to which the descriptions of flags are wrapped.
const flagWidth = 100

// helpCommand returns `help`. Unlike cobra's it reports an unknown command as an error.
func helpCommand(streams cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "print the help of a command",
		Long:  "Prints the help of a command.",
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return cli.UsageError(cmd, fmt.Errorf("unknown command %q for %q", rest[0], target.CommandPath()))
			}
			writeHelp(streams.Out, target)
			return nil
		},
		ValidArgsFunction: cli.Matching(func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			var names []string
			if len(args) == 0 {
				for _, c := range cmd.Root().Commands() {
					if c.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		}),
	}
}

// writeHelp prints the help of a command: what it does, examples, exit codes, commands, and flags.
func writeHelp(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintln(w, strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)))
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	fmt.Fprintf(w, "\nUsage: %s\n", usageLine(cmd))
	if commands := availableCommands(cmd); len(commands) > 0 {
		fmt.Fprintln(w, "\nCommands:")
		table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, c := range commands {
			fmt.Fprintf(table, "  %s\t%s\n", c.Name(), c.Short)
		}
		_ = table.Flush()
	}
	fmt.Fprintf(w, "\nExit codes: %s\n", cli.ExitCodes(cmd))
	if cmd.HasParent() {
		writeFlags(w, "Flags", cmd.LocalFlags())
		writeFlags(w, "Flags of kubectl", cmd.InheritedFlags())
		return
	}
	writeFlags(w, "Flags of kubectl, for all commands", cmd.PersistentFlags())
	fmt.Fprintf(w, "\n`%s COMMAND --help` prints more.\n", cmd.CommandPath())
}

// usageLine returns the command line of a command. Cobra would append "[flags]".
func usageLine(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.CommandPath() + " COMMAND"
	}
	_, args, _ := strings.Cut(cmd.Use, " ")
	return strings.TrimSpace(cmd.CommandPath() + " " + args)
}

// availableCommands returns the commands of a command, without hidden ones.
func availableCommands(cmd *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, c)
		}
	}
	return all
}

// writeFlags prints flags under a heading, and nothing when there are none.
func writeFlags(w io.Writer, heading string, flags *pflag.FlagSet) {
	if flags.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s:\n%s", heading, flags.FlagUsagesWrapped(flagWidth))
	}
}
