package version

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// release is the version of the release, such as v0.1.0. hack/plugin sets it by -ldflags -X; it is empty in other builds.
var release string

// Release returns the version of the release, empty for a build that is not a release.
func Release() string { return release }

// String returns the version of the plugin: of the release, or of the module when the plugin was built with `go install`.
func String() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// New returns the command.
func New(streams cli.Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "version",
		Short:             "print the version of the plugin",
		Long:              "Prints the version of the plugin, and of the schema of `audit -o json`.",
		Args:              cli.Args(0, 0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(streams.Out, "kubectl-openimstack %s %s/%s, %s\n", String(), runtime.GOOS, runtime.GOARCH, audit.Schema)
			return err
		},
	}
	cli.DescribeExitCodes(cmd, "0.")
	return cmd
}
