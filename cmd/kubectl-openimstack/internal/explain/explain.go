package explain

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams cli.Streams
	// stack to explain, when the namespace has several.
	stack string
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "explain FROM TO PORT",
		Short: "report which rules decide about one connection, and what would change it",
		Long: `Reports whether one connection is open, which policies and rules decide on each side, whether the connection is intended, and what
would change it.

FROM and TO are components (gateway, api, ...), peers of the stack (dns, kafka, ...), unexpected sources as the audit names them
(intruder, outside-ipv4, ...), IP addresses, or pods as [namespace/]name. PORT is a number or a name, with /UDP or /SCTP where it is not
TCP.`,
		Example: `  ` + cli.Name + ` explain backend api 10002 -n im
  ` + cli.Name + ` explain monitoring/prometheus-0 msggateway metrics -n im
  ` + cli.Name + ` explain intruder redis 6379 -n im`,
		Args:              cli.Args(3, 3),
		ValidArgsFunction: cli.Matching(completeArgs),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	o.AddFiles(cmd.Flags())
	cmd.Flags().StringVar(&o.stack, "stack", "", "name of the stack, when the namespace has several")
	cli.CompleteFlag(cmd, "stack", o.CompleteStackFlag)
	cli.DescribeExitCodes(cmd,
		"0 as intended, 2 open and should be closed, or closed although the stack needs it, 1 could not tell (errors included).")
	return cmd
}

// completeArgs completes components and unexpected sources, and the names of a component's ports. Peers and pods would take a snapshot,
// which is too slow for a shell.
func completeArgs(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var candidates []string
	switch len(args) {
	case 0, 1:
		for _, c := range graph.Components() {
			candidates = append(candidates, c.Name)
		}
		if len(args) == 0 {
			candidates = append(candidates, graph.Intruder, audit.IntruderElsewhere, audit.OutsideIPv4, audit.OutsideIPv6)
		}
	case 2:
		c, _ := graph.Lookup(args[1])
		for _, p := range c.Ports {
			candidates = append(candidates, p.Name)
		}
	}
	return candidates, cobra.ShellCompDirectiveNoFileComp
}

// run explains the connection of the arguments.
func (o *options) run(ctx context.Context, args []string) error {
	var names []string
	if o.stack != "" {
		names = []string{o.stack}
	}
	s, err := load.Read(ctx, &o.Flags, names, o.streams.ErrOut)
	if err != nil {
		return err
	}
	if len(s.Stacks) > 1 {
		return fmt.Errorf("there are several stacks: choose one of %s with --stack and -n", s.Names())
	}
	stack := s.Stacks[0]
	e, err := (&explainer{stack: stack}).explain(args[0], args[1], args[2])
	if err != nil {
		return err
	}
	e.adopt(s.Audit(stack), args[0], args[1])
	if _, err := fmt.Fprint(o.streams.Out, e.text()); err != nil {
		return err
	}
	return cli.Exit(e.exitCode())
}

// exitCode returns the exit code for an explanation.
func (e *explanation) exitCode() int {
	switch {
	case e.leak() || e.broken():
		return cli.ExitFindings
	case len(e.unknown()) > 0:
		return cli.ExitUnknown
	default:
		return cli.ExitSealed
	}
}

// isUnexpectedSource reports whether the arguments name a connection from an unexpected source to a store, for which the audit has a cell.
func (x *explainer) isUnexpectedSource(from, to string) bool {
	_, is := unexpectedSources(x.stack.Object.Namespace)[from]
	return is && slices.ContainsFunc(x.stack.Graph.Edges, func(c graph.Edge) bool { return !c.To.Inside && c.To.Name == to })
}
