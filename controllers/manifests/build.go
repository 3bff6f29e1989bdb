package manifests

import (
	"fmt"
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Options are settings of the operator.
type Options struct {
	// WrapperImage is the image of gateway and backend when the spec names none.
	WrapperImage string
}

// Build returns the children of a stack. Policies come first: no pod may run before the lockdown is in place.
func Build(stack *v1alpha1.OpenIMStack, facts openim.Facts, options Options) ([]client.Object, error) {
	b := builder{stack: stack, facts: facts, options: options, graph: graph.New(stack, facts)}
	for _, policy := range graph.Policies(b.graph) {
		b.add(policy)
	}
	for _, component := range b.graph.Components {
		b.add(b.serviceAccount(component))
		if len(component.Ports) > 0 {
			b.add(b.service(component))
		}
	}
	for _, process := range openim.Processes() {
		if err := b.addProcess(process); err != nil {
			return nil, err
		}
	}
	for _, role := range b.roles() {
		if err := role(); err != nil {
			return nil, err
		}
	}
	return b.objects, nil
}

// roles returns the builders of the wrapper's roles, none when the spec names an external wrapper.
func (b *builder) roles() []func() error {
	if b.stack.Spec.Wrapper.ExternalRef != nil {
		return nil
	}
	return []func() error{b.addBackend, b.addGateway}
}

type builder struct {
	stack   *v1alpha1.OpenIMStack
	facts   openim.Facts
	options Options
	graph   graph.Graph
	objects []client.Object
}

// add adds an object. It sets the labels by which children are listed, and the owner reference with which they are deleted with the stack.
func (b *builder) add(object client.Object) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, CommonLabels(b.stack.Name))
	object.SetLabels(labels)
	object.SetOwnerReferences([]metav1.OwnerReference{OwnerReference(b.stack)})
	b.objects = append(b.objects, object)
}

// OwnerReference returns the reference that makes a stack the controller of a child: the child is deleted with the stack.
func OwnerReference(stack *v1alpha1.OpenIMStack) metav1.OwnerReference {
	return *metav1.NewControllerRef(stack, v1alpha1.GroupVersion.WithKind("OpenIMStack"))
}

// CommonLabels returns the labels of all children of a stack.
func CommonLabels(stack string) map[string]string {
	return map[string]string{
		v1alpha1.LabelInstance:  stack,
		v1alpha1.LabelPartOf:    v1alpha1.PartOf,
		v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
	}
}

// meta returns the metadata of a component's child.
func (b *builder) meta(name string, component graph.Component) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: b.stack.Namespace, Labels: component.Labels(b.stack.Name)}
}

func (b *builder) child(component graph.Component) string {
	return v1alpha1.ChildName(b.stack.Name, component.Name)
}

// component returns a component of the stack, with the ports that its spec enables.
func (b *builder) component(name string) graph.Component {
	for _, c := range graph.ComponentsOf(b.stack) {
		if c.Name == name {
			return c
		}
	}
	return graph.Component{}
}

// address returns host:port of a Service of the stack, as clients inside the cluster reach it.
func (b *builder) address(component, port string) string {
	c, _ := graph.Lookup(component)
	return fmt.Sprintf("%s.%s.svc:%d", b.child(c), b.stack.Namespace, c.Port(port).Number)
}
