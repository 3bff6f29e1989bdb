package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// widening is what a policy lets through that nobody asked for.
type widening struct {
	// rules that do.
	rules []int
	// who is let in, or where the stack's pods are let out to, in words.
	who []string
	// opened targets, of what is let in.
	opened []bool
	// outOf are the components that are let out, and ways the ports.
	outOf, ways []string
	// anywhere is true when they are let out to any address.
	anywhere bool
	// now are pods of the snapshot that are let in.
	now []*corev1.Pod
}

// candidate is somebody whom a rule might let through.
type candidate struct {
	end   evaluate.End
	class *evaluate.Class
	// pods that it stands for, when it is not thought up.
	pods []*corev1.Pod
	// component of the stack that it is; empty for all others.
	component *component
	// allowed targets, by the graph. Worked out when it is asked for.
	allowed []bool
}

func (s *scene) allowedOf(c *candidate) []bool {
	if c.allowed == nil {
		c.allowed = s.allowed(c.end)
	}
	return c.allowed
}

// candidates whom every rule is tried with: strangers, the stack's own components, and all pods that are there.
func (s *scene) candidates() []*candidate {
	if s.everyone != nil {
		return s.everyone
	}
	for _, from := range s.strangers {
		s.everyone = append(s.everyone, &candidate{end: from.ends[0].End, class: from.ends[0].live})
	}
	for _, c := range s.components {
		for _, class := range c.classes {
			s.everyone = append(s.everyone, &candidate{end: evaluate.End{Pod: class.Pods[0]}, class: class, component: c, allowed: s.table[c.Name]})
		}
	}
	for _, from := range s.foreign {
		if _, reserved := s.componentOf(from.pods[0]); !reserved {
			s.everyone = append(s.everyone, &candidate{end: from.ends[0].End, class: from.ends[0].live, pods: from.pods})
		}
	}
	return s.everyone
}

// thoughtUp are candidates made for one policy: those whom its peers ask for.
func (s *scene) thoughtUp(p *networkingv1.NetworkPolicy, peers []networkingv1.NetworkPolicyPeer, port string) []*candidate {
	var found []*candidate
	add := func(e evaluate.End) {
		c := &candidate{end: e}
		if e.Pod != nil {
			if port != "" {
				e.Pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{Name: port, ContainerPort: somePort}}}}
			}
			if name, is := s.componentOf(e.Pod); is {
				c.component = s.component(name)
			}
		}
		c.class = s.live.Single(c.end)
		found = append(found, c)
	}
	for _, e := range s.witnessesFrom(p.Namespace, peers) {
		add(e)
	}
	if slices.ContainsFunc(peers, func(peer networkingv1.NetworkPolicyPeer) bool { return peer.IPBlock != nil }) {
		for _, e := range s.addresses(p) {
			add(e)
		}
	}
	return found
}

// addresses are one of each part of the address spaces that either the graph or a policy tells apart.
func (s *scene) addresses(p *networkingv1.NetworkPolicy) []evaluate.End {
	policies := []networkingv1.NetworkPolicy{*p}
	for _, w := range graph.Policies(s.graph) {
		if w.Name != p.Name {
			policies = append(policies, *w)
		}
	}
	e, err := evaluate.New(nil, policies)
	if err != nil {
		return nil // an invalid policy is a finding of its own
	}
	var found []evaluate.End
	for _, class := range e.Outside() {
		found = append(found, evaluate.End{Address: class.Prefixes[0].Addr()})
	}
	return found
}

// letsIn works out what a policy of the stack's namespace lets in that the graph does not.
func (s *scene) letsIn(p *networkingv1.NetworkPolicy) *widening {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	w := &widening{opened: make([]bool, len(s.targets))}
	for _, rule := range s.live.Rules(name) {
		if rule.Direction != networkingv1.PolicyTypeIngress {
			continue
		}
		peers := p.Spec.Ingress[rule.Index].From
		covered := s.covered(name, rule)
		if !slices.Contains(covered, true) {
			continue
		}
		matched := s.matched(rule, append(s.thoughtUp(p, peers, ""), s.candidates()...))
		if s.openedBy(matched, covered, w) {
			w.rules = append(w.rules, rule.Index)
			w.who = append(w.who, peersInWords(peers)...)
		}
	}
	if len(w.rules) == 0 {
		return nil
	}
	return w
}

// covered says which targets a rule is about.
func (s *scene) covered(policy types.NamespacedName, rule evaluate.Rule) []bool {
	covered := make([]bool, len(s.targets))
	for i, t := range s.targets {
		for _, class := range s.live.Selected(policy, t.classes) {
			covered[i] = covered[i] || s.live.Covers(rule, class, t.port.Number, t.port.Protocol)
		}
	}
	return covered
}

// matched are the candidates that match the other end of a rule.
func (s *scene) matched(rule evaluate.Rule, candidates []*candidate) []*candidate {
	classes, byClass := make([]*evaluate.Class, 0, len(candidates)), map[*evaluate.Class]*candidate{}
	for _, c := range candidates {
		classes = append(classes, c.class)
		byClass[c.class] = c
	}
	partners, _ := s.live.Partners(rule, classes)
	var found []*candidate
	for _, class := range partners.Classes {
		found = append(found, byClass[class])
	}
	return found
}

// openedBy adds the targets that candidates reach by a rule and should not, and tells whether there are any.
func (s *scene) openedBy(matched []*candidate, covered []bool, w *widening) bool {
	found := false
	for _, c := range matched {
		allowed, opens := s.allowedOf(c), false
		for i, is := range covered {
			if !is || allowed[i] || c.component != nil && !s.componentReaches(c, s.targets[i]) {
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

// componentReaches: a rule that lets a component in opens nothing unless the component's own policies let it out, too.
func (s *scene) componentReaches(c *candidate, t target) bool {
	for _, class := range t.classes {
		if s.live.Reaches(c.class, class, t.port.Number, t.port.Protocol) {
			return true
		}
	}
	return false
}

// somePort stands for the number of a port of which only the name is known.
const somePort = 443

// letsOut works out where a policy lets the stack's pods out to that the graph does not.
func (s *scene) letsOut(p *networkingv1.NetworkPolicy) *widening {
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
	w := &widening{}
	selected := slices.DeleteFunc(slices.Clone(s.components), func(c *component) bool { return len(s.live.Selected(name, c.classes)) == 0 })
	for _, rule := range s.live.Rules(name) {
		if rule.Direction != networkingv1.PolicyTypeEgress || len(selected) == 0 {
			continue
		}
		partners, _ := s.live.Partners(rule, nil)
		peers := p.Spec.Egress[rule.Index].To
		named := ""
		if i := slices.IndexFunc(partners.Ports, func(port evaluate.Ports) bool { return port.Name != "" }); i >= 0 {
			named = partners.Ports[i].Name
		}
		matched := s.matched(rule, append(s.thoughtUp(p, peers, named), s.candidates()...))
		found, ports := false, s.portsTo(partners)
		for _, from := range selected {
			if s.letOut(from, matched, ports, w) {
				w.outOf = append(w.outOf, from.Name)
				found = true
			}
		}
		if found {
			w.rules = append(w.rules, rule.Index)
			w.who = append(w.who, peersInWords(peers)...)
			w.ways = append(w.ways, portsInWords(partners))
		}
	}
	if len(w.rules) == 0 {
		return nil
	}
	slices.Sort(w.outOf)
	w.outOf = slices.Compact(w.outOf)
	return w
}

// letOut tells whether a component gets where it should not, and notes whether that is anywhere.
func (s *scene) letOut(from *component, matched []*candidate, ports []graph.Port, w *widening) bool {
	found := false
	for _, to := range matched {
		for _, p := range ports {
			if to.component != nil && !s.getsTo(from, to, p) || s.leavesTo(from, to.end, p) {
				continue
			}
			found = true
			w.anywhere = w.anywhere || to.end.Pod == nil
			break
		}
	}
	return found
}

// getsTo tells whether a component reaches another one of the stack's at a port of it.
func (s *scene) getsTo(from *component, to *candidate, p graph.Port) bool {
	return s.targetAt(to.component.Name, p.Number) >= 0 &&
		slices.ContainsFunc(from.classes, func(class *evaluate.Class) bool { return s.live.Reaches(class, to.class, p.Number, p.Protocol) })
}

// portsTo are ports to try a rule with: the ends of its ranges, and those that the graph knows, and the ones beside them.
func (s *scene) portsTo(partners evaluate.Partners) []graph.Port {
	ranges := partners.Ports
	if partners.AllPorts {
		for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
			ranges = append(ranges, evaluate.Ports{Protocol: protocol, First: 1, Last: maxPort})
		}
	}
	var ports []graph.Port
	seen := map[graph.Port]bool{}
	for _, r := range ranges {
		numbers := append([]int32{max(r.First, 1), r.Last}, s.knownPorts()...)
		if r.Name != "" {
			r.First, r.Last, numbers = somePort, somePort, []int32{somePort}
		}
		for _, n := range numbers {
			if p := (graph.Port{Number: n, Protocol: r.Protocol}); r.First <= n && n <= r.Last && !seen[p] {
				ports, seen[p] = append(ports, p), true
			}
		}
	}
	return ports
}

// knownPorts are all that connections of the graph lead to, and the ones beside them.
func (s *scene) knownPorts() []int32 {
	if s.known != nil {
		return s.known
	}
	for _, t := range s.targets {
		s.known = append(s.known, t.port.Number)
	}
	for _, o := range s.outward {
		s.known = append(s.known, o.port.Number, o.port.Number+1)
	}
	slices.Sort(s.known)
	s.known = slices.Compact(s.known)
	return s.known
}

const maxPort = 65535

func portsInWords(partners evaluate.Partners) string {
	if partners.AllPorts {
		return "all ports"
	}
	var words []string
	for _, p := range partners.Ports {
		switch {
		case p.Name != "":
			words = append(words, fmt.Sprintf("%s/%s", p.Name, p.Protocol))
		case p.First == p.Last:
			words = append(words, fmt.Sprintf("%d/%s", p.First, p.Protocol))
		case p.First <= 1 && p.Last == maxPort:
			words = append(words, fmt.Sprintf("all %s ports", p.Protocol))
		default:
			words = append(words, fmt.Sprintf("%d-%d/%s", p.First, p.Last, p.Protocol))
		}
	}
	return strings.Join(words, ", ")
}
