package audit

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// widening is what a policy lets through and the graph does not.
type widening struct {
	// rules that do so, and descriptions of their peers.
	rules []int
	peers []string
	// opened marks the targets that ingress rules open.
	opened []bool
	// components that egress rules let out, and descriptions of the ports.
	components, ports []string
	// anywhere is true when components are let out to addresses.
	anywhere bool
	// now are the pods of the snapshot that ingress rules let in.
	now []*corev1.Pod
}

// candidate is a source or destination with which rules are evaluated.
type candidate struct {
	end   evaluate.End
	class *evaluate.Class
	// pods of the snapshot that the candidate stands for. Empty for synthetic ones.
	pods []*corev1.Pod
	// component of the stack that the candidate is, or nil.
	component *component
	// allowed marks the targets that the graph lets the candidate reach. It is computed at the first call: most candidates match no rule.
	allowed func() []bool
}

// newCandidate returns a candidate without a component and without pods.
func newCandidate(m *Model, e evaluate.End, class *evaluate.Class) *candidate {
	return &candidate{end: e, class: class, allowed: sync.OnceValue(func() []bool { return m.allowed(e) })}
}

// findCandidates returns the candidates for every rule: unexpected sources, the stack's own components, and all foreign pods. Pods with a
// component's labels are left out, because checkReservedLabels reports them.
func findCandidates(m *Model) []*candidate {
	var all []*candidate
	for _, from := range m.unexpected {
		all = append(all, newCandidate(m, from.ends[0].End, from.ends[0].live))
	}
	for _, c := range m.components {
		for _, class := range c.classes {
			k := newCandidate(m, evaluate.End{Pod: class.Pods[0]}, class)
			k.component = c
			if row := m.table[c.Name]; row != nil {
				k.allowed = func() []bool { return row }
			}
			all = append(all, k)
		}
	}
	for _, from := range m.foreign {
		if _, labelled := m.componentOf(from.pods[0]); !labelled {
			k := newCandidate(m, from.ends[0].End, from.ends[0].live)
			k.pods = from.pods
			all = append(all, k)
		}
	}
	return all
}

// syntheticCandidates returns candidates that match the peers of a rule of a policy. A named port of the rule is a port of their pods.
func syntheticCandidates(
	m *Model, p *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, namedPort string,
) []*candidate {
	ends := syntheticEnds(m, p.Namespace, peers)
	if slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool { return peer.IPBlock != nil }) {
		ends = append(ends, addressesApart(m, p)...)
	}
	var all []*candidate
	for _, e := range ends {
		var own *component
		if e.Pod != nil {
			if namedPort != "" {
				e.Pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: namedPort, ContainerPort: namedPortNumber}}}}
			}
			if name, labelled := m.componentOf(e.Pod); labelled {
				own = m.component(name)
			}
		}
		k := newCandidate(m, e, m.live.ClassOf(e))
		k.component = own
		all = append(all, k)
	}
	return all
}

// addressesApart returns one address of each part of the address spaces that the graph or a policy distinguishes. For example, the graph
// names 192.0.2.0/24 and a policy 192.0.0.0/16: the parts are the first block, the rest of the second, and all other addresses. A policy
// that is one bit too wide is found this way, and no address has to be guessed.
func addressesApart(m *Model, p *networkingv1.NetworkPolicy) []evaluate.End {
	policies := []networkingv1.NetworkPolicy{*p}
	for _, w := range m.generated {
		if w.Name != p.Name {
			policies = append(policies, *w)
		}
	}
	e, err := evaluate.New(nil, policies)
	if err != nil {
		return nil // invalid policies are findings of checkInvalidPolicies
	}
	var found []evaluate.End
	for _, class := range e.AddressClasses() {
		found = append(found, evaluate.End{Address: class.Prefixes[0].Addr()})
	}
	return found
}

// widenedIngress returns what a policy of the stack's namespace lets in and the graph does not, or nil.
//
// A rule is evaluated by the sources that it could let in, not only by those that exist. For example, a rule with the peer app=jobs opens
// the API to pods that do not exist yet, so it is evaluated with a synthetic pod labelled app=jobs.
func widenedIngress(m *Model, p *networkingv1.NetworkPolicy) *widening {
	w := &widening{opened: make([]bool, len(m.targets))}
	for _, rule := range m.live.Rules(nameOf(p)) {
		if rule.Direction != networkingv1.PolicyTypeIngress {
			continue
		}
		peers := p.Spec.Ingress[rule.Index].From
		covered := coveredTargets(m, rule)
		if !slices.Contains(covered, true) {
			continue
		}
		matched := matchedBy(m, rule, append(syntheticCandidates(m, p, peers, ""), m.candidates...))
		if w.addOpened(m, matched, covered) {
			w.rules = append(w.rules, rule.Index)
			w.peers = append(w.peers, describePeers(peers)...)
		}
	}
	if len(w.rules) == 0 {
		return nil
	}
	return w
}

// coveredTargets marks the targets that a policy selects and whose port a rule covers.
func coveredTargets(m *Model, rule evaluate.Rule) []bool {
	covered := make([]bool, len(m.targets))
	for i, t := range m.targets {
		for _, class := range m.live.Selected(rule.Policy, t.classes) {
			covered[i] = covered[i] || m.live.Covers(rule, class, t.port.Number, t.port.Protocol)
		}
	}
	return covered
}

// matchedBy returns the candidates that match the peers of a rule.
func matchedBy(m *Model, rule evaluate.Rule, candidates []*candidate) []*candidate {
	classes, byClass := make([]*evaluate.Class, 0, len(candidates)), map[*evaluate.Class]*candidate{}
	for _, c := range candidates {
		classes = append(classes, c.class)
		byClass[c.class] = c
	}
	partners, _ := m.live.RulePeers(rule, classes)
	var found []*candidate
	for _, class := range partners.Classes {
		found = append(found, byClass[class])
	}
	return found
}

// addOpened adds the covered targets that candidates reach and the graph does not allow. It reports whether there are any.
func (w *widening) addOpened(m *Model, matched []*candidate, covered []bool) bool {
	found := false
	for _, c := range matched {
		allowed, opens := c.allowed(), false
		for i, is := range covered {
			if !is || allowed[i] || c.component != nil && !componentReaches(m, c, m.targets[i]) {
				continue
			}
			w.opened[i], opens = true, true
		}
		if opens {
			found = true
			w.now = append(w.now, c.pods...)
		}
	}
	return found
}

// componentReaches reports whether a component reaches a target. A rule that lets a component in opens nothing unless the component's own
// policies let it out, too.
func componentReaches(m *Model, c *candidate, t target) bool {
	for _, class := range t.classes {
		if m.live.Reaches(c.class, class, t.port.Number, t.port.Protocol) {
			return true
		}
	}
	return false
}

// namedPortNumber stands for the number of a port of which only the name is known.
const namedPortNumber = 443

// widenedEgress returns where a policy lets the stack's pods connect and the graph does not, or nil.
func widenedEgress(m *Model, p *networkingv1.NetworkPolicy) *widening {
	w := &widening{}
	selected := slices.DeleteFunc(slices.Clone(m.components), func(c *component) bool {
		return len(m.live.Selected(nameOf(p), c.classes)) == 0
	})
	for _, rule := range m.live.Rules(nameOf(p)) {
		if rule.Direction != networkingv1.PolicyTypeEgress || len(selected) == 0 {
			continue
		}
		partners, _ := m.live.RulePeers(rule, nil)
		peers := p.Spec.Egress[rule.Index].To
		named := ""
		if i := slices.IndexFunc(partners.Ports, func(port evaluate.Ports) bool { return port.Name != "" }); i >= 0 {
			named = partners.Ports[i].Name
		}
		matched := matchedBy(m, rule, append(syntheticCandidates(m, p, peers, named), m.candidates...))
		found, ports := false, portsToTry(m, partners)
		for _, from := range selected {
			if w.addEgress(m, from, matched, ports) {
				w.components = append(w.components, from.Name)
				found = true
			}
		}
		if found {
			w.rules = append(w.rules, rule.Index)
			w.peers = append(w.peers, describePeers(peers)...)
			w.ports = append(w.ports, describePorts(partners))
		}
	}
	if len(w.rules) == 0 {
		return nil
	}
	w.components = distinct(w.components)
	return w
}

// addEgress reports whether a component reaches one of the candidates against the graph, and notes whether that is an address.
func (w *widening) addEgress(m *Model, from *component, matched []*candidate, ports []graph.Port) bool {
	found := false
	for _, to := range matched {
		for _, p := range ports {
			if to.component != nil && !reachesOwnPort(m, from, to, p) || m.intendsEgress(from, to.end, p) {
				continue
			}
			found = true
			w.anywhere = w.anywhere || to.end.Pod == nil
			break
		}
	}
	return found
}

// reachesOwnPort reports whether a component reaches another one of the stack at a port that the other one has.
func reachesOwnPort(m *Model, from *component, to *candidate, p graph.Port) bool {
	return m.targetAt(to.component.Name, p.Number) >= 0 &&
		slices.ContainsFunc(from.classes, func(class *evaluate.Class) bool { return m.live.Reaches(class, to.class, p.Number, p.Protocol) })
}

// portsToTry returns the ports with which a rule is evaluated: the ends of its ranges, and the known ports within them. All other ports of
// a range behave like one of these, because no policy of the stack distinguishes them.
func portsToTry(m *Model, partners evaluate.RulePeers) []graph.Port {
	ranges := partners.Ports
	if partners.AllPorts {
		for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
			ranges = append(ranges, evaluate.Ports{Protocol: protocol, First: 1, Last: maxPort})
		}
	}
	var ports []graph.Port
	seen := map[graph.Port]bool{}
	for _, r := range ranges {
		numbers := append([]int32{max(r.First, 1), r.Last}, m.knownPorts...)
		if r.Name != "" {
			r.First, r.Last, numbers = namedPortNumber, namedPortNumber, []int32{namedPortNumber}
		}
		for _, n := range numbers {
			if p := (graph.Port{Number: n, Protocol: r.Protocol}); r.First <= n && n <= r.Last && !seen[p] {
				ports, seen[p] = append(ports, p), true
			}
		}
	}
	return ports
}

// findKnownPorts returns the ports of all targets and destinations, and the ports above the destinations': a rule that allows one of those
// is wider than the graph.
func findKnownPorts(m *Model) []int32 {
	var known []int32
	for _, t := range m.targets {
		known = append(known, t.port.Number)
	}
	for _, d := range m.destinations {
		known = append(known, d.port.Number, d.port.Number+1)
	}
	slices.Sort(known)
	return slices.Compact(known)
}

const maxPort = 65535

// describePorts returns the ports of a rule in the form of kubectl: "443/TCP", "10200-10240/TCP", "all ports".
func describePorts(partners evaluate.RulePeers) string {
	if partners.AllPorts {
		return "all ports"
	}
	var texts []string
	for _, p := range partners.Ports {
		switch {
		case p.Name != "":
			texts = append(texts, fmt.Sprintf("%s/%s", p.Name, p.Protocol))
		case p.First == p.Last:
			texts = append(texts, fmt.Sprintf("%d/%s", p.First, p.Protocol))
		case p.First <= 1 && p.Last == maxPort:
			texts = append(texts, fmt.Sprintf("all %s ports", p.Protocol))
		default:
			texts = append(texts, fmt.Sprintf("%d-%d/%s", p.First, p.Last, p.Protocol))
		}
	}
	return strings.Join(texts, ", ")
}
