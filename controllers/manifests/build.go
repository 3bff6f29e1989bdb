package manifests

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// Options are settings of the operator.
type Options struct {
	// WrapperImage is the image of gateway and backend when the spec names none.
	WrapperImage string
	// SupervisorImage is the image with the supervisor and the preflight of OpenIM's pods.
	SupervisorImage string
}

// Build returns the children of a stack that has just been made. Policies come first: no pod may run before the lockdown is in place.
func Build(stack *v1alpha1.OpenIMStack, facts openim.Facts, options Options) ([]client.Object, error) {
	workloads, err := Workloads(stack, facts, options)
	if err != nil {
		return nil, err
	}
	return append(Policies(stack, graph.New(stack, facts)), workloads...), nil
}

// Workloads returns the children of a stack that has just been made, without its policies.
func Workloads(stack *v1alpha1.OpenIMStack, facts openim.Facts, options Options) ([]client.Object, error) {
	none := func(string) bool { return false }
	objects, err := Others(stack, facts, false)
	if err != nil {
		return nil, err
	}
	objects = append(objects, Exposures(stack, Certificate(stack) != "")...)
	rendered, err := Templates(stack, facts, options, none)
	if err != nil {
		return nil, err
	}
	for _, c := range graph.DeploymentsOf(stack) {
		if r, ok := rendered[c.Name]; ok {
			objects = append(objects, Workload(stack, c.Name, r, "")...)
		}
	}
	return objects, nil
}

// Policies returns the policies of a stack's graph, the default deny policy first.
func Policies(stack *v1alpha1.OpenIMStack, g graph.Graph) []client.Object {
	b := builder{stack: stack}
	for _, policy := range graph.Policies(g) {
		b.add(policy)
	}
	return b.objects
}

// Others returns the children that follow the newest spec at once and restart no pod: ServiceAccounts, Services, disruption budgets,
// autoscalers, and the file that the gateway reads again, unless its settings must not be used.
func Others(stack *v1alpha1.OpenIMStack, facts openim.Facts, heldHot bool) ([]client.Object, error) {
	b := builder{stack: stack, facts: facts, graph: graph.New(stack, facts)}
	for _, c := range b.graph.Components {
		b.add(b.serviceAccount(c))
		if len(c.ServicePorts()) > 0 {
			b.add(b.service(c))
		}
		if size := b.size(c); !c.OnDemand && (size.initial || size.replicas > 1) {
			b.add(b.disruptionBudget(c))
		}
		if scaling := pods.ScalingOf(&stack.Spec, c.Name); scaling != nil && scaling.Managed {
			b.add(b.autoscaler(c, scaling))
		}
		if c.Name == v1alpha1.ComponentGateway && !heldHot {
			if err := b.addHot(c); err != nil {
				return nil, err
			}
		}
	}
	return b.objects, nil
}

// Rendered is what the Deployment of one component is built from.
type Rendered struct {
	Template corev1.PodTemplateSpec
	// ConfigMaps are the files of the content-named ConfigMaps that the template mounts.
	ConfigMaps map[string]map[string]string
	// Recreate is true for a Deployment none of whose pods may run beside one of an earlier template. Templates leaves it false.
	Recreate bool
	// Scaled is true while an autoscaler of an earlier spec sets the number of pods: that of the spec does not count. Templates leaves it
	// false.
	Scaled bool
}

// Templates renders the pod templates of a stack's components and their configuration, by component. held reports whether a component's
// facts are not known: it is left out.
func Templates(
	stack *v1alpha1.OpenIMStack, facts openim.Facts, options Options, held func(component string) bool,
) (map[string]Rendered, error) {
	b := builder{stack: stack, facts: facts, options: options, rendered: map[string]Rendered{}}
	for _, process := range openim.Processes() {
		if held(string(process.Name)) {
			continue
		}
		if err := b.addProcess(process); err != nil {
			return nil, err
		}
	}
	for _, role := range b.roles() {
		if held(role.component) {
			continue
		}
		if err := role.add(); err != nil {
			return nil, err
		}
	}
	for _, component := range slices.Sorted(maps.Keys(b.rendered)) {
		r := b.rendered[component]
		var err error
		if r.Template, err = pods.Merge(stack.Spec.Pods, component, r.Template); err != nil {
			return nil, err
		}
		b.rendered[component] = r
	}
	return b.rendered, nil
}

// Workload returns the ConfigMaps and the Deployment of a component. The template may be that of an earlier spec; all else follows the
// newest. revision names the run revision that holds the template.
func Workload(stack *v1alpha1.OpenIMStack, component string, r Rendered, revision string) []client.Object {
	b := builder{stack: stack, scaled: r.Scaled}
	c := b.component(component)
	for _, name := range slices.Sorted(maps.Keys(r.ConfigMaps)) {
		b.add(b.immutableConfigMap(c, name, r.ConfigMaps[name]))
	}
	d := b.deployment(c, r)
	if revision != "" {
		metav1.SetMetaDataAnnotation(&d.ObjectMeta, v1alpha1.AnnotationRevision, revision)
	}
	b.add(d)
	return b.objects
}

// roleBuilder adds the children of a role of the wrapper.
type roleBuilder struct {
	component string
	add       func() error
}

// roles returns the builders of the wrapper's roles, none when the spec names an external wrapper.
func (b *builder) roles() []roleBuilder {
	if b.stack.Spec.Wrapper.ExternalRef != nil {
		return nil
	}
	return []roleBuilder{{v1alpha1.ComponentBackend, b.addBackend}, {v1alpha1.ComponentGateway, b.addGateway}}
}

type builder struct {
	stack   *v1alpha1.OpenIMStack
	facts   openim.Facts
	options Options
	graph   graph.Graph
	objects []client.Object
	// scaled is that of the Rendered.
	scaled bool
	// rendered by component.
	rendered map[string]Rendered
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
