package settings

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams               cli.Streams
	release, file, output string
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "settings [STACK]",
		Short: "print what is set of OpenIM's settings, what is in force, and what the release takes",
		Long: `Prints for stacks what spec.settings sets, what of it the release of OpenIM refuses, which values are in force, and what the release
takes. In a cluster the values in force are those of status.effective; with --from-files they are computed as the operator does.

--release asks about another release, before an upgrade: its refusals, and what it takes. What is in force stays that of spec.version.
--file shows one configuration file, with each of its keys and who sets it; what is refused is always shown. The schema of the
CustomResourceDefinition is checked by the API server alone: kubectl apply --dry-run=server. Refused values of overrides are not printed.`,
		Example: `  ` + cli.Name + ` settings chat -n im
  ` + cli.Name + ` settings chat -n im --release v3.8.3-patch.16
  ` + cli.Name + ` settings --from-files stack.yaml --file notification.yml -o json`,
		Args:              cli.Args(0, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	o.AddAllNamespaces(flags)
	o.AddFiles(flags)
	flags.StringVar(&o.release, "release", "", "release of OpenIM to ask about (default that of spec.version)")
	flags.StringVar(&o.file, "file", "", "show one of OpenIM's configuration files, for example notification.yml")
	flags.StringVarP(&o.output, "output", "o", formatTable, "format: "+strings.Join(formats(), ", "))
	cli.CompleteFlag(cmd, "output", cobra.FixedCompletions(formats(), cobra.ShellCompDirectiveNoFileComp))
	cli.CompleteFlag(cmd, "release", cobra.FixedCompletions(tags(), cobra.ShellCompDirectiveNoFileComp))
	cli.CompleteFlag(cmd, "file", cobra.FixedCompletions(files(), cobra.ShellCompDirectiveNoFileComp))
	cli.DescribeExitCodes(cmd, "0 the release takes all settings, 2 something is refused, 1 could not tell (errors included).")
	return cmd
}

// tags returns the names of all supported releases, the oldest first.
func tags() []string {
	var all []string
	for _, release := range openim.Releases() {
		all = append(all, release.Tag)
	}
	return all
}

// files returns the names of all configuration files of all releases.
func files() []string {
	known := map[string]bool{}
	for _, dialect := range settings.Dialects() {
		for file := range dialect.Files {
			known[string(file)] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}

// run prints a report for each of the selected stacks. The worst result decides the exit code.
func (o *options) run(ctx context.Context, names []string) error {
	write, ok := writers[o.output]
	if !ok {
		return fmt.Errorf("unknown format %q: use one of %s", o.output, strings.Join(formats(), ", "))
	}
	if o.file != "" && !slices.Contains(files(), o.file) {
		return fmt.Errorf("OpenIM has no configuration file %.64q: use one of %s", o.file, strings.Join(files(), ", "))
	}
	if o.release != "" {
		if _, err := openim.ParseRelease(o.release); err != nil {
			return fmt.Errorf("--release: %w", err)
		}
	}
	subjects, err := o.read(ctx, names)
	if err != nil {
		return err
	}
	code := cli.ExitSealed
	for i, s := range subjects {
		r := newReport(s, o.release, openim.File(o.file))
		if i > 0 && o.output == formatTable {
			fmt.Fprintln(o.streams.Out)
		}
		if err := write(o.streams.Out, r); err != nil {
			return err
		}
		code = max(code, r.exitCode())
	}
	return cli.Exit(code)
}

// read reads the selected stacks and what is in force for them.
func (o *options) read(ctx context.Context, names []string) ([]subject, error) {
	var all []subject
	if o.FromFiles != "" {
		// References that do not resolve are not reported: no setting depends on a Service or a Secret.
		s, err := load.Read(ctx, &o.Flags, names, o.streams.ErrOut)
		if err != nil {
			return nil, err
		}
		for _, stack := range s.Stacks {
			all = append(all, computed(stack))
		}
		return all, nil
	}
	c, err := load.Connect(o.Connection)
	if err != nil {
		return nil, err
	}
	stacks, err := c.Stacks(ctx, names, o.AllNamespaces)
	if err != nil {
		return nil, err
	}
	for i := range stacks {
		all = append(all, observed(&stacks[i]))
	}
	return all, nil
}

// Formats of the output.
const formatTable, formatJSON, formatYAML = "table", "json", "yaml"

func formats() []string { return []string{formatTable, formatJSON, formatYAML} }

// writers write a report, by the format.
var writers = map[string]func(io.Writer, report) error{formatTable: writeTable, formatJSON: writeJSON, formatYAML: writeYAML}
