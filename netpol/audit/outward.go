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

// outward is a party that components connect to, at one port.
type outward struct {
	name string
	port graph.Port
	// from are the components that may.
	from map[string]bool
	// peers say where it is.
	peers []networkingv1.NetworkPolicyPeer
	// pods of the snapshot that they match, and that run.
	pods []*corev1.Pod
	// live are its pods' classes or, when there is none, those of what its peers stand for.
	live []*evaluate.Class
}

// findOutward gathers whom the graph lets components connect to, and finds their pods.
func (s *scene) findOutward() {
	for _, c := range s.graph.Connections {
		if !c.From.Inside || c.To.Inside {
			continue
		}
		for _, p := range c.Ports {
			s.outwardAt(c.To.Name, p).add(c)
		}
	}
	matched := s.podsOf(s.outward)
	for i, o := range s.outward {
		o.pods = matched[i]
		if len(o.pods) > 0 {
			o.live = s.live.Classes(copied(o.pods), nil)
			continue
		}
		for _, w := range s.witnesses(o.peers) {
			o.live = append(o.live, s.live.Single(w))
		}
		if len(o.live) == 0 {
			o.live = []*evaluate.Class{s.live.Unknown()}
		}
	}
}

func (s *scene) outwardAt(name string, p graph.Port) *outward {
	i := slices.IndexFunc(s.outward, func(o *outward) bool { return o.name == name && o.port == p })
	if i >= 0 {
		return s.outward[i]
	}
	o := &outward{name: name, port: p, from: map[string]bool{}}
	s.outward = append(s.outward, o)
	return o
}

func (o *outward) add(c graph.Connection) {
	o.from[c.From.Name] = true
	for _, p := range c.To.Peers {
		if !slices.ContainsFunc(o.peers, func(known networkingv1.NetworkPolicyPeer) bool { return peerInWords(known) == peerInWords(p) }) {
			o.peers = append(o.peers, p)
		}
	}
}

// podsOf finds the pods that the peers of each party match. A policy is made of each, so that peers mean here what they mean there.
func (s *scene) podsOf(parties []*outward) [][]*corev1.Pod {
	found := make([][]*corev1.Pod, len(parties))
	var policies []networkingv1.NetworkPolicy
	for i, o := range parties {
		policies = append(policies, networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.graph.Namespace, Name: fmt.Sprintf("party-%d", i)},
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress:      []networkingv1.NetworkPolicyEgressRule{{To: o.peers}},
			},
		})
	}
	e, err := evaluate.New(s.World.Namespaces, policies)
	if err != nil {
		s.Problems = append(slices.Clone(s.Problems), err.Error())
	}
	classes := e.Classes(s.World.Pods, nil)
	for i, o := range parties {
		if len(o.peers) == 0 {
			continue
		}
		rule := evaluate.Rule{
			Policy:    types.NamespacedName{Namespace: s.graph.Namespace, Name: policies[i].Name},
			Direction: networkingv1.PolicyTypeEgress,
		}
		partners, _ := e.Partners(rule, classes)
		for _, class := range partners.Classes {
			if !class.Finished() {
				found[i] = append(found[i], class.Pods...)
			}
		}
	}
	return found
}

func copied(pods []*corev1.Pod) []corev1.Pod {
	var all []corev1.Pod
	for _, p := range pods {
		all = append(all, *p)
	}
	return all
}

// outwardCells are from each component to each party outside, and to strangers.
func (s *scene) outwardCells() []Cell {
	var cells []Cell
	for _, o := range s.outward {
		for _, from := range s.components {
			expected := o.from[from.Name] || s.leaves(from, o)
			open := func(v evaluate.Verdict) bool {
				return len(o.pods) > 0 && v.Open || len(o.pods) == 0 && v.NoPath == "" && v.Egress.Allowed
			}
			v := s.pick(from.classes, o.live, o.port, func(v evaluate.Verdict) bool { return open(v) == expected })
			cells = append(cells, Cell{From: from.Name, To: o.name, Port: port(o.port), Expected: expected, Evaluated: open(v), Decided: decisions(v, true)})
		}
	}
	https := graph.Port{Name: "https", Number: 443, Protocol: corev1.ProtocolTCP}
	for _, to := range s.strangers {
		if to.ends[0].Pod != nil {
			continue
		}
		for _, from := range s.components {
			expected := s.leavesTo(from, to.ends[0].End, https)
			v := s.pick(from.classes, []*evaluate.Class{to.ends[0].live}, https, func(v evaluate.Verdict) bool { return v.Egress.Allowed == expected })
			cells = append(cells, Cell{
				From: from.Name, To: to.name, Port: port(https), Expected: expected, Evaluated: v.Egress.Allowed, Decided: side(egress, v.Egress),
			})
		}
	}
	return cells
}

// leaves tells whether what the graph lets a component reach holds another party, too: two names for one place.
func (s *scene) leaves(from *component, o *outward) bool {
	for _, pod := range o.pods {
		if s.leavesTo(from, evaluate.End{Pod: pod}, o.port) {
			return true
		}
	}
	return false
}

// leavesTo tells whether the graph lets a component out to an end.
func (s *scene) leavesTo(from *component, to evaluate.End, p graph.Port) bool {
	v := s.intended.Between(from.ideal, s.intended.Single(to), p.Number, p.Protocol)
	return v.NoPath == "" && v.Egress.Allowed
}
