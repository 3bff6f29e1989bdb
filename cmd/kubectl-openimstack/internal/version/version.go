package version

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/version"
)

// New returns the command.
func New(streams cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "print the version of the plugin",
		Long:              "Prints the version of the plugin, and of the schema of `audit -o json`.",
		Args:              cli.Args(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(
				streams.Out, "kubectl-openimstack %s %s/%s, %s\n", version.String(), runtime.GOOS, runtime.GOARCH, audit.Schema,
			)
			return err
		},
	}
	cli.DescribeExitCodes(cmd, "0.")
	return cmd
}
