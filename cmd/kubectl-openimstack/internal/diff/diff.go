package diff

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams cli.Streams
	output  string
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "diff [STACK] | A B",
		Short: "compare what is there with what is intended, or two audits",
		Long: `Without arguments, or with the name of a stack, compares the NetworkPolicies and Services of the cluster, and the labels of the
stack's pods, with what the operator writes, field by field, and names what is open and should be closed.

With two paths, compares two folders of manifests, or two reports of ` + "`audit -o json`" + `, and reports what is newly open and newly
closed, and which findings are new or gone. One of each is fine.

With -o md the output is a comment for a pull request: it fits GitHub's limit of 65,536 characters, and names of objects are no markup.`,
		Example: `  ` + cli.Name + ` diff -n im
  ` + cli.Name + ` diff main/deploy/ branch/deploy/
  ` + cli.Name + ` diff main/deploy/ branch/deploy/ -o md
  ` + cli.Name + ` diff yesterday.json today.json`,
		Args:              cli.Args(0, 2),
		ValidArgsFunction: o.completeArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	o.AddAllNamespaces(cmd.Flags())
	o.AddFiles(cmd.Flags())
	cmd.Flags().StringVarP(&o.output, "output", "o", string(formatText), fmt.Sprintf("format: %s, %s", formatText, formatMarkdown))
	cli.CompleteFlag(cmd, "output", cobra.FixedCompletions(
		[]string{string(formatText), string(formatMarkdown)}, cobra.ShellCompDirectiveNoFileComp))
	cli.DescribeExitCodes(cmd, "0 no difference, 2 some difference, 1 could not tell (errors included).")
	return cmd
}

// completeArgs completes the names of stacks, and files besides.
func (o *options) completeArgs(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	names, _ := o.CompleteStack()(cmd, args, typed)
	return names, cobra.ShellCompDirectiveDefault
}

// run compares the selected stacks with what the operator writes, or the two paths of the arguments.
func (o *options) run(ctx context.Context, args []string) error {
	format, err := parseFormat(o.output)
	if err != nil {
		return err
	}
	if len(args) == 2 {
		return o.compareReports(ctx, format, args[0], args[1])
	}
	s, err := load.Read(ctx, &o.Flags, args, o.streams.ErrOut)
	if err != nil {
		return err
	}
	code := cli.ExitSealed
	var pages []page
	for _, stack := range s.Stacks {
		d := drift{stack: stack, report: s.Audit(stack)}
		if err := d.compare(); err != nil {
			return err
		}
		pages = append(pages, d.page())
		code = max(code, d.exitCode())
	}
	if err := write(o.streams.Out, format, pages); err != nil {
		return err
	}
	return cli.Exit(code)
}

// compareReports compares the reports of two paths.
func (o *options) compareReports(ctx context.Context, f format, a, b string) error {
	before, err := o.reportsOf(ctx, a)
	if err != nil {
		return err
	}
	after, err := o.reportsOf(ctx, b)
	if err != nil {
		return err
	}
	c := compare(before, after)
	if err := write(o.streams.Out, f, []page{c.page(a, b)}); err != nil {
		return err
	}
	return cli.Exit(c.exitCode())
}
