package audit

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// scene is a snapshot, sorted for one stack: what is its own, who is a stranger, what is intended.
type scene struct {
	Input
	graph graph.Graph
	// policies as they are. Of manifests that hold none of the stack's, those which the operator will write are among them.
	policies []networkingv1.NetworkPolicy
	// assumed is true when the stack's own policies are not in the manifests.
	assumed bool
	// wanted are the stack's own policies, as they should be, by name.
	wanted map[string]*networkingv1.NetworkPolicy
	// live judges by the policies as they are.
	live *evaluate.Evaluator
	// intended judges by what the graph lets through, outsiders by what of it comes from outside the stack.
	intended, outsiders *evaluate.Evaluator

	components []*component
	// targets are all ports of all components.
	targets []target
	// table says which component the graph lets reach which target, by the component's name.
	table map[string][]bool
	// strangers are who nobody expects, parties whom the graph names.
	strangers, parties []*source
	// foreign are the pods that are not the stack's, in classes that no policy tells apart.
	foreign []*source
	// outward are whom the stack's components connect to.
	outward []*outward
	// namespaces by name.
	namespaces map[string]map[string]string
	// everyone, ways and known are worked out when they are first asked for.
	everyone []*candidate
	ways     ways
	known    []int32
	// invalid policies, as the evaluator found them.
	invalid error
}

// component is what the stack runs, and the pods of it.
type component struct {
	graph.Component
	// pods that run and are the stack's.
	pods []*corev1.Pod
	// classes of the pods; of one as it should be when none runs.
	classes []*evaluate.Class
	// sealed is the class of its pods under the policies that let in who comes from outside; ideal under all that are intended.
	sealed, ideal *evaluate.Class
}

// source is who may open a connection.
type source struct {
	// name in cells.
	name string
	// words for people.
	words string
	ends  []end
	// pods that it stands for.
	pods []*corev1.Pod
	// real is true for pods of the snapshot: their own policies count, too. Who does not exist yet picks what holds him back.
	real bool
}

// end is one end of a connection, as the evaluators know it.
type end struct {
	evaluate.End
	live, outsider *evaluate.Class
}

func newScene(in Input) *scene {
	if in.World == nil {
		in.World = &snapshot.World{}
	}
	s := &scene{Input: in, graph: in.Graph, wanted: map[string]*networkingv1.NetworkPolicy{}, namespaces: map[string]map[string]string{}}
	for _, n := range in.World.Namespaces {
		s.namespaces[n.Name] = n.Labels
	}
	for _, p := range graph.Policies(s.graph) {
		s.wanted[p.Name] = p
	}
	s.policies = s.livePolicies()
	s.live, s.invalid = evaluate.New(in.World.Namespaces, s.policies)
	s.intended = s.judge(graph.Policies(s.graph))
	s.outsiders = s.judge(ingressOnly(graph.Policies(fromOutside(s.graph))))
	s.findComponents()
	s.findTargets()
	s.findSources()
	s.findOutward()
	return s
}

// livePolicies are those of the snapshot. Manifests in a repository hold none of the stack's: the operator writes them.
func (s *scene) livePolicies() []networkingv1.NetworkPolicy {
	if s.World.Source.Kind != snapshot.Files || slices.ContainsFunc(s.World.Policies, s.isOwnPolicy) {
		return s.World.Policies
	}
	s.assumed = true
	all := slices.Clone(s.World.Policies)
	for _, p := range graph.Policies(s.graph) {
		all = append(all, *p)
	}
	return all
}

// isOwnPolicy tells whether a policy stands where one of the stack's does.
func (s *scene) isOwnPolicy(p networkingv1.NetworkPolicy) bool {
	return p.Namespace == s.graph.Namespace && s.wanted[p.Name] != nil
}

// judge compiles policies of the generator's, which makes none that is refused.
func (s *scene) judge(generated []*networkingv1.NetworkPolicy) *evaluate.Evaluator {
	var policies []networkingv1.NetworkPolicy
	for _, p := range generated {
		policies = append(policies, *p)
	}
	e, err := evaluate.New(s.World.Namespaces, policies)
	if err != nil {
		s.Problems = append(slices.Clone(s.Problems), err.Error())
	}
	return e
}

// ingressOnly leaves what policies say of egress out.
func ingressOnly(policies []*networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	for _, p := range policies {
		p.Spec.PolicyTypes = slices.DeleteFunc(p.Spec.PolicyTypes, func(t networkingv1.PolicyType) bool { return t == networkingv1.PolicyTypeEgress })
	}
	return slices.DeleteFunc(policies, func(p *networkingv1.NetworkPolicy) bool { return len(p.Spec.PolicyTypes) == 0 })
}

// fromOutside is the graph without the connections of the stack's own components.
func fromOutside(g graph.Graph) graph.Graph {
	g.Connections = slices.DeleteFunc(slices.Clone(g.Connections), func(c graph.Connection) bool { return c.From.Inside })
	return g
}

// findComponents sorts the pods into the stack's own and the others.
func (s *scene) findComponents() {
	own := map[string][]*corev1.Pod{}
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		if name, ok := s.componentOf(pod); ok && s.isOurs(pod, name) && runs(pod) {
			own[name] = append(own[name], pod)
		}
	}
	for _, c := range s.graph.Components {
		k := &component{Component: c, pods: own[c.Name]}
		ideal := idealPod(s.graph, c)
		if len(k.pods) > 0 {
			pods := reachable(k.pods)
			k.classes = s.live.Classes(pods, nil)
			ideal.Status = pods[0].Status
		} else {
			k.classes = []*evaluate.Class{s.live.Single(s.pod(ideal))}
		}
		k.sealed, k.ideal = s.outsiders.Single(s.pod(ideal)), s.intended.Single(s.pod(ideal))
		s.components = append(s.components, k)
	}
}

// reachable are the pods that have an address. One that is being made has none yet: nobody reaches it, and it must not be judged as if it had
// one of each family, beside others that do not. When none has one, as in manifests, it is all of them.
func reachable(pods []*corev1.Pod) []corev1.Pod {
	var all, addressed []corev1.Pod
	for _, p := range pods {
		all = append(all, *p)
		if p.Status.PodIP != "" || len(p.Status.PodIPs) > 0 {
			addressed = append(addressed, *p)
		}
	}
	if len(addressed) > 0 {
		return addressed
	}
	return all
}

// componentOf tells of which of the stack's components a pod carries all labels by which selectors know it.
func (s *scene) componentOf(pod *corev1.Pod) (string, bool) {
	if pod.Namespace != s.graph.Namespace || pod.Labels[v1alpha1.LabelInstance] != s.graph.Stack {
		return "", false
	}
	for _, c := range s.graph.Components {
		if carries(pod.Labels, c.Labels(s.graph.Stack)) {
			return c.Name, true
		}
	}
	return "", false
}

func carries(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if v, has := labels[key]; !has || v != value {
			return false
		}
	}
	return true
}

// isOurs tells whether a pod was made by the component's Deployment. ReplicaSets are not in a snapshot, so it goes by what the
// pod's own metadata says: the controller is a ReplicaSet named after the Deployment and the hash of its template, or, in
// manifests, the Deployment itself.
func (s *scene) isOurs(pod *corev1.Pod, component string) bool {
	return MadeBy(pod, s.graph.Stack, component, s.World.Source.Kind)
}

// MadeBy reports whether a pod was made by the Deployment of a stack's component, by what its own metadata says.
func MadeBy(pod *corev1.Pod, stack, component string, source snapshot.SourceKind) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return false
	}
	deployment := v1alpha1.ChildName(stack, component)
	if pod.Spec.ServiceAccountName != "" && pod.Spec.ServiceAccountName != deployment {
		return false
	}
	switch owner.Kind {
	case "ReplicaSet":
		hash := pod.Labels["pod-template-hash"]
		return hash != "" && owner.Name == deployment+"-"+hash
	case "Deployment":
		return source == snapshot.Files && owner.Name == deployment
	}
	return false
}

// runs tells whether a pod has a network: it has not finished.
func runs(pod *corev1.Pod) bool {
	return pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// idealPod is a component's pod as its Deployment makes it, in what policies can see.
func idealPod(g graph.Graph, c graph.Component) *corev1.Pod {
	labels := c.Labels(g.Stack)
	labels[v1alpha1.LabelPartOf], labels[v1alpha1.LabelManagedBy] = v1alpha1.PartOf, v1alpha1.ManagedBy
	container := corev1.Container{Name: c.Name}
	for _, p := range c.Ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Number, Protocol: p.Protocol})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ChildName(g.Stack, c.Name), Namespace: g.Namespace, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
	}
}

// pod is the end that a pod is.
func (s *scene) pod(pod *corev1.Pod) evaluate.End { return evaluate.End{Pod: pod} }

// end makes one end known to the evaluators.
func (s *scene) end(e evaluate.End) end {
	return end{End: e, live: s.live.Single(e), outsider: s.outsiders.Single(e)}
}

// Names of strangers in cells. The first is graph.Intruder: a pod without labels in the stack's own namespace.
const (
	Elsewhere   = "intruder-elsewhere"
	OutsideIPv4 = "outside-ipv4"
	OutsideIPv6 = "outside-ipv6"
)

// strangers are who nobody expects: a pod without labels, here and in another namespace, and an address of each family.
func (s *scene) findSources() {
	elsewhere := strangerNamespace(s.namespaces)
	s.strangers = []*source{
		{name: graph.Intruder, words: "any pod in namespace " + s.graph.Namespace, ends: []end{s.end(evaluate.End{Pod: bare(s.graph.Namespace, nil)})}},
		{name: Elsewhere, words: "any pod in any other namespace", ends: []end{s.end(evaluate.End{Pod: bare(elsewhere, nil)})}},
		{name: OutsideIPv4, words: "any IPv4 address", ends: []end{s.end(evaluate.End{Address: netip.MustParseAddr("198.18.0.1")})}},
		{name: OutsideIPv6, words: "any IPv6 address", ends: []end{s.end(evaluate.End{Address: netip.MustParseAddr("2001:2::1")})}},
	}
	s.findParties()
	var others []corev1.Pod
	for i := range s.World.Pods {
		if pod := &s.World.Pods[i]; runs(pod) && !pod.Spec.HostNetwork && !s.owns(pod) {
			others = append(others, *pod)
		}
	}
	apart := func(pod *corev1.Pod) string {
		name, _ := s.componentOf(pod)
		return name + "\x00" + pod.Namespace
	}
	for _, class := range s.live.Classes(others, apart) {
		first := class.Pods[0]
		s.foreign = append(s.foreign, &source{
			name: first.Namespace + "/" + first.Name, words: podsInWords(class.Pods), pods: class.Pods, real: true,
			ends: []end{{End: evaluate.End{Pod: first}, live: class, outsider: s.outsiders.Single(evaluate.End{Pod: first})}},
		})
	}
}

// findParties makes an end of each peer of each party that connects to the stack.
func (s *scene) findParties() {
	byName := map[string]*source{}
	for _, c := range s.graph.Connections {
		if c.From.Inside || byName[c.From.Name] != nil {
			continue
		}
		party := &source{name: c.From.Name, words: strings.Join(peersInWords(c.From.Peers), ", ")}
		for _, w := range s.witnesses(c.From.Peers) {
			party.ends = append(party.ends, s.end(w))
		}
		if len(c.From.Peers) == 0 {
			for _, stranger := range s.strangers {
				party.ends = append(party.ends, stranger.ends...)
			}
		}
		byName[c.From.Name] = party
		s.parties = append(s.parties, party)
	}
}

// owns tells whether a pod is one of the stack's own.
func (s *scene) owns(pod *corev1.Pod) bool {
	name, ok := s.componentOf(pod)
	return ok && s.isOurs(pod, name)
}

func (s *scene) component(name string) *component {
	i := slices.IndexFunc(s.components, func(c *component) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return s.components[i]
}

// isProbe tells whether a pod is one with which the operator tries the lockdown. They come and go.
func isProbe(pod *corev1.Pod) bool {
	return pod.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe && pod.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy
}

// bare is a pod of which nothing is known but its labels.
func bare(namespace string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "anyone", Labels: labels}}
}

// strangerNamespace is a name that no namespace has.
func strangerNamespace(taken map[string]map[string]string) string {
	name := "elsewhere"
	for {
		if _, is := taken[name]; !is {
			return name
		}
		name += "-x"
	}
}
