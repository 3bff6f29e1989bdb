package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/admission"
)

func renderCommand() command {
	return command{
		name: "render", usage: "[STACK]", most: 1,
		short: "print the objects that the operator writes for a stack",
		long: `Prints all objects of stacks as the operator writes them, policies first, without a cluster or out of one.

  ` + name + ` render --from-files stack.yaml
  ` + name + ` render chat -n im --cluster-network-policy

It is for reading and comparing: the operator applies them. No Secret is read and none is printed, so that three things are not what
the cluster will have: the annotation ` + v1alpha1.AnnotationCredentials + `, a hash over Secrets, is left out; so is an optional user name of
a Redis; and without a cluster there are no owner references. The Services that the spec refers to must be in the folder, unless the
spec has peers.`,
		exit: "0 rendered, 1 not, or a reference does not resolve.",
		flags: func(flags *pflag.FlagSet, o *options) {
			clusterFlags(flags, o)
			fileFlags(flags, o)
			flags.StringVar(&o.outputFile, "output-file", "", "write to this file")
			flags.StringVar(&o.wrapperImage, "wrapper-image", "", "image of the wrapper for stacks that name none; default "+defaultWrapperImage())
			flags.BoolVar(&o.clusterNetworkPolicy, "cluster-network-policy", false, "print ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2) instead, which a cluster admin may apply beside the operator's NetworkPolicies")
			flags.Int32Var(&o.priority, "priority", admission.DefaultPriority, "priority of the ClusterNetworkPolicies in the Admin tier, 0 to 1000")
		},
		run: runRender,
	}
}

func runRender(ctx context.Context, p *program, o *options, names []string) (int, error) {
	s, err := p.gather(ctx, o, names)
	if err != nil {
		return exitUnknown, err
	}
	code := exitSealed
	var objects []*unstructured.Unstructured
	for _, v := range s.views {
		for _, problem := range v.problems {
			fmt.Fprintf(p.errors, "OpenIMStack %s is incomplete: %s\n", v.name(), problem)
			code = exitUnknown
		}
		rendered, err := v.render(o)
		if err != nil {
			return exitUnknown, err
		}
		objects = append(objects, rendered...)
	}
	return code, p.publish(o, func(w io.Writer) error { return writeYAML(w, objects) }, func() string { return fmt.Sprintf("%d objects", len(objects)) })
}

// render the children of a stack, or its ClusterNetworkPolicies.
func (v *view) render(o *options) ([]*unstructured.Unstructured, error) {
	if o.clusterNetworkPolicy {
		return admission.ClusterNetworkPolicies(v.graph, o.priority)
	}
	var all []*unstructured.Unstructured
	for _, object := range v.objects {
		u, err := printable(object)
		if err != nil {
			return nil, fmt.Errorf("OpenIMStack %s: %w", v.name(), err)
		}
		all = append(all, u)
	}
	return all, nil
}

// printable is an object as it is applied, without what the API server sets, and without what only Secrets and the cluster know.
func printable(object client.Object) (*unstructured.Unstructured, error) {
	object = object.DeepCopyObject().(client.Object)
	if owners := object.GetOwnerReferences(); len(owners) > 0 && owners[0].UID == "" {
		object.SetOwnerReferences(nil)
	}
	if d, ok := object.(*appsv1.Deployment); ok {
		delete(d.Spec.Template.Annotations, v1alpha1.AnnotationCredentials)
	}
	gvk, err := apiutil.GVKForObject(object, scheme())
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
