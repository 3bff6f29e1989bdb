package evaluate

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Ports is a range of ports in a rule, or a port name that is resolved at each destination.
type Ports struct {
	Protocol corev1.Protocol
	// Name of the port. Empty for a range.
	Name string
	// First and Last of the range, inclusive. 0 to 65535 when the rule has a protocol and no port.
	First, Last int32
}

// Block is an ipBlock of a rule.
type Block struct {
	Prefix netip.Prefix
	Except []netip.Prefix
}

// RulePeers are the peers of a rule: its sources for ingress, its destinations for egress.
type RulePeers struct {
	// Anyone is true when the rule has no peers and so matches any end.
	Anyone bool
	// Blocks of addresses in the rule.
	Blocks []Block
	// Classes that match the rule, among those that the caller passed.
	Classes []*Class
	// AllPorts is true when the rule does not restrict ports. Otherwise Ports are the ports of the rule.
	AllPorts bool
	Ports    []Ports
}

// Rules returns the rules of a policy in the directions of its policyTypes. It returns none for an unknown policy.
func (e *Evaluator) Rules(name types.NamespacedName) []Rule {
	p, known := e.byName[name]
	if !known {
		return nil
	}
	var rules []Rule
	for d := range directions {
		if !p.isolates[d] {
			continue
		}
		for i := range p.rules[d] {
			rules = append(rules, Rule{Policy: name, Direction: policyType[d], Index: i})
		}
	}
	return rules
}

// Selected returns those of the given classes whose pods a policy selects.
func (e *Evaluator) Selected(name types.NamespacedName, classes []*Class) []*Class {
	p, known := e.byName[name]
	if !known {
		return nil
	}
	var selected []*Class
	for _, c := range classes {
		if p.selects(c) {
			selected = append(selected, c)
		}
	}
	return selected
}

func (p *policy) selects(c *Class) bool {
	return c.selectable && c.pod.Namespace == p.name.Namespace && c.pods.has(p.pods)
}

// RulePeers returns the peers of a rule, and which of the given classes match them. It reports false for an unknown rule.
func (e *Evaluator) RulePeers(name Rule, classes []*Class) (RulePeers, bool) {
	r := e.rule(name)
	if r == nil {
		return RulePeers{}, false
	}
	found := RulePeers{Anyone: len(r.peers) == 0, AllPorts: len(r.ports) == 0}
	for _, p := range r.peers {
		if p.block != none {
			found.Blocks = append(found.Blocks, Block{Prefix: e.blocks[p.block].prefix, Except: e.blocks[p.block].except})
		}
	}
	for _, p := range r.ports {
		found.Ports = append(found.Ports, Ports{Protocol: p.protocol, Name: p.name, First: p.first, Last: p.last})
	}
	for _, c := range classes {
		if !c.finished && r.matches(name.Policy.Namespace, &c.matchedEnd)&c.families != 0 {
			found.Classes = append(found.Classes, c)
		}
	}
	return found, true
}

// Covers reports whether a rule includes a port of a destination, regardless of the rule's peers.
func (e *Evaluator) Covers(name Rule, to *Class, port int32, protocol corev1.Protocol) bool {
	r := e.rule(name)
	c := between(nil, &to.matchedEnd, port, protocol)
	return r != nil && c.covered(r)
}

func (e *Evaluator) rule(name Rule) *rule {
	p, known := e.byName[name.Policy]
	if !known {
		return nil
	}
	d := directionOf(name.Direction)
	if !p.isolates[d] || name.Index < 0 || name.Index >= len(p.rules[d]) {
		return nil
	}
	return &p.rules[d][name.Index]
}
