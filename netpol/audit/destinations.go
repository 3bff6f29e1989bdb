package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// destination is a peer to which components connect, at one port.
type destination struct {
	name string
	port graph.Port
	// from are the components that the graph lets connect, by name.
	from map[string]bool
	// peers say where the destination is.
	peers []networkingv1.NetworkPolicyPeer
	// pods of the snapshot that run and that the peers match.
	pods []*corev1.Pod
	// live are the classes of the pods or, when there are none, of synthetic ends that the peers match.
	live []*evaluate.Class
}

// String returns the name of the destination in findings, such as "kafka:9092".
func (d *destination) String() string { return portName(d.name, d.port) }

// isStore reports whether the destination is a store of the stack that others must not reach.
func (d *destination) isStore() bool { return stakes[d.name] != "" }

// findDestinations returns the peers to which the graph lets components connect, with their pods. A peer at two ports is two destinations:
// its policies may treat them differently.
func findDestinations(m *Model) ([]*destination, error) {
	var all []*destination
	for _, c := range m.graph.Edges {
		if !c.From.Inside || c.To.Inside {
			continue
		}
		for _, p := range c.Ports {
			i := slices.IndexFunc(all, func(d *destination) bool { return d.name == c.To.Name && d.port == p })
			if i < 0 {
				i = len(all)
				all = append(all, &destination{name: c.To.Name, port: p, from: map[string]bool{}})
			}
			all[i].add(c)
		}
	}
	matched, err := podsMatched(m, all)
	for i, d := range all {
		d.pods = matched[i]
		d.live = destinationClasses(m, d)
	}
	return all, err
}

// add merges a connection into its destination. Several connections lead to one store, often with the same peers.
func (d *destination) add(c graph.Edge) {
	d.from[c.From.Name] = true
	for _, p := range c.To.NetworkPeers {
		same := func(known networkingv1.NetworkPolicyPeer) bool { return describePeer(known) == describePeer(p) }
		if !slices.ContainsFunc(d.peers, same) {
			d.peers = append(d.peers, p)
		}
	}
}

// destinationClasses returns the classes of a destination for the live policies. A destination of which nothing is known, such as a peer
// with a selector that nothing can match, has the class of an unknown address.
func destinationClasses(m *Model, d *destination) []*evaluate.Class {
	if len(d.pods) > 0 {
		return m.live.Classes(values(d.pods), nil)
	}
	var classes []*evaluate.Class
	for _, e := range syntheticEnds(m, m.graph.Namespace, d.peers) {
		classes = append(classes, m.live.ClassOf(e))
	}
	if len(classes) == 0 {
		return []*evaluate.Class{m.live.UnknownAddress()}
	}
	return classes
}

// podsMatched returns the pods that the peers of each destination match. It makes an egress policy of each, so that the evaluator matches
// them as it matches the peers of policies.
func podsMatched(m *Model, destinations []*destination) ([][]*corev1.Pod, error) {
	found := make([][]*corev1.Pod, len(destinations))
	var policies []networkingv1.NetworkPolicy
	for i, d := range destinations {
		policies = append(policies, networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.graph.Namespace, Name: fmt.Sprintf("peer-%d", i)},
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress:      []networkingv1.NetworkPolicyEgressRule{{To: d.peers}},
			},
		})
	}
	e, err := evaluate.New(m.snapshot.Namespaces, policies)
	classes := e.Classes(m.snapshot.Pods, nil)
	for i, d := range destinations {
		if len(d.peers) == 0 {
			continue
		}
		rule := evaluate.Rule{
			Policy:    types.NamespacedName{Namespace: m.graph.Namespace, Name: policies[i].Name},
			Direction: networkingv1.PolicyTypeEgress,
		}
		partners, _ := e.RulePeers(rule, classes)
		for _, class := range partners.Classes {
			if !class.Finished() {
				found[i] = append(found[i], class.Pods...)
			}
		}
	}
	return found, err
}

// destinationCells returns the cells from each component to each destination, and to the unexpected addresses.
func destinationCells(m *Model) []Cell {
	var cells []Cell
	for _, d := range m.destinations {
		for _, from := range m.components {
			expected := d.from[from.Name] || overlaps(m, from, d)
			open := func(v evaluate.Verdict) bool {
				return len(d.pods) > 0 && v.Open || len(d.pods) == 0 && v.NoPath == "" && v.Egress.Allowed
			}
			v := firstDeviation(m, from.classes, d.live, d.port, func(v evaluate.Verdict) bool { return open(v) == expected })
			cells = append(cells, Cell{
				From: from.Name, To: d.name, Port: reportPort(d.port), Expected: expected, Evaluated: open(v), Decided: decisions(v, true),
			})
		}
	}
	https := graph.Port{Name: "https", Number: 443, Protocol: corev1.ProtocolTCP}
	for _, to := range m.unexpected {
		if to.ends[0].Pod != nil {
			continue
		}
		for _, from := range m.components {
			expected := m.intendsEgress(from, to.ends[0].End, https)
			asExpected := func(v evaluate.Verdict) bool { return v.Egress.Allowed == expected }
			v := firstDeviation(m, from.classes, []*evaluate.Class{to.ends[0].live}, https, asExpected)
			cells = append(cells, Cell{
				From: from.Name, To: to.name, Port: reportPort(https), Expected: expected, Evaluated: v.Egress.Allowed,
				Decided: sideDecisions(egress, v.Egress),
			})
		}
	}
	return cells
}

// overlaps reports whether the graph lets a component reach the pods of a destination that it does not name: two destinations may be the
// same pods.
func overlaps(m *Model, from *component, d *destination) bool {
	for _, pod := range d.pods {
		if m.intendsEgress(from, evaluate.End{Pod: pod}, d.port) {
			return true
		}
	}
	return false
}
