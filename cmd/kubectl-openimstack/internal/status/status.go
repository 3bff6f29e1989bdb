package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

func statusCommand() command {
	return command{
		name: "status", usage: "[STACK]", most: 1,
		short: "print what the operator says of a stack and of its boundary",
		long: `Prints the conditions of stacks, what guards them, what the last probe saw, and which exceptions the spec asks for. It repeats
what the operator wrote to status: audit and probe look anew.`,
		exit: "0 the operator says that the network is isolated, 2 that it is not, 1 that it is not known.",
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			allNamespacesFlag(flags, o)
		},
		run: runStatus,
	}
}

func runStatus(ctx context.Context, p *program, o *options, names []string) (int, error) {
	c, err := connect(o)
	if err != nil {
		return exitUnknown, err
	}
	stacks, err := c.stacks(ctx, o, names)
	if err != nil {
		return exitUnknown, err
	}
	code := exitSealed
	for i := range stacks {
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		if err := writeStatus(p.out, &stacks[i]); err != nil {
			return exitUnknown, err
		}
		code = max(code, exitOfCondition(&stacks[i]))
	}
	return code, nil
}

// stacks that were asked for, from the cluster itself.
func (c *cluster) stacks(ctx context.Context, o *options, names []string) ([]v1alpha1.OpenIMStack, error) {
	if len(names) > 0 {
		var stack v1alpha1.OpenIMStack
		if err := c.Get(ctx, client.ObjectKey{Namespace: c.namespace, Name: names[0]}, &stack); err != nil {
			return nil, err
		}
		return []v1alpha1.OpenIMStack{stack}, nil
	}
	namespace := c.namespace
	if o.allNamespaces {
		namespace = metav1.NamespaceAll
	}
	var list v1alpha1.OpenIMStackList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, fmt.Errorf("there is no OpenIMStack in namespace %s: name another with -n, or take all with -A", namespace)
	}
	return list.Items, nil
}

// exitOfCondition tells what NetworkIsolated says. A condition about an older spec says nothing. What the audit found counts also where an
// operator of an earlier version left the condition as it was.
func exitOfCondition(stack *v1alpha1.OpenIMStack) int {
	c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
	switch {
	case c == nil || c.ObservedGeneration < stack.Generation:
		return exitUnknown
	case c.Status == metav1.ConditionFalse || foundOpen(stack.Status.Boundary):
		return exitFindings
	case c.Status == metav1.ConditionTrue:
		return exitSealed
	default:
		return exitUnknown
	}
}

// foundOpen reports whether a finding of the status lets something in or out. That nobody enforces policies is a sign which the operator's
// probes confirm or refute.
func foundOpen(b *v1alpha1.Boundary) bool {
	return b != nil && slices.ContainsFunc(b.Findings, func(f v1alpha1.BoundaryFinding) bool {
		return f.Kind != audit.NotEnforced && (f.Severity == string(audit.Critical) || f.Severity == string(audit.High))
	})
}

func writeStatus(w io.Writer, stack *v1alpha1.OpenIMStack) error {
	fmt.Fprintf(w, "OpenIMStack %s/%s, version %s\n", stack.Namespace, stack.Name, stack.Spec.Version)
	if stack.Status.ObservedGeneration < stack.Generation {
		fmt.Fprintf(w, "The operator has not seen generation %d of the spec yet: this is about generation %d.\n", stack.Generation, stack.Status.ObservedGeneration)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nCONDITION\tSTATUS\tREASON\tMESSAGE")
	for _, c := range stack.Status.Conditions {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Type, c.Status, c.Reason, oneLine(c.Message))
	}
	if e := stack.Status.Endpoints; e != nil {
		fmt.Fprintln(table, "\nDOOR\tURL")
		for _, door := range [][2]string{{"administrators", e.Gateway}, {"users", e.Users}, {"users' WebSocket", e.Realtime}, {"OpenIM's WebSocket", e.WebSocket}, {"OpenIM's API", e.API}} {
			if door[1] != "" {
				fmt.Fprintf(table, "%s\t%s\n", door[0], door[1])
			}
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return writeBoundary(w, stack.Status.Boundary)
}

// writeBoundary prints status.boundary.
func writeBoundary(w io.Writer, b *v1alpha1.Boundary) error {
	if b == nil {
		_, err := fmt.Fprintln(w, "\nBOUNDARY  nothing is known of it yet")
		return err
	}
	fmt.Fprintf(w, "\nBOUNDARY  %d NetworkPolicies let through %d connections\n", ptr.Deref(b.Policies, 0), ptr.Deref(b.Connections, 0))
	writeProbe(w, b.LastProbe)
	for _, e := range b.Exceptions {
		fmt.Fprintf(w, "  exception: %s\n", oneLine(e))
	}
	for _, f := range b.Findings {
		fmt.Fprintf(w, "  %s %s: %s: %s\n", f.Severity, f.Kind, f.Object, oneLine(f.Message))
	}
	if more := int(ptr.Deref(b.FindingsTotal, 0)) - len(b.Findings); more > 0 {
		fmt.Fprintf(w, "  and %d findings more: see `%s audit`\n", more, name)
	}
	return nil
}

func writeProbe(w io.Writer, r *v1alpha1.ProbeResult) {
	if r == nil {
		fmt.Fprintln(w, "  it has not been tried with real connections yet")
		return
	}
	fmt.Fprintf(w, "  tried %s (%s): %s. %d connections: %d blocked and %d let through as intended, %d otherwise\n",
		r.Time.UTC().Format("2006-01-02 15:04:05 UTC"), strings.ToLower(string(r.Trigger)), r.Outcome,
		ptr.Deref(r.Attempted, 0), ptr.Deref(r.Blocked, 0), ptr.Deref(r.Allowed, 0), ptr.Deref(r.Unexpected, 0))
	if r.Message != "" {
		fmt.Fprintf(w, "  %s\n", oneLine(r.Message))
	}
}

// oneLine keeps what others wrote from moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
