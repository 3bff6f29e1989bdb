package audit

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/lockdown/evaluate"
)

// Explanation says of one connection what decides it and what would change it.
type Explanation struct {
	From string `json:"from"`
	To   string `json:"to"`
	Port Port   `json:"port"`
	// Open is true when the connection gets through.
	Open bool `json:"open"`
	// Intended is true when the graph of the stack lets it through.
	Intended bool `json:"intended"`
	// Decided is what decides, egress first.
	Decided []Decision `json:"decided"`
	// Field of the spec that asks for it. Left out when it is not intended, or every stack has it.
	Field string `json:"field,omitempty"`
	// Changes would open what is shut, or shut what is open, one sentence each.
	Changes []string `json:"changes"`
}

// party is an end that was named.
type party struct {
	name string
	end  evaluate.End
	// component of the stack; nil for all others.
	component *component
	class     *evaluate.Class
	// real is true for what is in the snapshot.
	real bool
}

// Explain tells which rule decides on each side of a connection. From and to are names of components, "namespace/pod", addresses,
// parties of the graph such as clients or kafka, or strangers such as intruder. The port is the pod's, after Services are resolved.
func Explain(in Input, from, to string, number int32, protocol corev1.Protocol) (Explanation, error) {
	s := newScene(in)
	if number < 1 || number > maxPort {
		return Explanation{}, fmt.Errorf("port %d is none: write a number from 1 to %d", number, maxPort)
	}
	source, err := s.named(from)
	if err != nil {
		return Explanation{}, fmt.Errorf("the source: %w", err)
	}
	destination, err := s.named(to)
	if err != nil {
		return Explanation{}, fmt.Errorf("the destination: %w", err)
	}
	p := s.portOf(destination, number, protocol)
	v := s.live.Between(source.class, destination.class, p.Number, p.Protocol)
	if source.real && destination.real && source.component == nil && destination.component == nil {
		v = s.live.Connect(source.end, destination.end, p.Number, p.Protocol)
	}
	e := Explanation{
		From: source.name, To: destination.name, Port: port(p), Open: isOpen(v, source.real || source.component != nil), Decided: decisions(v, true),
		Intended: s.intends(source, destination, p),
	}
	if !source.real && source.component == nil {
		e.Decided = decisions(v, false)
	}
	if !destination.real && destination.component == nil && source.component != nil {
		e.Open, e.Decided = v.NoPath == "" && v.Egress.Allowed, decisions(evaluate.Verdict{Egress: v.Egress, Ingress: evaluate.Side{Allowed: true}, NoPath: v.NoPath}, true)
	}
	if e.Intended {
		e.Field = s.fieldOf(source, destination, p)
	}
	e.Changes = s.closing(e, v)
	if !e.Open {
		e.Changes = s.opening(source, destination, p, v)
	}
	return e, nil
}

// named finds an end by what people call it.
func (s *scene) named(name string) (party, error) {
	if c := s.component(name); c != nil {
		return party{name: name, component: c, class: c.classes[0], end: evaluate.End{Pod: c.classes[0].Pods[0]}, real: len(c.pods) > 0}, nil
	}
	for _, source := range slices.Concat(s.strangers, s.parties) {
		if source.name == name {
			return party{name: name, end: source.ends[0].End, class: source.ends[0].live}, nil
		}
	}
	for _, o := range s.outward {
		if o.name == name {
			found := party{name: name, class: o.live[0], real: len(o.pods) > 0}
			if found.real {
				found.end = evaluate.End{Pod: o.pods[0]}
			} else if w := s.witnesses(o.peers); len(w) > 0 {
				found.end = w[0]
			}
			return found, nil
		}
	}
	if address, err := netip.ParseAddr(name); err == nil {
		return s.atAddress(name, address.Unmap().WithZone("")), nil
	}
	if namespace, pod, ok := strings.Cut(name, "/"); ok {
		return s.podNamed(namespace, pod)
	}
	return party{}, fmt.Errorf("%q is not known: write a component (%s), namespace/pod, an address, or one of %s", name, strings.Join(s.componentNames(), ", "), strings.Join(s.otherNames(), ", "))
}

func (s *scene) componentNames() []string {
	var names []string
	for _, c := range s.components {
		names = append(names, c.Name)
	}
	return names
}

func (s *scene) otherNames() []string {
	var names []string
	for _, source := range slices.Concat(s.strangers, s.parties) {
		names = append(names, source.name)
	}
	for _, o := range s.outward {
		names = append(names, o.name)
	}
	return distinctInOrder(names)
}

// atAddress is the pod that has an address, or whoever has it outside.
func (s *scene) atAddress(name string, address netip.Addr) party {
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		if !runs(pod) || pod.Spec.HostNetwork || !hasAddress(pod, address) {
			continue
		}
		found := s.podEnd(pod)
		found.name = fmt.Sprintf("%s (%s)", name, found.name)
		return found
	}
	end := evaluate.End{Address: address}
	return party{name: name, end: end, class: s.live.Single(end)}
}

func hasAddress(pod *corev1.Pod, address netip.Addr) bool {
	for _, ip := range append([]corev1.PodIP{{IP: pod.Status.PodIP}}, pod.Status.PodIPs...) {
		if a, err := netip.ParseAddr(ip.IP); err == nil && a.Unmap() == address {
			return true
		}
	}
	return false
}

func (s *scene) podNamed(namespace, name string) (party, error) {
	for i := range s.World.Pods {
		if pod := &s.World.Pods[i]; pod.Namespace == namespace && pod.Name == name {
			return s.podEnd(pod), nil
		}
	}
	return party{}, fmt.Errorf("there is no pod %s in namespace %s: kubectl -n %s get pods lists those that are there", name, namespace, namespace)
}

func (s *scene) podEnd(pod *corev1.Pod) party {
	found := party{name: pod.Namespace + "/" + pod.Name, end: evaluate.End{Pod: pod}, real: true}
	found.class = s.live.Single(found.end)
	if name, ok := s.componentOf(pod); ok && s.isOurs(pod, name) {
		found.component = s.component(name)
	}
	return found
}

// portOf is the port with the name that it has at its component.
func (s *scene) portOf(to party, number int32, protocol corev1.Protocol) lockdown.Port {
	p := lockdown.Port{Number: number, Protocol: protocol}
	if p.Protocol == "" {
		p.Protocol = corev1.ProtocolTCP
	}
	if to.component != nil {
		if i := s.targetAt(to.component.Name, number); i >= 0 && s.targets[i].port.Protocol == p.Protocol {
			return s.targets[i].port
		}
	}
	return p
}

// intends tells whether the graph lets a connection through.
func (s *scene) intends(from, to party, p lockdown.Port) bool {
	switch {
	case to.component != nil:
		i := s.targetAt(to.component.Name, p.Number)
		if i < 0 || s.targets[i].port != p {
			return false
		}
		if from.component != nil {
			return s.table[from.component.Name][i]
		}
		return s.expectsEnd(s.end(from.end), to.component, p)
	case from.component != nil:
		return s.leavesTo(from.component, to.end, p)
	}
	return false
}

// fieldOf is what in the spec asks for a connection.
func (s *scene) fieldOf(from, to party, p lockdown.Port) string {
	for _, c := range s.graph.Connections {
		if from.component != nil && c.From.Name != from.component.Name || to.component != nil && c.To.Name != to.component.Name {
			continue
		}
		if from.component == nil && c.From.Inside || to.component == nil && c.To.Inside {
			continue
		}
		if slices.ContainsFunc(c.Ports, func(q lockdown.Port) bool { return q.Number == p.Number && q.Protocol == p.Protocol }) {
			return c.Field
		}
	}
	return ""
}
