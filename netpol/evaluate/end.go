package evaluate

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// matchedEnd is an end with the selectors, blocks and policies that match it.
type matchedEnd struct {
	// pod is nil for an address outside. In a class it is one of the class's pods.
	pod *corev1.Pod
	// selectable is false for addresses outside and for pods on their node's network. No selector matches them.
	selectable bool
	finished   bool
	// pods and namespaces are the numbers of the selectors that match.
	pods, namespaces bits
	// families of the addresses, and the ipBlocks that match the addresses, by family.
	families families
	blocks   [familyCount]bits
	// selecting are the policies that select the pod, by direction.
	selecting [directions][]*policy
	// nodes holds the names of the pods' nodes, nodeAddresses those nodes' addresses, as far as the pods show them.
	nodes         []string
	nodeAddresses []netip.Addr
	// addresses of an address outside, or of a pod on its node's network.
	addresses []netip.Addr
}

func (e *Evaluator) matchEnd(end End) matchedEnd {
	p := matchedEnd{pod: end.Pod}
	if end.Address.IsValid() {
		p.addresses = []netip.Addr{end.Address.Unmap().WithZone("")}
	} else if end.Pod != nil {
		p.addresses = podAddresses(end.Pod)
	}
	e.matchAddresses(&p)
	if end.Pod == nil {
		return p
	}
	status := end.Pod.Status
	p.finished = status.Phase == corev1.PodSucceeded || status.Phase == corev1.PodFailed
	if end.Pod.Spec.NodeName != "" {
		p.nodes = []string{end.Pod.Spec.NodeName}
	}
	p.nodeAddresses = hostAddresses(end.Pod)
	p.selectable = !end.Pod.Spec.HostNetwork
	if p.selectable {
		p.pods = e.pods.match(end.Pod.Labels)
		p.namespaces = e.namespaceMatches(end)
		p.selecting = e.selecting(end.Pod.Namespace, p.pods)
	}
	return p
}

func (e *Evaluator) matchAddresses(p *matchedEnd) {
	if len(p.addresses) == 0 {
		p.families, p.blocks = allFamilies, e.unknown
		return
	}
	for _, a := range p.addresses {
		f := familyOf(a)
		p.families |= only(f)
		p.blocks[f] = e.blocksWith(func(b block) bool { return b.contains(a) })
	}
}

func (e *Evaluator) namespaceMatches(end End) bits {
	if end.NamespaceLabels != nil {
		return e.namespaces.match(named(end.Pod.Namespace, end.NamespaceLabels))
	}
	if matched, known := e.matched[end.Pod.Namespace]; known {
		return matched
	}
	return e.namespaces.match(named(end.Pod.Namespace, nil))
}

func (e *Evaluator) selecting(namespace string, matched bits) (found [directions][]*policy) {
	for _, p := range e.byNamespace[namespace] {
		if !matched.has(p.pods) {
			continue
		}
		for d := range directions {
			if p.isolates[d] {
				found[d] = append(found[d], p)
			}
		}
	}
	return found
}

// podAddresses returns the addresses in a pod's status, one of each family.
func podAddresses(pod *corev1.Pod) []netip.Addr {
	return addresses(pod.Status.PodIP, pod.Status.PodIPs, func(ip corev1.PodIP) string { return ip.IP })
}

func hostAddresses(pod *corev1.Pod) []netip.Addr {
	return addresses(pod.Status.HostIP, pod.Status.HostIPs, func(ip corev1.HostIP) string { return ip.IP })
}

func addresses[T any](first string, all []T, text func(T) string) []netip.Addr {
	var found []netip.Addr
	add := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(found, a.Unmap()) {
			found = append(found, a.Unmap())
		}
	}
	if first != "" {
		add(first)
	}
	for _, each := range all {
		add(text(each))
	}
	return found
}

// isolating returns the names of the policies that select the end for a direction.
func (p *matchedEnd) isolating(d direction) []types.NamespacedName {
	var names []types.NamespacedName
	for _, each := range p.selecting[d] {
		names = append(names, each.name)
	}
	return names
}

// listens reports whether a pod has a container port of this name, protocol and number. Several containers may use one name.
func listens(pod *corev1.Pod, name string, protocol corev1.Protocol, port int32) bool {
	matches := func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
			return p.Name == name && p.ContainerPort == port && protocolOf(p) == protocol
		})
	}
	return slices.ContainsFunc(pod.Spec.Containers, matches) ||
		slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return sidecar(c) && matches(c) })
}

// sidecar reports whether an init container keeps running beside the main containers (KEP-753).
func sidecar(c corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// protocolOf returns the protocol of a port. The default is TCP.
func protocolOf(p corev1.ContainerPort) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}

func directionOf(t networkingv1.PolicyType) direction {
	if t == networkingv1.PolicyTypeEgress {
		return egress
	}
	return ingress
}
