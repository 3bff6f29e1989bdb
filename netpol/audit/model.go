package audit

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Model is a snapshot as seen by the audit of one stack: which pods are the stack's, which sources are unexpected, and what the graph
// intends. newModel fills all of it. Nothing writes to a Model afterwards, so that checks run in any order and see the same.
type Model struct {
	stack    *v1alpha1.OpenIMStack
	snapshot *snapshot.Snapshot
	graph    graph.Graph
	// problems are references of the spec that did not resolve, and generated policies that did not compile.
	problems []string
	// namespaces holds the labels of each namespace, by its name.
	namespaces map[string]map[string]string

	// generated are the stack's own policies as the operator writes them; wanted holds the same by name.
	generated []*networkingv1.NetworkPolicy
	wanted    map[string]*networkingv1.NetworkPolicy
	// policies are those in effect. They include the generated ones when assumed is true: manifests hold none of the stack's policies.
	policies []networkingv1.NetworkPolicy
	assumed  bool
	// invalid joins the errors of policies that the API server would refuse.
	invalid error

	// live evaluates the policies in effect, intended the generated ones, and external the part of those that lets outside sources in.
	live, intended, external *evaluate.Evaluator

	components []*component
	targets    []target
	// table holds for each component, by name, which targets the graph lets it reach.
	table map[string][]bool

	// unexpected are sources that the graph never names, peers those that it names.
	unexpected, peers []*source
	// foreign are the running pods that are not the stack's, one source for each class that no policy distinguishes.
	foreign []*source
	// destinations are the peers to which components connect.
	destinations []*destination
	// candidates are the sources and destinations with which every rule is evaluated.
	candidates []*candidate
	// reach holds the protected ports behind each Service.
	reach reach
	// listeners holds the gateway's listeners behind each Service that spec.wrapper.gateway.expose brings out of the cluster.
	listeners reach
	// knownPorts are the ports of the graph and their neighbours, sorted.
	knownPorts []int32
	// plugins is what the pods of network plugins show about enforcement.
	plugins pluginSigns
	// cells are the truth table, expected and evaluated.
	cells []Cell
}

// newModel builds the model. Each step reads the fields that the steps before it have set, so the order matters. Everything is computed
// here, but for what the graph allows a candidate: most candidates match no rule, and a sync.OnceValue computes it for those that do.
func newModel(in Input) *Model {
	m := &Model{stack: in.Stack, snapshot: in.Snapshot, graph: in.Graph, problems: slices.Clone(in.Problems)}
	if m.snapshot == nil {
		m.snapshot = &snapshot.Snapshot{}
	}
	m.namespaces = namespaceLabels(m.snapshot)
	m.generated = graph.Policies(m.graph)
	m.wanted = policiesByName(m.generated)
	m.policies, m.assumed = effectivePolicies(m)

	var failed [3]error
	m.live, m.invalid = evaluate.New(m.snapshot.Namespaces, m.policies)
	m.intended, failed[0] = evaluate.New(m.snapshot.Namespaces, values(m.generated))
	m.external, failed[1] = evaluate.New(m.snapshot.Namespaces, values(ingressOnly(graph.Policies(fromOutside(m.graph)))))

	m.components = findComponents(m)
	m.targets = findTargets(m)
	m.table = intendedTable(m)
	m.unexpected = findUnexpected(m)
	m.peers = findPeers(m)
	m.foreign = findForeign(m)
	m.destinations, failed[2] = findDestinations(m)
	m.candidates = findCandidates(m)
	m.reach = findReach(m)
	m.listeners = findListeners(m)
	m.knownPorts = findKnownPorts(m)
	m.plugins = findPlugins(m.snapshot)
	m.cells = truthTable(m)
	for _, err := range failed {
		if err != nil {
			m.problems = append(m.problems, err.Error())
		}
	}
	return m
}

// component returns the component with a name, or nil.
func (m *Model) component(name string) *component {
	i := slices.IndexFunc(m.components, func(c *component) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return m.components[i]
}

// componentOf returns the component whose labels a pod carries. Policies and Services select the pod as that component, even if something
// else made it.
func (m *Model) componentOf(pod *corev1.Pod) (name string, labelled bool) {
	return ComponentOf(m.graph, pod)
}

// owns reports whether a pod is one of the stack's own: its labels and its owner are those of a component.
func (m *Model) owns(pod *corev1.Pod) bool {
	_, owned := OwnedBy(m.graph, m.snapshot.Origin.Kind, pod)
	return owned
}

// runningPods yields the pods of the snapshot that have a network.
func (m *Model) runningPods() iter.Seq[*corev1.Pod] {
	return running(m.snapshot)
}

// isOwnPolicy reports whether a policy has the namespace and name of one that the operator writes for the stack.
func (m *Model) isOwnPolicy(p networkingv1.NetworkPolicy) bool {
	return p.Namespace == m.graph.Namespace && m.wanted[p.Name] != nil
}

// serviceOf returns the name of a component's Service.
func (m *Model) serviceOf(c *component) types.NamespacedName {
	return types.NamespacedName{Namespace: m.graph.Namespace, Name: v1alpha1.ChildName(m.graph.Stack, c.Name)}
}

// servicePort returns the port of a Service that has a number.
func (m *Model) servicePort(service types.NamespacedName, number int32) corev1.ServicePort {
	for i := range m.snapshot.Services {
		if k := &m.snapshot.Services[i]; nameOf(k) == service {
			for _, p := range k.Spec.Ports {
				if p.Port == number {
					return p
				}
			}
		}
	}
	return corev1.ServicePort{Port: number}
}

// stores yields the destinations that are stores.
func (m *Model) stores() iter.Seq[*destination] {
	return func(yield func(*destination) bool) {
		for _, d := range m.destinations {
			if d.isStore() && !yield(d) {
				return
			}
		}
	}
}

// stackObject names the stack itself, for findings of which no other object is the cause.
func (m *Model) stackObject() Object {
	return Object{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "OpenIMStack", Namespace: m.graph.Namespace, Name: m.graph.Stack,
	}
}

// targetAt returns the index of a component's port in targets, or -1.
func (m *Model) targetAt(component string, number int32) int {
	return slices.IndexFunc(m.targets, func(t target) bool { return t.Name == component && t.port.Number == number })
}

// hasPublicPort reports whether the spec opens a port of a component to clients or administrators.
func (m *Model) hasPublicPort(c *component) bool {
	return slices.ContainsFunc(m.targets, func(t target) bool { return t.component == c && t.public })
}

// sealedPorts returns the names of a component's ports that are not public, and the severity of reaching the worst of them.
func (m *Model) sealedPorts(c *component) (names []string, worst Severity) {
	for _, t := range m.targets {
		if t.component == c && !t.public {
			names, worst = append(names, t.String()), worse(worst, t.impact())
		}
	}
	return names, worst
}

// targetNames returns the names of the targets that are marked.
func (m *Model) targetNames(marked []bool) []string {
	var names []string
	for i, is := range marked {
		if is {
			names = append(names, m.targets[i].String())
		}
	}
	return names
}

// worst returns the severity of an unexpected connection to the worst of the marked targets, empty when none is marked.
func (m *Model) worst(marked []bool) Severity {
	var worst Severity
	for i, is := range marked {
		if is {
			worst = worse(worst, m.targets[i].impact())
		}
	}
	return worst
}

// onlyMetrics reports whether targets are marked, and all of them serve metrics.
func (m *Model) onlyMetrics(marked []bool) bool {
	for i, is := range marked {
		if is && !isMetrics(m.targets[i].port) {
			return false
		}
	}
	return slices.Contains(marked, true)
}

// allowed marks the targets that the graph lets an end reach. An end that carries the labels of a component is also allowed what the
// component is: policies cannot distinguish the two.
func (m *Model) allowed(e evaluate.End) []bool {
	class := m.external.ClassOf(e)
	mask := make([]bool, len(m.targets))
	for i, t := range m.targets {
		mask[i] = m.external.Reaches(class, t.external, t.port.Number, t.port.Protocol)
	}
	if e.Pod == nil {
		return mask
	}
	if name, labelled := m.componentOf(e.Pod); labelled {
		for i, open := range m.table[name] {
			mask[i] = mask[i] || open
		}
	}
	return mask
}

// opens reports whether the live policies let any end of a source reach any pod of a component.
func (m *Model) opens(from *source, to *component, p graph.Port) bool {
	return m.reaches(from, to.classes, p)
}

// reaches reports whether the live policies let any end of a source reach any of some classes of pods.
func (m *Model) reaches(from *source, to []*evaluate.Class, p graph.Port) bool {
	for _, e := range from.ends {
		for _, class := range to {
			if from.real && m.live.Reaches(e.live, class, p.Number, p.Protocol) {
				return true
			}
			if !from.real && isOpen(m.live.Between(e.live, class, p.Number, p.Protocol), false) {
				return true
			}
		}
	}
	return false
}

// expects reports whether the graph lets any end of a source reach a component.
func (m *Model) expects(from *source, to *component, p graph.Port) bool {
	return slices.ContainsFunc(from.ends, func(e end) bool { return m.expectsEnd(e, to, p) })
}

// expectsEnd reports whether the graph lets an end reach a component.
func (m *Model) expectsEnd(e end, to *component, p graph.Port) bool {
	return isOpen(m.external.Between(e.external, to.external, p.Number, p.Protocol), false)
}

// intendsEgress reports whether the graph lets a component connect to an end.
func (m *Model) intendsEgress(from *component, to evaluate.End, p graph.Port) bool {
	v := m.intended.Between(from.intended, m.intended.ClassOf(to), p.Number, p.Protocol)
	return v.NoPath == "" && v.Egress.Allowed
}

// classify returns an end with its classes.
func (m *Model) classify(e evaluate.End) end {
	return end{End: e, live: m.live.ClassOf(e), external: m.external.ClassOf(e)}
}
