package evaluate

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Connect evaluates a connection to a port of a destination, 1 to 65535: the port of the pod, after Services are resolved. An empty
// protocol means TCP. Replies need no rule: an allowed connection includes its replies.
func (e *Evaluator) Connect(from, to End, port int32, protocol corev1.Protocol) Verdict {
	source, destination := e.matchEnd(from), e.matchEnd(to)
	c := between(&source, &destination, port, protocol)
	c.self = samePod(from.Pod, to.Pod)
	return c.judge()
}

func samePod(a, b *corev1.Pod) bool {
	if a == nil || b == nil {
		return false
	}
	if a.UID != "" && b.UID != "" {
		return a.UID == b.UID
	}
	return a.Namespace == b.Namespace && a.Name == b.Name
}

// connection is a connection to evaluate.
type connection struct {
	from, to *matchedEnd
	port     int32
	protocol corev1.Protocol
	// self is true when both ends are one pod.
	self bool
}

func between(from, to *matchedEnd, port int32, protocol corev1.Protocol) connection {
	if protocol == "" {
		protocol = corev1.ProtocolTCP
	}
	return connection{from: from, to: to, port: port, protocol: protocol}
}

func (c *connection) judge() Verdict {
	v := Verdict{NoPath: c.noPath()}
	out, in := c.side(egress, &v.Egress), c.side(ingress, &v.Ingress)
	if v.NoPath != "" || !v.Egress.Allowed || !v.Ingress.Allowed {
		return v
	}
	if v.Open = out&in != 0; !v.Open {
		v.NoPath = NoFamily
	}
	return v
}

// open returns the result of judge without the reasons and without allocations.
func (c *connection) open() bool {
	return c.noPath() == "" && c.side(egress, nil)&c.side(ingress, nil) != 0
}

func (c *connection) noPath() string {
	if c.from.finished || c.to.finished {
		return Finished
	}
	if c.families() == 0 {
		return NoFamily
	}
	return ""
}

func (c *connection) families() families { return c.from.families & c.to.families }

// side evaluates one direction. It returns the address families that the policies allow, and writes the reasons to why unless why is nil.
func (c *connection) side(d direction, why *Side) families {
	own, other := c.to, c.from
	if d == egress {
		own, other = c.from, c.to
	}
	passed := c.unenforced(own, other, why)
	if why != nil {
		why.Isolated = len(own.selecting[d]) > 0
		why.Isolating = own.isolating(d)
	}
	if len(own.selecting[d]) == 0 {
		passed = allFamilies
	}
	for _, p := range own.selecting[d] {
		if why == nil && passed == allFamilies {
			break
		}
		for i := range p.rules[d] {
			through := c.through(&p.rules[d][i], p, other)
			if through == 0 {
				continue
			}
			passed |= through
			if why != nil {
				why.Rules = append(why.Rules, Rule{Policy: p.name, Direction: policyType[d], Index: i})
			}
		}
	}
	passed &= c.families()
	if why != nil {
		why.Allowed = passed != 0
	}
	return passed
}

// unenforced returns all families when policies are not enforced on a side, otherwise none.
func (c *connection) unenforced(own, other *matchedEnd, why *Side) families {
	reason := c.unenforceable(own, other)
	if why != nil {
		why.Unenforceable = reason
	}
	if reason == "" {
		return 0
	}
	return allFamilies
}

func (c *connection) unenforceable(own, other *matchedEnd) string {
	switch {
	case own.pod == nil:
		return ""
	case c.self:
		return Self
	case !own.selectable:
		return HostNetwork
	}
	return ownNode(own, other)
}

// ownNode returns a reason when the other end is, or may be, the node of a pod: a pod on that node's network, or the node's address.
func ownNode(pod, other *matchedEnd) string {
	if other.selectable {
		return ""
	}
	for _, a := range other.addresses {
		if slices.Contains(pod.nodeAddresses, a) {
			return OwnNode
		}
	}
	if other.pod == nil {
		return ""
	}
	for _, n := range other.nodes {
		if slices.Contains(pod.nodes, n) {
			return OwnNode
		}
	}
	if len(other.nodes) == 0 || len(pod.nodes) == 0 {
		return MaybeOwnNode
	}
	return ""
}

// through returns the families that a rule lets through.
func (c *connection) through(r *rule, p *policy, other *matchedEnd) families {
	if !c.covered(r) {
		return 0
	}
	return r.matches(p.name.Namespace, other)
}

// covered reports whether a rule includes the port of the connection.
func (c *connection) covered(r *rule) bool {
	if len(r.ports) == 0 {
		return true
	}
	for i := range r.ports {
		p := &r.ports[i]
		if p.protocol != c.protocol {
			continue
		}
		if p.name == "" && p.first <= c.port && c.port <= p.last {
			return true
		}
		if p.name != "" && c.to.selectable && listens(c.to.pod, p.name, c.protocol, c.port) {
			return true
		}
	}
	return false
}

// matches returns the families in which a rule of a policy in a namespace matches the other end.
func (r *rule) matches(namespace string, other *matchedEnd) families {
	if len(r.peers) == 0 {
		return allFamilies
	}
	var matched families
	for i := range r.peers {
		matched |= r.peers[i].matches(namespace, other)
	}
	return matched
}

func (p *peer) matches(namespace string, other *matchedEnd) families {
	if p.block != none {
		var matched families
		for f := range familyCount {
			if other.families&only(f) != 0 && other.blocks[f].has(p.block) {
				matched |= only(f)
			}
		}
		return matched
	}
	if !other.selectable {
		return 0
	}
	if p.pods != none && !other.pods.has(p.pods) {
		return 0
	}
	if p.namespaces == none && other.pod.Namespace == namespace || p.namespaces != none && other.namespaces.has(p.namespaces) {
		return allFamilies
	}
	return 0
}
