package root

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/audit"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/bundle"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/chat"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/diff"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/explain"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/probe"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/render"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/settings"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/status"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/user"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/version"
	release "github.com/openimstack/openim-operator/version"
)

// binary is the name of the program. kubectl finds the plugin by it, and shells complete it under it.
const binary = "kubectl-openimstack"

// Run executes a command line and returns the exit code. Errors are printed to the error stream.
func Run(ctx context.Context, streams cli.Streams, args []string) int {
	cmd := New(streams)
	cmd.SetArgs(commandFirst(args))
	code, err := cli.Code(cmd.ExecuteContext(ctx))
	if err != nil {
		fmt.Fprintf(streams.ErrOut, "error: %s\n", strings.TrimSpace(err.Error())) // cobra ends suggestions with an empty line
	}
	return code
}

// New returns the root command with all others.
func New(streams cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:           binary,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: cli.Name},
		Long:          "Reports which sources reach OpenIM, and how that compares with what the spec requests. No command reads a Secret.",
		Version:       release.String(), // has cobra add the flag --version
		SilenceErrors: true,             // Run prints them
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().NFlag() > 0 {
				return cli.UsageError(cmd, errors.New("no command is given"))
			}
			return cmd.Help()
		},
	}
	cmd.SetIn(streams.In)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.ErrOut)
	cmd.SetFlagErrorFunc(cli.UsageError)
	cmd.SetVersionTemplate(release.Line(binary) + "\n")
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(streams.Out, cmd) })

	// One set of flags for the connection serves all commands. A command line runs one of them.
	connection := load.ConnectionFlags()
	connection.AddFlags(cmd.PersistentFlags())
	cmd.AddCommand(
		audit.New(streams, connection),
		explain.New(streams, connection),
		diff.New(streams, connection),
		probe.New(streams, connection),
		status.New(streams, connection),
		render.New(streams, connection),
		settings.New(streams, connection),
		bundle.New(streams, connection),
		user.New(streams, connection),
		chat.New(streams, connection),
		version.New(streams),
	)
	cmd.SetHelpCommand(helpCommand(streams))
	cmd.InitDefaultCompletionCmd()
	if completion, _, err := cmd.Find([]string{"completion"}); err == nil {
		// A command that runs checks its arguments: an unknown shell is then an error.
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}

	flags := &load.Flags{Connection: connection}
	cli.CompleteFlag(cmd, "namespace", flags.CompleteNamespace)
	for flag, complete := range flags.CompleteFromKubeconfig() {
		cli.CompleteFlag(cmd, flag, complete)
	}
	return cmd
}

// commandFirst moves the command before the flags in front of it, as kubectl accepts them: `-A audit` becomes `audit -A`. Cobra does the
// same for the flags of the root command, but takes the word behind an unknown flag for its value. Arguments that no command understands
// stay as they are.
func commandFirst(args []string) []string {
	if len(args) == 0 || !strings.HasPrefix(args[0], "-") {
		return args
	}
	var names []string
	for _, c := range New(cli.Streams{}).Commands() { // a copy, whose flags may be set
		names = append(names, c.Name())
		c.InheritedFlags() // merges them into Flags
		c.InitDefaultHelpFlag()
		flags := c.Flags()
		flags.SetInterspersed(false)
		if err := flags.Parse(args); err == nil && flags.Arg(0) == c.Name() {
			leading := args[:len(args)-flags.NArg()]
			return slices.Concat([]string{c.Name()}, leading, flags.Args()[1:])
		}
	}
	// A flag that the command does not have: let the command report it.
	if i := slices.IndexFunc(args, func(a string) bool { return slices.Contains(names, a) }); i > 0 {
		return slices.Concat(args[i:i+1], args[:i], args[i+1:])
	}
	return args
}
