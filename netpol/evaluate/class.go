package evaluate

import (
	"encoding/binary"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Class is a group of ends that no policy can tell apart: pods, or addresses outside. Judging one judges all of them. It belongs to the
// evaluator that made it, and means nothing to another.
type Class struct {
	// Pods of the class, in the order in which they were given. None for addresses outside.
	Pods []*corev1.Pod
	// Prefixes are the addresses of a class of addresses outside. None for pods, and for Unknown.
	Prefixes []netip.Prefix
	matchedEnd
}

// Finished tells whether the pods of the class have ended. They have no network any more.
func (c *Class) Finished() bool { return c.finished }

// OnHostNetwork tells whether the pods of the class are on their node's network.
func (c *Class) OnHostNetwork() bool { return c.pod != nil && !c.selectable }

// Classes groups pods by what policies can tell of them: the policies that select them, the selectors and the ipBlocks that match them,
// the numbers of their ports that policies speak of by name; and by what apart says of them. Apart may be nil.
func (e *Evaluator) Classes(pods []corev1.Pod, apart func(*corev1.Pod) string) []*Class {
	var classes []*Class
	byKey := map[string]*Class{}
	var key []byte
	for i := range pods {
		pod := &pods[i]
		p := e.matchEnd(End{Pod: pod})
		key = e.key(key[:0], &p)
		if apart != nil {
			key = append(key, apart(pod)...)
		}
		c, known := byKey[string(key)]
		if !known {
			c = &Class{matchedEnd: p}
			byKey[string(key)] = c
			classes = append(classes, c)
		}
		c.add(pod, &p)
	}
	return classes
}

// add keeps what the pods of a class need not share: where they run.
func (c *Class) add(pod *corev1.Pod, p *matchedEnd) {
	c.Pods = append(c.Pods, pod)
	c.nodes = union(c.nodes, p.nodes)
	c.nodeAddresses = union(c.nodeAddresses, p.nodeAddresses)
	if !c.selectable {
		c.addresses = union(c.addresses, p.addresses)
	}
}

func union[T comparable](all, more []T) []T {
	for _, each := range more {
		if !slices.Contains(all, each) {
			all = append(all, each)
		}
	}
	return all
}

// key is equal for places that no policy can tell apart.
func (e *Evaluator) key(key []byte, p *matchedEnd) []byte {
	flags := byte(p.families) << 2
	if p.selectable {
		flags |= 1
	}
	if p.finished {
		flags |= 2
	}
	key = append(key, flags)
	for f := range familyCount {
		key = p.blocks[f].append(key)
	}
	if p.pod == nil {
		return key
	}
	if !p.selectable {
		// Which node it is matters to that node's pods.
		for _, n := range p.nodes {
			key = text(key, n)
		}
		return key
	}
	key = p.namespaces.append(p.pods.append(key))
	// Namespaces without policies are told apart by their labels alone.
	if len(e.byNamespace[p.pod.Namespace]) > 0 {
		key = text(key, p.pod.Namespace)
	} else {
		key = text(key, "")
	}
	for _, name := range e.names {
		key = appendPorts(key, p.pod, name)
	}
	return key
}

// appendPorts writes the ports of a name down, in the order of the containers.
func appendPorts(key []byte, pod *corev1.Pod, name string) []byte {
	add := func(c corev1.Container) {
		for _, p := range c.Ports {
			if p.Name == name {
				key = text(binary.BigEndian.AppendUint32(key, uint32(p.ContainerPort)), string(protocolOf(p))) //nolint:gosec // a port
			}
		}
	}
	for _, c := range pod.Spec.Containers {
		add(c)
	}
	for _, c := range pod.Spec.InitContainers {
		if sidecar(c) {
			add(c)
		}
	}
	return append(key, 0, 0, 0, 0) // no port has this number
}

func text(key []byte, s string) []byte {
	return append(binary.AppendUvarint(key, uint64(len(s))), s...)
}

func (b bits) append(key []byte) []byte {
	for _, word := range b {
		key = binary.BigEndian.AppendUint64(key, word)
	}
	return key
}

// Single is the class of one end.
func (e *Evaluator) Single(end End) *Class {
	c := &Class{matchedEnd: e.matchEnd(end)}
	if end.Pod != nil {
		c.Pods = []*corev1.Pod{end.Pod}
	} else if end.Address.IsValid() {
		a := end.Address.Unmap().WithZone("")
		c.Prefixes = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	return c
}

// Unknown is the class of an address outside of which nothing is known but that it is in no ipBlock narrower than 0.0.0.0/0 and ::/0.
func (e *Evaluator) Unknown() *Class { return e.Single(End{}) }

// Between judges connections from a class to another pod of a class: from a class to itself, those between two different pods of it. It is
// open when any pod of the one reaches any pod of the other. It differs between pods of a class only where one end is a node.
func (e *Evaluator) Between(from, to *Class, port int32, protocol corev1.Protocol) Verdict {
	c := between(&from.matchedEnd, &to.matchedEnd, port, protocol)
	return c.judge()
}

// Reaches is Between(...).Open. It allocates nothing.
func (e *Evaluator) Reaches(from, to *Class, port int32, protocol corev1.Protocol) bool {
	c := between(&from.matchedEnd, &to.matchedEnd, port, protocol)
	return c.open()
}

// Selecting returns the names of the policies that select the pods of a class for a direction, sorted.
func (e *Evaluator) Selecting(c *Class, d networkingv1.PolicyType) []types.NamespacedName {
	return c.isolating(directionOf(d))
}
