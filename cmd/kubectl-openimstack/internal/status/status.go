package status

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams cli.Streams
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "status [STACK]",
		Short: "print what the operator reports of a stack and of its lockdown",
		Long: `Prints the conditions of stacks, their endpoints, the values in force of settings that the spec need not name, the state of their
lockdown, the result of the last probe, and the exceptions that the spec requests. It repeats what the operator wrote to the status; audit and probe check again.`,
		Args:              cli.Args(0, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	o.AddAllNamespaces(cmd.Flags())
	cli.DescribeExitCodes(cmd,
		"0 the operator reports that the network is isolated, 2 that it is not, 1 that it is not known (errors included).")
	return cmd
}

// run prints the status of the selected stacks. The worst result decides the exit code.
func (o *options) run(ctx context.Context, names []string) error {
	c, err := load.Connect(o.Connection)
	if err != nil {
		return err
	}
	stacks, err := c.Stacks(ctx, names, o.AllNamespaces)
	if err != nil {
		return err
	}
	code := cli.ExitSealed
	for i := range stacks {
		if i > 0 {
			fmt.Fprintln(o.streams.Out)
		}
		if err := Write(o.streams.Out, &stacks[i]); err != nil {
			return err
		}
		code = max(code, exitCode(&stacks[i]))
	}
	return cli.Exit(code)
}

// exitCode returns the exit code for the condition NetworkIsolated. A condition about an older spec counts as not known. Findings of the
// audit count too, because an operator of an earlier version left the condition as it was.
func exitCode(stack *v1alpha1.OpenIMStack) int {
	c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
	switch {
	case c == nil || c.ObservedGeneration < stack.Generation:
		return cli.ExitUnknown
	case c.Status == metav1.ConditionFalse || hasOpenFinding(stack.Status.Boundary):
		return cli.ExitFindings
	case c.Status == metav1.ConditionTrue:
		return cli.ExitSealed
	default:
		return cli.ExitUnknown
	}
}

// hasOpenFinding reports whether a finding of the status opens a connection in or out. NotEnforced does not count: it is inferred from
// manifests, and the operator's probes confirm or refute it.
func hasOpenFinding(b *v1alpha1.Boundary) bool {
	return b != nil && slices.ContainsFunc(b.Findings, func(f v1alpha1.BoundaryFinding) bool {
		return f.Kind != audit.NotEnforced && (f.Severity == string(audit.Critical) || f.Severity == string(audit.High))
	})
}

// Write prints the status of a stack.
func Write(w io.Writer, stack *v1alpha1.OpenIMStack) error {
	fmt.Fprintf(w, "OpenIMStack %s/%s, version %s\n", stack.Namespace, stack.Name, stack.Spec.Version)
	if stack.Status.ObservedGeneration < stack.Generation {
		fmt.Fprintf(w, "Generation %d of the spec is not applied yet; the last one that was is generation %d.\n",
			stack.Generation, stack.Status.ObservedGeneration)
	}
	writeRollout(w, stack.Status)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nCONDITION\tSTATUS\tREASON\tMESSAGE")
	for _, c := range stack.Status.Conditions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Type, c.Status, c.Reason, cli.OneLine(c.Message))
	}
	writeEndpoints(table, stack.Status.Endpoints)
	writeEffective(table, stack.Status.Effective)
	if err := table.Flush(); err != nil {
		return err
	}
	return writeLockdown(w, stack.Status.Boundary)
}

// writeRollout prints the rollout under way in a line.
func writeRollout(w io.Writer, s v1alpha1.OpenIMStackStatus) {
	r := s.Rollout
	if r == nil {
		return
	}
	done := 0
	for _, p := range s.Processes {
		if slices.Contains(r.Components, p.Name) && p.Revision == r.To && p.Reason == "" {
			done++
		}
	}
	fmt.Fprintf(w, "Rollout %s to %s: wave %d, %d of %d components done", r.State, r.To, r.Wave, done, len(r.Components))
	if f := r.Failure; f != nil {
		fmt.Fprintf(w, "; %s failed: %s: %s: %s", r.FailedRevision, f.Component, f.Reason, cli.OneLine(f.Message))
	}
	fmt.Fprintln(w)
}

// writeEndpoints prints status.endpoints.
func writeEndpoints(w io.Writer, e *v1alpha1.Endpoints) {
	if e == nil {
		return
	}
	fmt.Fprintln(w, "\nENDPOINT\tURL")
	for _, endpoint := range [][2]string{
		{"administrators", e.Gateway}, {"users", e.Users}, {"users' WebSocket", e.Realtime},
		{"OpenIM's WebSocket", e.WebSocket}, {"OpenIM's API", e.API},
	} {
		if endpoint[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", endpoint[0], endpoint[1])
		}
	}
}

// writeEffective prints values in force, one a line with a tab between name and value.
func writeEffective(w io.Writer, values []v1alpha1.EffectiveValue) {
	if len(values) == 0 {
		return
	}
	fmt.Fprintln(w, "\nEFFECTIVE\tVALUE")
	for _, v := range values {
		fmt.Fprintf(w, "%s\t%s\n", cli.OneLine(v.Name), cli.OneLine(v.Value))
	}
}

// writeLockdown prints status.boundary.
func writeLockdown(w io.Writer, b *v1alpha1.Boundary) error {
	if b == nil {
		_, err := fmt.Fprintln(w, "\nLOCKDOWN  not reported yet")
		return err
	}
	fmt.Fprintf(w, "\nLOCKDOWN  %d NetworkPolicies let %d connections through\n", ptr.Deref(b.Policies, 0), ptr.Deref(b.Connections, 0))
	writeProbe(w, b.LastProbe)
	for _, e := range b.Exceptions {
		fmt.Fprintf(w, "  exception: %s\n", cli.OneLine(e))
	}
	for _, f := range b.Findings {
		fmt.Fprintf(w, "  %s %s: %s: %s\n", f.Severity, f.Kind, f.Object, cli.OneLine(f.Message))
	}
	if more := int(ptr.Deref(b.FindingsTotal, 0)) - len(b.Findings); more > 0 {
		fmt.Fprintf(w, "  and %d more findings: see `%s audit`\n", more, cli.Name)
	}
	return nil
}

// writeProbe prints the result of the last probe.
func writeProbe(w io.Writer, r *v1alpha1.ProbeResult) {
	if r == nil {
		fmt.Fprintln(w, "  not probed with real connections yet")
		return
	}
	fmt.Fprintf(w, "  probed %s (%s): %s. %d connections: %d blocked and %d let through as intended, %d otherwise\n",
		r.Time.UTC().Format("2006-01-02 15:04:05 UTC"), strings.ToLower(string(r.Trigger)), r.Outcome,
		ptr.Deref(r.Attempted, 0), ptr.Deref(r.Blocked, 0), ptr.Deref(r.Allowed, 0), ptr.Deref(r.Unexpected, 0))
	if r.Message != "" {
		fmt.Fprintf(w, "  %s\n", cli.OneLine(r.Message))
	}
}
