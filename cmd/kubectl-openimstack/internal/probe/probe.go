package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/status"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams cli.Streams
	timeout time.Duration
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "probe STACK",
		Short: "have the operator test a stack's lockdown with real connections, now",
		Long: `Requests, by the annotation ` + v1alpha1.AnnotationProbeRequested + `, that the operator tests the stack's lockdown with real
connections, waits for the result and prints it. The caller needs the right to patch the OpenIMStack; the pods of the probe are the
operator's.`,
		Args:              cli.Args(1, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long to wait for the result")
	cli.DescribeExitCodes(cmd, "0 enforced, 2 breached or not enforced, 1 could not tell (errors included).")
	return cmd
}

// pollInterval is the time between two reads of the status.
const pollInterval = time.Second

// run requests a probe and prints the status that holds its result.
func (o *options) run(ctx context.Context, name string) error {
	c, err := load.Connect(o.Connection)
	if err != nil {
		return err
	}
	key := client.ObjectKey{Namespace: c.Namespace, Name: name}
	// The request is the time of the call, and the operator copies it to the result: a result of an earlier request does not match.
	request := time.Now().UTC().Format(time.RFC3339Nano)
	if err := requestProbe(ctx, c, key, request); err != nil {
		return err
	}
	fmt.Fprintf(o.streams.ErrOut, "requested a probe of OpenIMStack %s\n", key)
	stack, err := awaitProbe(ctx, c, key, request, o.timeout)
	if err != nil {
		return err
	}
	if err := status.Write(o.streams.Out, stack); err != nil {
		return err
	}
	return cli.Exit(exitCode(stack.Status.Boundary.LastProbe.Outcome))
}

// requestProbe writes the annotation of the request.
func requestProbe(ctx context.Context, c client.Client, key client.ObjectKey, request string) error {
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
		return fmt.Errorf("requesting a probe of OpenIMStack %s: %w", key, err)
	}
	return nil
}

// awaitProbe waits until the status holds the result of the request.
func awaitProbe(
	ctx context.Context, c client.Client, key client.ObjectKey, request string, timeout time.Duration,
) (*v1alpha1.OpenIMStack, error) {
	var stack v1alpha1.OpenIMStack
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, key, &stack); err != nil {
			return false, err
		}
		b := stack.Status.Boundary
		return b != nil && b.LastProbe != nil && b.LastProbe.Request == request, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		return nil, fmt.Errorf("no result within %s: check that the operator runs and that probes are on, and see its events: "+
			"kubectl -n %s describe openimstack %s", timeout, key.Namespace, key.Name)
	}
	if errors.Is(err, context.Canceled) {
		return nil, errors.New("canceled before the result was there: `status` will show it")
	}
	return &stack, err
}

// exitCode returns the exit code for the outcome of a probe. Outcomes are the reasons of the condition NetworkIsolated.
func exitCode(outcome string) int {
	switch outcome {
	case v1alpha1.ReasonEnforced:
		return cli.ExitSealed
	case v1alpha1.ReasonBreached, v1alpha1.ReasonNotEnforcedByCNI:
		return cli.ExitFindings
	default:
		return cli.ExitUnknown
	}
}
