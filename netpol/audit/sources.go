package audit

import (
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// source is a set of pods or addresses that may open connections.
type source struct {
	// name of the source in cells.
	name string
	// description of the source in findings.
	description string
	ends        []end
	// pods of the snapshot that the source holds.
	pods []*corev1.Pod
	// real is true for pods of the snapshot, whose own egress policies are known. For a synthetic source only ingress is evaluated.
	real bool
}

// end is one end of a connection, with its classes for two evaluators of the model.
type end struct {
	evaluate.End
	live, external *evaluate.Class
}

// Names of unexpected sources in cells. The first one is graph.Intruder: a pod without labels in the stack's own namespace.
const (
	IntruderElsewhere = "intruder-elsewhere"
	OutsideIPv4       = "outside-ipv4"
	OutsideIPv6       = "outside-ipv6"
)

// UnexpectedSource is a pod or an address that stands for all those which the graph does not name.
type UnexpectedSource struct {
	// Name in cells.
	Name string
	// Description for people, such as "any pod in any other namespace".
	Description string
	End         evaluate.End
}

// UnexpectedSources returns the unexpected sources of a stack: a pod without labels in the stack's namespace and in another one, and an
// address of each family. The addresses are of blocks reserved for benchmarks (RFC 2544 and RFC 5180), which no host has.
func UnexpectedSources(namespace, elsewhere string) []UnexpectedSource {
	return []UnexpectedSource{
		{Name: graph.Intruder, Description: "any pod in namespace " + namespace, End: evaluate.End{Pod: syntheticPod(namespace, nil)}},
		{Name: IntruderElsewhere, Description: "any pod in any other namespace", End: evaluate.End{Pod: syntheticPod(elsewhere, nil)}},
		{Name: OutsideIPv4, Description: "any IPv4 address", End: evaluate.End{Address: netip.MustParseAddr("198.18.0.1")}},
		{Name: OutsideIPv6, Description: "any IPv6 address", End: evaluate.End{Address: netip.MustParseAddr("2001:2::1")}},
	}
}

// findUnexpected returns the unexpected sources, each with one end.
func findUnexpected(m *Model) []*source {
	var all []*source
	for _, u := range UnexpectedSources(m.graph.Namespace, unusedNamespace(m.namespaces)) {
		all = append(all, &source{name: u.Name, description: u.Description, ends: []end{m.classify(u.End)}})
	}
	return all
}

// findPeers returns the sources outside the stack that the graph names, the expected sources, each with an end for each of its peers. A
// source without peers is anyone: it has the ends of all unexpected sources.
func findPeers(m *Model) []*source {
	var all []*source
	seen := map[string]bool{}
	for _, c := range m.graph.Edges {
		if c.From.Inside || seen[c.From.Name] {
			continue
		}
		seen[c.From.Name] = true
		peer := &source{name: c.From.Name, description: strings.Join(describePeers(c.From.NetworkPeers), ", ")}
		for _, e := range syntheticEnds(m, m.graph.Namespace, c.From.NetworkPeers) {
			peer.ends = append(peer.ends, m.classify(e))
		}
		if len(c.From.NetworkPeers) == 0 {
			for _, unexpected := range m.unexpected {
				peer.ends = append(peer.ends, unexpected.ends...)
			}
		}
		all = append(all, peer)
	}
	return all
}

// findForeign returns the running pods that are not the stack's, a source for each class. Classes never mix namespaces, nor pods that
// carry the labels of different components.
func findForeign(m *Model) []*source {
	var pods []corev1.Pod
	for pod := range m.runningPods() {
		if !pod.Spec.HostNetwork && !m.owns(pod) {
			pods = append(pods, *pod)
		}
	}
	apart := func(pod *corev1.Pod) string {
		name, _ := m.componentOf(pod)
		return name + "\x00" + pod.Namespace
	}
	var all []*source
	for _, class := range m.live.Classes(pods, apart) {
		first := class.Pods[0]
		all = append(all, &source{
			name: first.Namespace + "/" + first.Name, description: describePods(class.Pods), pods: class.Pods, real: true,
			ends: []end{{End: evaluate.End{Pod: first}, live: class, external: m.external.ClassOf(evaluate.End{Pod: first})}},
		})
	}
	return all
}

// syntheticPod returns a pod of which only the namespace and the labels are known.
func syntheticPod(namespace string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "anyone", Labels: labels}}
}

// unusedNamespace returns a name that no namespace has.
func unusedNamespace(taken map[string]map[string]string) string {
	name := "elsewhere"
	for {
		if _, is := taken[name]; !is {
			return name
		}
		name += "-x"
	}
}
