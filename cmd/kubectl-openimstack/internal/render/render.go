package render

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/admission"
)

// options are the flags of the command.
type options struct {
	load.Flags

	streams              cli.Streams
	outputFile           string
	clusterNetworkPolicy bool
	priority             int32
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: load.Flags{Connection: connection}}
	cmd := &cobra.Command{
		Use:   "render [STACK]",
		Short: "print the objects that the operator writes for a stack",
		Long: `Prints all objects of stacks as the operator writes them, policies first, from a cluster or without one. The output is for
reading and comparing: the operator applies the objects.

No Secret is read and none is printed, so that three things differ from the cluster: the annotation ` + v1alpha1.AnnotationCredentials + `,
a hash over Secrets, is left out; so is an optional user name of a Redis; and without a cluster there are no owner references. The
Services that the spec refers to must be in the folder, unless the spec has peers.`,
		Example: `  ` + cli.Name + ` render --from-files stack.yaml
  ` + cli.Name + ` render chat -n im --cluster-network-policy`,
		Args:              cli.Args(0, 1),
		ValidArgsFunction: o.CompleteStack(),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	flags := cmd.Flags()
	o.AddFiles(flags)
	flags.StringVar(&o.outputFile, "output-file", "", "write to this file, and a line about it to the terminal")
	flags.StringVar(&o.WrapperImage, "wrapper-image", "",
		"image of the wrapper for stacks that name none; default "+load.DefaultWrapperImage())
	flags.StringVar(&o.SupervisorImage, "supervisor-image", "",
		"image of the supervisor of OpenIM's pods; default "+load.DefaultSupervisorImage())
	flags.BoolVar(&o.clusterNetworkPolicy, "cluster-network-policy", false,
		"print ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2) instead, which a cluster admin may apply "+
			"in addition to the operator's NetworkPolicies")
	flags.Int32Var(&o.priority, "priority", admission.DefaultPriority, "priority of the ClusterNetworkPolicies in the Admin tier, 0 to 1000")
	cli.DescribeExitCodes(cmd, "0 rendered, 1 not rendered, a reference does not resolve, or a setting is refused.")
	return cmd
}

// run prints the objects of the selected stacks. A reference that does not resolve makes the output incomplete and the exit code 1.
func (o *options) run(ctx context.Context, names []string) error {
	s, err := load.Read(ctx, &o.Flags, names, o.streams.ErrOut)
	if err != nil {
		return err
	}
	code := cli.ExitSealed
	var objects []*unstructured.Unstructured
	for _, stack := range s.Stacks {
		for _, problem := range slices.Concat(stack.Problems, stack.Refusals) {
			fmt.Fprintf(o.streams.ErrOut, "OpenIMStack %s is incomplete: %s\n", stack.Name(), problem)
			code = cli.ExitUnknown
		}
		rendered, err := o.render(stack)
		if err != nil {
			return err
		}
		objects = append(objects, rendered...)
	}
	err = o.streams.Publish(o.outputFile, func(w io.Writer) error { return writeYAML(w, objects) },
		func() string { return fmt.Sprintf("%d objects", len(objects)) })
	if err != nil {
		return err
	}
	return cli.Exit(code)
}

// render returns the objects of a stack, or its ClusterNetworkPolicies.
func (o *options) render(stack *load.Stack) ([]*unstructured.Unstructured, error) {
	if o.clusterNetworkPolicy {
		return admission.ClusterNetworkPolicies(stack.Graph, o.priority)
	}
	var all []*unstructured.Unstructured
	for _, object := range stack.Objects {
		u, err := printable(object)
		if err != nil {
			return nil, fmt.Errorf("rendering OpenIMStack %s: %w", stack.Name(), err)
		}
		all = append(all, u)
	}
	return all, nil
}

// printable returns an object as it is applied, without the fields that the API server sets or that depend on Secrets or the cluster.
func printable(object client.Object) (*unstructured.Unstructured, error) {
	object = object.DeepCopyObject().(client.Object)
	if owners := object.GetOwnerReferences(); len(owners) > 0 && owners[0].UID == "" {
		object.SetOwnerReferences(nil)
	}
	if d, ok := object.(*appsv1.Deployment); ok {
		delete(d.Spec.Template.Annotations, v1alpha1.AnnotationCredentials)
	}
	gvk, err := apiutil.GVKForObject(object, load.Scheme())
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(gvk)
	unstructured.RemoveNestedField(u.Object, "status")
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "spec", "template", "metadata", "creationTimestamp")
	return u, nil
}

// writeYAML writes objects as YAML documents.
func writeYAML(w io.Writer, objects []*unstructured.Unstructured) error {
	for _, u := range objects {
		text, err := yaml.Marshal(u.Object)
		if err != nil {
			return fmt.Errorf("writing %s %s: %w", u.GetKind(), u.GetName(), err)
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}
