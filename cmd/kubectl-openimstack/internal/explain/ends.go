package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// end is one end of the connection that is explained.
type end struct {
	evaluate.End
	// words describe the end to the reader.
	words string
	// component is the component of the stack that the end belongs to; empty for all others.
	component string
}

// end parses the argument for one end: a component, a peer of the graph, an unexpected source by the audit's name, an IP address, or a pod
// as [namespace/]name, of which the beginning is enough.
func (x *explainer) end(word string) (end, error) {
	// Names of the stack come first, so that a pod called "api" of another program is written with its namespace.
	if e, ok := x.componentEnd(word); ok {
		return e, nil
	}
	if e, ok := unexpectedSources(x.stack.Object.Namespace)[word]; ok {
		return e, nil
	}
	if address, err := netip.ParseAddr(word); err == nil {
		return x.addressEnd(address.Unmap()), nil
	}
	if e, found, err := x.peerByName(word); found || err != nil {
		return e, err
	}
	namespace, podName := x.stack.Object.Namespace, word
	if before, after, both := strings.Cut(word, "/"); both {
		namespace, podName = before, after
	}
	if pod := x.pod(func(p *corev1.Pod) bool { return p.Namespace == namespace && p.Name == podName }); pod != nil {
		return x.podEnd(pod), nil
	}
	if pod := x.pod(func(p *corev1.Pod) bool { return p.Namespace == namespace && strings.HasPrefix(p.Name, podName+"-") }); pod != nil {
		return x.podEnd(pod), nil
	}
	return end{}, fmt.Errorf("no pod, address, component or peer %q is known: write namespace/pod, an IP address, or one of %s",
		word, strings.Join(x.known(), ", "))
}

// known returns the words for ends, besides pods and addresses.
func (x *explainer) known() []string {
	var all []string
	for _, c := range x.stack.Graph.Components {
		all = append(all, c.Name)
	}
	for _, c := range x.stack.Graph.Edges {
		for _, p := range []graph.Peer{c.From, c.To} {
			if !p.Inside && !slices.Contains(all, p.Name) {
				all = append(all, p.Name)
			}
		}
	}
	return append(all, graph.Intruder, audit.IntruderElsewhere, audit.OutsideIPv4, audit.OutsideIPv6)
}

// unexpectedSources are pods without labels and addresses that no policy names, by their names in the audit's cells. The addresses are of
// the blocks for benchmarks (RFC 2544, RFC 5180), which no host has.
func unexpectedSources(namespace string) map[string]end {
	pod := func(namespace string) evaluate.End {
		return evaluate.End{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "anyone"}}}
	}
	return map[string]end{
		graph.Intruder:          {End: pod(namespace), words: "a pod without labels in namespace " + namespace},
		audit.IntruderElsewhere: {End: pod("elsewhere." + namespace), words: "a pod without labels in another namespace"},
		audit.OutsideIPv4:       {End: evaluate.End{Address: netip.MustParseAddr("198.18.0.1")}, words: "an IPv4 address outside the cluster"},
		audit.OutsideIPv6:       {End: evaluate.End{Address: netip.MustParseAddr("2001:2::1")}, words: "an IPv6 address outside the cluster"},
	}
}

// componentEnd returns the end for a component: a pod that runs, or else the pod that the Deployment will create.
func (x *explainer) componentEnd(word string) (end, bool) {
	i := slices.IndexFunc(x.stack.Graph.Components, func(c graph.Component) bool { return c.Name == word })
	if i < 0 {
		return end{}, false
	}
	if pod := x.pod(func(p *corev1.Pod) bool { return x.componentOf(p) == word }); pod != nil {
		return x.podEnd(pod), true
	}
	// No pod runs: take the pod that the Deployment will create.
	for _, o := range x.stack.Objects {
		if d, ok := o.(*appsv1.Deployment); ok && d.Name == v1alpha1.ChildName(x.stack.Object.Name, word) {
			pod := &corev1.Pod{ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(), Spec: d.Spec.Template.Spec}
			pod.Namespace, pod.Name = d.Namespace, d.Name
			return end{End: evaluate.End{Pod: pod}, words: word + " (no pod of it runs)", component: word}, true
		}
	}
	if c := x.stack.Graph.Components[i]; c.OnDemand {
		return end{End: evaluate.End{Pod: audit.PodOf(x.stack.Graph, c)}, words: word + " (no pod of it runs)", component: word}, true
	}
	return end{}, false
}

// componentOf returns the component of a pod, by the labels that policies select and by the pod's controller. A pod that carries the labels
// and has another controller is not the component's.
func (x *explainer) componentOf(pod *corev1.Pod) string {
	name, _ := audit.OwnedBy(x.stack.Graph, x.stack.Snapshot.Origin.Kind, pod)
	return name
}

// pod returns the first matching pod of the snapshot that is not finished, nil when there is none.
func (x *explainer) pod(matches func(*corev1.Pod) bool) *corev1.Pod {
	for i := range x.stack.Snapshot.Pods {
		p := &x.stack.Snapshot.Pods[i]
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed && matches(p) {
			return p
		}
	}
	return nil
}

// podEnd returns the end for a pod.
func (x *explainer) podEnd(pod *corev1.Pod) end {
	e := end{End: evaluate.End{Pod: pod}, words: "pod " + pod.Namespace + "/" + pod.Name, component: x.componentOf(pod)}
	if e.component != "" {
		e.words = e.component + " (" + e.words + ")"
	}
	return e
}

// addressEnd returns the pod with an address, or else the address itself.
func (x *explainer) addressEnd(address netip.Addr) end {
	text := address.String()
	pod := x.pod(func(p *corev1.Pod) bool {
		return !p.Spec.HostNetwork &&
			(p.Status.PodIP == text || slices.ContainsFunc(p.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == text }))
	})
	if pod != nil {
		return x.podEnd(pod)
	}
	return end{End: evaluate.End{Address: address}, words: "address " + text}
}

// peerByName returns the end for a peer that the graph names: a pod that the peer selects, or the first address of its block.
func (x *explainer) peerByName(word string) (e end, found bool, err error) {
	for _, c := range x.stack.Graph.Edges {
		for _, peer := range []graph.Peer{c.From, c.To} {
			if peer.Inside || peer.Name != word {
				continue
			}
			if peer.Anyone() {
				e = unexpectedSources(x.stack.Object.Namespace)[audit.IntruderElsewhere]
				e.words = word + " (anyone)"
				return e, true, nil
			}
			for _, p := range peer.NetworkPeers {
				if e, found := x.peerEnd(p); found {
					e.words = word + " (" + e.words + ")"
					return e, true, nil
				}
			}
			return end{}, false, fmt.Errorf("%s is %s, and no such pod is known: name an address or another pod", word, graph.DescribePeer(peer))
		}
	}
	return end{}, false, nil
}

// peerEnd returns the end for one peer of a policy: the first address of a block, or a pod that the selectors match.
func (x *explainer) peerEnd(peer networkingv1.NetworkPolicyPeer) (end, bool) {
	if peer.IPBlock != nil {
		prefix, err := netip.ParsePrefix(peer.IPBlock.CIDR)
		if err != nil {
			return end{}, false
		}
		return x.addressEnd(prefix.Addr()), true
	}
	pods, err := selector(peer.PodSelector)
	if err != nil {
		return end{}, false
	}
	namespaces, err := selector(peer.NamespaceSelector)
	if err != nil {
		return end{}, false
	}
	pod := x.pod(func(p *corev1.Pod) bool {
		if p.Spec.HostNetwork || !pods.Matches(labels.Set(p.Labels)) {
			return false
		}
		if peer.NamespaceSelector == nil {
			return p.Namespace == x.stack.Object.Namespace
		}
		return namespaces.Matches(x.namespaceLabels(p.Namespace))
	})
	if pod == nil {
		return x.expectedPod(peer)
	}
	return x.podEnd(pod), true
}

// expectedPod returns the pod that a peer describes when no such pod runs, if the peer names labels and a namespace.
func (x *explainer) expectedPod(peer networkingv1.NetworkPolicyPeer) (end, bool) {
	namespace := x.stack.Object.Namespace
	if s := peer.NamespaceSelector; s != nil {
		namespace = s.MatchLabels[corev1.LabelMetadataName]
	}
	if s := peer.PodSelector; namespace == "" || s == nil || len(s.MatchLabels) == 0 || len(s.MatchExpressions) > 0 {
		return end{}, false
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "expected", Labels: peer.PodSelector.MatchLabels}}
	words := fmt.Sprintf("a pod labelled %s in namespace %s; none is known", labels.Set(pod.Labels), namespace)
	return end{End: evaluate.End{Pod: pod}, words: words}, true
}

// selector returns the selector of a peer; an absent selector matches everything.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

// namespaceLabels returns the labels of a namespace. A namespace that is not in the snapshot, as in a folder, has the label that every
// namespace has.
func (x *explainer) namespaceLabels(namespace string) labels.Set {
	for i := range x.stack.Snapshot.Namespaces {
		if x.stack.Snapshot.Namespaces[i].Name == namespace {
			return x.stack.Snapshot.Namespaces[i].Labels
		}
	}
	return labels.Set{corev1.LabelMetadataName: namespace}
}
