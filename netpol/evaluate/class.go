package evaluate

import (
	"encoding/binary"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Class is a group of ends that no policy distinguishes: pods, or addresses outside of the cluster's pods. One verdict holds for all of
// them. A class is valid only for the evaluator that created it.
type Class struct {
	// Pods of the class, in the order in which they were given. None for addresses outside.
	Pods []*corev1.Pod
	// Prefixes are the addresses of the class. Empty for pods and for the class of unknown addresses.
	Prefixes []netip.Prefix
	matchedEnd
}

// Finished reports whether the pods of the class have phase Succeeded or Failed. Such pods have no network.
func (c *Class) Finished() bool { return c.finished }

// OnHostNetwork reports whether the pods of the class are on their node's network.
func (c *Class) OnHostNetwork() bool { return c.pod != nil && !c.selectable }

// Classes groups pods by everything that policies can distinguish: the policies that select a pod, the selectors and ipBlocks that
// match it, and the numbers of its ports that policies name. Pods for which apart returns different texts are in different classes.
// apart may be nil.
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

// add adds a pod and its nodes, which the pods of a class need not share.
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

// key appends a key that is equal for ends that no policy distinguishes.
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
		// The node matters to the pods of that node.
		for _, n := range p.nodes {
			key = text(key, n)
		}
		return key
	}
	key = p.namespaces.append(p.pods.append(key))
	// Namespaces without policies differ by their labels only.
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

// appendPorts appends the ports of a name, in the order of the containers.
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

// ClassOf returns the class of one end.
func (e *Evaluator) ClassOf(end End) *Class {
	c := &Class{matchedEnd: e.matchEnd(end)}
	if end.Pod != nil {
		c.Pods = []*corev1.Pod{end.Pod}
	} else if end.Address.IsValid() {
		a := end.Address.Unmap().WithZone("")
		c.Prefixes = []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
	}
	return c
}

// UnknownAddress returns the class of an unknown address. It is in no ipBlock other than 0.0.0.0/0 and ::/0.
func (e *Evaluator) UnknownAddress() *Class { return e.ClassOf(End{}) }

// Between evaluates connections from a class to a class. From a class to itself, it is about two different pods of the class. The
// verdict is open when any end of one class reaches any end of the other. Ends of a class differ only with respect to nodes.
func (e *Evaluator) Between(from, to *Class, port int32, protocol corev1.Protocol) Verdict {
	c := between(&from.matchedEnd, &to.matchedEnd, port, protocol)
	return c.judge()
}

// Reaches returns Between(...).Open without allocations.
func (e *Evaluator) Reaches(from, to *Class, port int32, protocol corev1.Protocol) bool {
	c := between(&from.matchedEnd, &to.matchedEnd, port, protocol)
	return c.open()
}

// PoliciesSelecting returns the names of the policies that select the pods of a class for a direction, sorted.
func (e *Evaluator) PoliciesSelecting(c *Class, d networkingv1.PolicyType) []types.NamespacedName {
	return c.isolating(directionOf(d))
}
