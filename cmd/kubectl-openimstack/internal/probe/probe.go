package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func probeCommand() command {
	return command{
		name: "probe", usage: "STACK", least: 1, most: 1,
		short: "have the operator try a stack's boundary with real connections, now",
		long: `Asks the operator, by the annotation ` + v1alpha1.AnnotationProbeRequested + `, to try the stack's boundary with real connections, waits for the
result and prints it. It takes the right to patch the OpenIMStack; the probe's pods are the operator's.`,
		exit: "0 enforced, 2 breached or not enforced, 1 it could not be told.",
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			flags.DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long to wait for the result")
		},
		run: runProbe,
	}
}

// probePeriod between two looks at the status.
const probePeriod = time.Second

func runProbe(ctx context.Context, p *program, o *options, names []string) (int, error) {
	c, err := connect(o)
	if err != nil {
		return exitUnknown, err
	}
	key := client.ObjectKey{Namespace: c.namespace, Name: names[0]}
	request := time.Now().UTC().Format(time.RFC3339Nano)
	if err := c.askForProbe(ctx, key, request); err != nil {
		return exitUnknown, err
	}
	fmt.Fprintf(p.errors, "asked the operator to probe OpenIMStack %s\n", key)
	stack, err := c.awaitProbe(ctx, key, request, o.timeout)
	if err != nil {
		return exitUnknown, err
	}
	return exitOfOutcome(stack.Status.Boundary.LastProbe.Outcome), writeStatus(p.out, stack)
}

func (c *cluster) askForProbe(ctx context.Context, key client.ObjectKey, request string) error {
	var stack v1alpha1.OpenIMStack
	if err := c.Get(ctx, key, &stack); err != nil {
		return err
	}
	before := stack.DeepCopy()
	if stack.Annotations == nil {
		stack.Annotations = map[string]string{}
	}
	stack.Annotations[v1alpha1.AnnotationProbeRequested] = request
	if err := c.Patch(ctx, &stack, client.MergeFrom(before), client.FieldOwner("kubectl-openimstack")); err != nil {
		return fmt.Errorf("asking for a probe of OpenIMStack %s: %w", key, err)
	}
	return nil
}

// awaitProbe waits until the status answers the request.
func (c *cluster) awaitProbe(ctx context.Context, key client.ObjectKey, request string, timeout time.Duration) (*v1alpha1.OpenIMStack, error) {
	var stack v1alpha1.OpenIMStack
	err := wait.PollUntilContextTimeout(ctx, probePeriod, timeout, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, key, &stack); err != nil {
			return false, err
		}
		b := stack.Status.Boundary
		return b != nil && b.LastProbe != nil && b.LastProbe.Request == request, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return nil, fmt.Errorf("no result within %s: see whether the operator runs, whether probes are turned off, and what its events say: kubectl -n %s describe openimstack %s", timeout, key.Namespace, key.Name)
	}
	if errors.Is(err, context.Canceled) {
		return nil, errors.New("stopped before the result was there: `status` will show it")
	}
	return &stack, err
}

// exitOfOutcome of a probe. Outcomes are the reasons of the condition NetworkIsolated.
func exitOfOutcome(outcome string) int {
	switch outcome {
	case v1alpha1.ReasonEnforced:
		return exitSealed
	case v1alpha1.ReasonBreached, v1alpha1.ReasonNotEnforcedByCNI:
		return exitFindings
	default:
		return exitUnknown
	}
}
