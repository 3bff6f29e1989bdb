package audit

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// checkUnmatchedPeers finds peers of the stack's policies that do not match the pods that they are meant for, so that something does not
// work: names do not resolve, a store is not reached, a client is not let in. They open nothing.
func checkUnmatchedPeers(m *Model) []Finding {
	return slices.Concat(unmatchedDNS(m), peersOnNodes(m), storesByPodAddress(m))
}

const dnsNumber = 53

// unmatchedDNS finds the cluster's DNS Services of which the stack's policies let components reach no pod.
func unmatchedDNS(m *Model) []Finding {
	if len(m.components) == 0 || !slices.ContainsFunc(m.destinations, func(d *destination) bool { return d.name == graph.DNS }) {
		return nil
	}
	var found []Finding
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		port := dnsPort(service)
		if port == nil || len(service.Spec.Selector) == 0 {
			continue
		}
		pods := podsBehind(m, service)
		if len(pods) == 0 || slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return canResolve(m, p, *port) }) {
			continue
		}
		first := pods[0]
		number := targetPort(first, *port)
		reason := fmt.Sprintf("no pod of the cluster's DNS is let through to: %s listens at port %d, which no peer of spec.network.dns names",
			describePods(pods), number)
		fix := fmt.Sprintf("write to spec.network.dns: "+
			"[{namespaceSelector: {matchLabels: {%s: %s}}, podSelector: {matchLabels: {%s}}, port: %d}]",
			corev1.LabelMetadataName, first.Namespace, joinLabels(service.Spec.Selector, ": ", ", "), number)
		if first.Spec.HostNetwork {
			reason = fmt.Sprintf("the pods of the cluster's DNS are on their nodes' network, which no podSelector matches: %s", describePods(pods))
			fix = "write the addresses of the DNS servers to spec.network.dns, as ipBlock"
		}
		found = append(found, Finding{
			Kind: PeerMatchesNothing, Severity: Low, Object: serviceObject(service), Reason: reason,
			Lets: "nothing; the names of Services will not resolve, and the stack will not start", Fix: fix,
		})
	}
	return found
}

// dnsPort returns the port of a Service that is the cluster's DNS, or nil. By convention the Service is called kube-dns, whatever serves
// it; OpenShift's is called dns-default.
func dnsPort(service *corev1.Service) *corev1.ServicePort {
	const app, name, openShift = "k8s-app", "kube-dns", "dns-default"
	if service.Labels[app] != name && service.Name != name && service.Name != openShift {
		return nil
	}
	for i := range service.Spec.Ports {
		if p := &service.Spec.Ports[i]; p.Port == dnsNumber && p.Protocol == corev1.ProtocolUDP {
			return p
		}
	}
	return nil
}

// podsBehind returns the running pods that a Service selects.
func podsBehind(m *Model, service *corev1.Service) []*corev1.Pod {
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var pods []*corev1.Pod
	for pod := range m.runningPods() {
		if pod.Namespace == service.Namespace && selector.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// canResolve reports whether the stack's own policies let a component send DNS queries to a pod.
func canResolve(m *Model, pod *corev1.Pod, port corev1.ServicePort) bool {
	dns := graph.Port{Name: graph.DNS, Number: targetPort(pod, port), Protocol: corev1.ProtocolUDP}
	return m.intendsEgress(m.components[0], evaluate.End{Pod: pod}, dns)
}

// peersOnNodes finds peers whose pods are all on their nodes' network. Policies see such a pod as the node, and no selector matches it.
func peersOnNodes(m *Model) []Finding {
	var found []Finding
	for _, c := range m.graph.Edges {
		end := c.From
		if end.Inside {
			end = c.To
		}
		if end.Inside || end.Name == graph.DNS {
			continue
		}
		for _, peer := range end.NetworkPeers {
			pods := podsMatching(m, peer)
			if len(pods) == 0 || slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !p.Spec.HostNetwork }) {
				continue
			}
			f := Finding{
				Kind: PeerMatchesNothing, Severity: Low, Object: podObject(pods[0]),
				Reason: fmt.Sprintf("%s names pods that are on their nodes' network, where no selector matches them: %s",
					fieldOf(c), describePods(pods)),
				Lets: fmt.Sprintf("nothing; %s may not be let through, unless it is on the pod's own node", end.Name),
				Fix:  fmt.Sprintf("write the addresses of the nodes to %s, as ipBlock, or take the pods off the nodes' network", fieldOf(c)),
			}
			if !slices.ContainsFunc(found, func(known Finding) bool { return known.Object == f.Object && known.Reason == f.Reason }) {
				found = append(found, f)
			}
		}
	}
	return found
}

// fieldOf returns the field of the spec that requests a connection.
func fieldOf(c graph.Edge) string {
	if c.Field != "" {
		return c.Field
	}
	return "the spec"
}

// podsMatching returns the running pods that a peer selects by their labels. A peer without a pod selector selects no pod in particular.
func podsMatching(m *Model, peer networkingv1.NetworkPolicyPeer) []*corev1.Pod {
	return podsOfPeer(m.graph.Namespace, m.namespaces, m.runningPods(), peer)
}

// podsOfPeer returns those of some pods that a peer selects by their labels. namespace is that of the policy, and namespaces holds labels.
func podsOfPeer(
	namespace string, namespaces map[string]map[string]string, all iter.Seq[*corev1.Pod], peer networkingv1.NetworkPolicyPeer,
) []*corev1.Pod {
	if peer.PodSelector == nil || isEmpty(peer.PodSelector) {
		return nil
	}
	pods, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
	if err != nil {
		return nil
	}
	within := labels.Everything()
	if peer.NamespaceSelector != nil {
		if within, err = metav1.LabelSelectorAsSelector(peer.NamespaceSelector); err != nil {
			return nil
		}
	}
	var found []*corev1.Pod
	for pod := range all {
		here := peer.NamespaceSelector == nil && pod.Namespace == namespace ||
			peer.NamespaceSelector != nil && within.Matches(set(namedNamespace(pod.Namespace, namespaces[pod.Namespace])))
		if here && pods.Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found
}

// storesByPodAddress finds stores that policies name by addresses of pods or nodes. Some networks, Cilium among them, never match an
// ipBlock against these.
func storesByPodAddress(m *Model) []Finding {
	var found []Finding
	for d := range m.stores() {
		for _, peer := range d.peers {
			pod, owner := podInBlock(m, peer.IPBlock)
			if pod == nil {
				continue
			}
			found = append(found, Finding{
				Kind: PeerMatchesNothing, Severity: Low, Object: podObject(pod), store: d.String(),
				Reason: fmt.Sprintf("the stack's policies name %s by %s, which is an address of %s: Cilium, for one, never matches an ipBlock against "+
					"pods and nodes", d, peer.IPBlock.CIDR, owner),
				Lets: fmt.Sprintf("nothing; on such a network the stack does not reach %s", d.name),
				Fix:  "give the Service of the store a selector, or write peers with a podSelector for it to the spec",
			})
			break
		}
	}
	return found
}

// widestBlock is the prefix length from which a block means addresses and not a network.
const widestBlock = 24

// podInBlock returns a pod that has an address in a narrow block, or runs on a node that has one, and describes the owner of the address.
func podInBlock(m *Model, block *networkingv1.IPBlock) (pod *corev1.Pod, owner string) {
	if block == nil {
		return nil, ""
	}
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil || prefix.Bits() < widestBlock {
		return nil, ""
	}
	contains := func(ip string) bool {
		address, err := netip.ParseAddr(ip)
		return err == nil && prefix.Contains(address.Unmap())
	}
	isPods := func(p *corev1.Pod) bool {
		return contains(p.Status.PodIP) || slices.ContainsFunc(p.Status.PodIPs, func(ip corev1.PodIP) bool { return contains(ip.IP) })
	}
	isNodes := func(p *corev1.Pod) bool {
		return contains(p.Status.HostIP) || slices.ContainsFunc(p.Status.HostIPs, func(ip corev1.HostIP) bool { return contains(ip.IP) })
	}
	for p := range m.runningPods() {
		switch {
		case !p.Spec.HostNetwork && isPods(p):
			return p, "pod " + fullName(nameOf(p))
		case isNodes(p):
			return p, "the node of pod " + fullName(nameOf(p))
		}
	}
	return nil, ""
}
