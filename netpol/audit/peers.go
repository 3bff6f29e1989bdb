package audit

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// peers are those of the stack's policies that will not match whom they are meant for, so that something does not work: names do not
// resolve, a store is not reached, a client is not let in. Nothing is open by it.
func (s *scene) peers() []Finding {
	return slices.Concat(s.dnsElsewhere(), s.onNodes(), s.blocksOfPods())
}

const dnsNumber = 53

// dnsElsewhere are the cluster's DNS Services of which the stack's policies let through to no pod.
func (s *scene) dnsElsewhere() []Finding {
	if len(s.components) == 0 || !slices.ContainsFunc(s.outward, func(o *outward) bool { return o.name == graph.DNS }) {
		return nil
	}
	var found []Finding
	for i := range s.World.Services {
		service := &s.World.Services[i]
		port := dnsPort(service)
		if port == nil || len(service.Spec.Selector) == 0 {
			continue
		}
		pods := s.behind(service)
		if len(pods) == 0 || slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return s.resolves(p, *port) }) {
			continue
		}
		first := pods[0]
		number := targetPort(first, *port)
		reason := fmt.Sprintf("no pod of the cluster's DNS is let through to: %s listens at port %d, which no peer of spec.network.dns names",
			podsInWords(pods), number)
		fix := fmt.Sprintf("write to spec.network.dns: "+
			"[{namespaceSelector: {matchLabels: {%s: %s}}, podSelector: {matchLabels: {%s}}, port: %d}]",
			corev1.LabelMetadataName, first.Namespace, labelsForYAML(service.Spec.Selector), number)
		if first.Spec.HostNetwork {
			reason = fmt.Sprintf("the pods of the cluster's DNS are on their nodes' network, which no podSelector matches: %s", podsInWords(pods))
			fix = "write the addresses that names are asked at to spec.network.dns, as ipBlock"
		}
		found = append(found, Finding{
			Kind: PeerMatchesNothing, Severity: Low, Object: serviceObject(service), Reason: reason,
			Lets: "nothing; the names of Services will not resolve, and the stack will not start", Fix: fix,
		})
	}
	return found
}

// dnsPort of a Service that is the cluster's DNS: by convention it is called kube-dns whatever serves it; OpenShift's is dns-default.
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

// behind are the running pods that a Service selects.
func (s *scene) behind(service *corev1.Service) []*corev1.Pod {
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var pods []*corev1.Pod
	for i := range s.World.Pods {
		if pod := &s.World.Pods[i]; pod.Namespace == service.Namespace && runs(pod) && selector.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// resolves reports whether the stack's own policies let a component ask a pod for names.
func (s *scene) resolves(pod *corev1.Pod, port corev1.ServicePort) bool {
	dns := graph.Port{Name: graph.DNS, Number: targetPort(pod, port), Protocol: corev1.ProtocolUDP}
	return s.leavesTo(s.components[0], evaluate.End{Pod: pod}, dns)
}

func labelsForYAML(set map[string]string) string {
	words := ""
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if words != "" {
			words += ", "
		}
		words += key + ": " + set[key]
	}
	return words
}

// onNodes are peers whose pods are all on their nodes' network: to a policy they are the node, and no selector matches them.
func (s *scene) onNodes() []Finding {
	var found []Finding
	for _, c := range s.graph.Connections {
		party := c.From
		if party.Inside {
			party = c.To
		}
		if party.Inside || party.Name == graph.DNS {
			continue
		}
		for _, peer := range party.Peers {
			pods := s.matching(peer)
			if len(pods) == 0 || slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !p.Spec.HostNetwork }) {
				continue
			}
			f := Finding{
				Kind: PeerMatchesNothing, Severity: Low, Object: podObject(pods[0]),
				Reason: fmt.Sprintf("%s names pods that are on their nodes' network, where no selector matches them: %s",
					fieldOf(c), podsInWords(pods)),
				Lets: fmt.Sprintf("nothing; %s may not be let through, unless it is on the pod's own node", party.Name),
				Fix:  fmt.Sprintf("write the addresses of the nodes to %s, as ipBlock, or take the pods off the nodes' network", fieldOf(c)),
			}
			if !slices.ContainsFunc(found, func(known Finding) bool { return known.Object == f.Object && known.Reason == f.Reason }) {
				found = append(found, f)
			}
		}
	}
	return found
}

func fieldOf(c graph.Connection) string {
	if c.Field != "" {
		return c.Field
	}
	return "the spec"
}

// matching are the running pods that a peer names by their labels. A peer that names none by their own labels names no pod in particular.
func (s *scene) matching(peer networkingv1.NetworkPolicyPeer) []*corev1.Pod {
	if peer.PodSelector == nil || isEmpty(peer.PodSelector) {
		return nil
	}
	pods, err := metav1.LabelSelectorAsSelector(peer.PodSelector)
	if err != nil {
		return nil
	}
	namespaces := labels.Everything()
	if peer.NamespaceSelector != nil {
		if namespaces, err = metav1.LabelSelectorAsSelector(peer.NamespaceSelector); err != nil {
			return nil
		}
	}
	var found []*corev1.Pod
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		here := peer.NamespaceSelector == nil && pod.Namespace == s.graph.Namespace ||
			peer.NamespaceSelector != nil && namespaces.Matches(set(namedNamespace(pod.Namespace, s.namespaces[pod.Namespace])))
		if here && runs(pod) && pods.Matches(labels.Set(pod.Labels)) {
			found = append(found, pod)
		}
	}
	return found
}

// blocksOfPods are stores that policies name by addresses which are pods' or nodes': some networks, Cilium among them, never match an
// ipBlock against these.
func (s *scene) blocksOfPods() []Finding {
	var found []Finding
	for _, o := range s.outward {
		if !isStore(o.name) {
			continue
		}
		for _, peer := range o.peers {
			pod, whose := s.inBlock(peer.IPBlock)
			if pod == nil {
				continue
			}
			found = append(found, Finding{
				Kind: PeerMatchesNothing, Severity: Low, Object: podObject(pod), store: portPlace(o.name, o.port),
				Reason: fmt.Sprintf("the stack's policies name %s by %s, which is an address of %s: Cilium, for one, never matches an ipBlock against "+
					"pods and nodes", portPlace(o.name, o.port), peer.IPBlock.CIDR, whose),
				Lets: fmt.Sprintf("nothing; with such a network the stack does not reach %s", o.name),
				Fix:  "give the Service of the store a selector, or write peers with a podSelector for it to the spec",
			})
			break
		}
	}
	return found
}

// widestBlock is how many bits a block must have to mean an address and not a network.
const widestBlock = 24

// inBlock finds a pod that has an address in a narrow block, or runs on a node that has one.
func (s *scene) inBlock(block *networkingv1.IPBlock) (pod *corev1.Pod, whose string) {
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
	for i := range s.World.Pods {
		p := &s.World.Pods[i]
		switch {
		case !runs(p):
		case !p.Spec.HostNetwork && isPods(p):
			return p, "pod " + text(nameOf(p))
		case isNodes(p):
			return p, "the node of pod " + text(nameOf(p))
		}
	}
	return nil, ""
}
