package main

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

// end of a connection that somebody asks about.
type end struct {
	evaluate.End
	// words for people.
	words string
	// component of the stack that it is; empty for everybody else.
	component string
}

// end understands the word for one: a component, a party of the graph, a stranger by the audit's name, an address, or a pod,
// [namespace/]name, of which the beginning is enough.
func (v *view) end(word string) (end, error) {
	if e, ok := v.componentEnd(word); ok {
		return e, nil
	}
	if e, ok := strangers(v.stack.Namespace)[word]; ok {
		return e, nil
	}
	if address, err := netip.ParseAddr(word); err == nil {
		return v.addressEnd(address.Unmap()), nil
	}
	if e, found, err := v.partyEnd(word); found || err != nil {
		return e, err
	}
	namespace, podName := v.stack.Namespace, word
	if before, after, both := strings.Cut(word, "/"); both {
		namespace, podName = before, after
	}
	if pod := v.pod(func(p *corev1.Pod) bool { return p.Namespace == namespace && p.Name == podName }); pod != nil {
		return v.podEnd(pod), nil
	}
	if pod := v.pod(func(p *corev1.Pod) bool { return p.Namespace == namespace && strings.HasPrefix(p.Name, podName+"-") }); pod != nil {
		return v.podEnd(pod), nil
	}
	return end{}, fmt.Errorf("%q is no pod, address, component or party that is known here: write namespace/pod, an IP address, or one of %s", word, strings.Join(v.known(), ", "))
}

// known words, besides pods and addresses.
func (v *view) known() []string {
	var all []string
	for _, c := range v.graph.Components {
		all = append(all, c.Name)
	}
	for _, c := range v.graph.Connections {
		for _, p := range []graph.Party{c.From, c.To} {
			if !p.Inside && !slices.Contains(all, p.Name) {
				all = append(all, p.Name)
			}
		}
	}
	return append(all, graph.Intruder, audit.Elsewhere, audit.OutsideIPv4, audit.OutsideIPv6)
}

// strangers are pods without labels and addresses that no policy speaks of, by their names in the audit's cells. The addresses are of
// blocks for benchmarks (RFC 2544, RFC 5180), which nobody has.
func strangers(namespace string) map[string]end {
	pod := func(namespace string) evaluate.End {
		return evaluate.End{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "anyone"}}}
	}
	return map[string]end{
		graph.Intruder:    {End: pod(namespace), words: "a pod without labels in namespace " + namespace},
		audit.Elsewhere:   {End: pod("elsewhere." + namespace), words: "a pod without labels in another namespace"},
		audit.OutsideIPv4: {End: evaluate.End{Address: netip.MustParseAddr("198.18.0.1")}, words: "an IPv4 address outside the cluster"},
		audit.OutsideIPv6: {End: evaluate.End{Address: netip.MustParseAddr("2001:2::1")}, words: "an IPv6 address outside the cluster"},
	}
}

func (v *view) componentEnd(word string) (end, bool) {
	if !slices.ContainsFunc(v.graph.Components, func(c graph.Component) bool { return c.Name == word }) {
		return end{}, false
	}
	if pod := v.pod(func(p *corev1.Pod) bool { return v.componentOf(p) == word }); pod != nil {
		return v.podEnd(pod), true
	}
	// None runs: one as its Deployment will make it.
	for _, o := range v.objects {
		if d, ok := o.(*appsv1.Deployment); ok && d.Name == v1alpha1.ChildName(v.stack.Name, word) {
			pod := &corev1.Pod{ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(), Spec: d.Spec.Template.Spec}
			pod.Namespace, pod.Name = d.Namespace, d.Name
			return end{End: evaluate.End{Pod: pod}, words: word + " (no pod of it runs)", component: word}, true
		}
	}
	return end{}, false
}

// componentOf a pod, by the labels by which policies know it and by what made it. Who else carries the labels is not the component.
func (v *view) componentOf(pod *corev1.Pod) string {
	if pod.Namespace != v.stack.Namespace {
		return ""
	}
	for _, c := range v.graph.Components {
		if labels.SelectorFromSet(c.Labels(v.stack.Name)).Matches(labels.Set(pod.Labels)) && audit.MadeBy(pod, v.stack.Name, c.Name, v.world.Source.Kind) {
			return c.Name
		}
	}
	return ""
}

// pod of the snapshot that is not finished, the first by name.
func (v *view) pod(matches func(*corev1.Pod) bool) *corev1.Pod {
	for i := range v.world.Pods {
		p := &v.world.Pods[i]
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed && matches(p) {
			return p
		}
	}
	return nil
}

func (v *view) podEnd(pod *corev1.Pod) end {
	e := end{End: evaluate.End{Pod: pod}, words: "pod " + pod.Namespace + "/" + pod.Name, component: v.componentOf(pod)}
	if e.component != "" {
		e.words = e.component + " (" + e.words + ")"
	}
	return e
}

// addressEnd is the pod with an address, or the address itself.
func (v *view) addressEnd(address netip.Addr) end {
	text := address.String()
	pod := v.pod(func(p *corev1.Pod) bool {
		return !p.Spec.HostNetwork && (p.Status.PodIP == text || slices.ContainsFunc(p.Status.PodIPs, func(ip corev1.PodIP) bool { return ip.IP == text }))
	})
	if pod != nil {
		return v.podEnd(pod)
	}
	return end{End: evaluate.End{Address: address}, words: "address " + text}
}

// partyEnd is one of those whom the graph names by a word: a pod that runs there, or the first address of a block.
func (v *view) partyEnd(word string) (e end, found bool, err error) {
	for _, c := range v.graph.Connections {
		for _, party := range []graph.Party{c.From, c.To} {
			if party.Inside || party.Name != word {
				continue
			}
			if party.Anyone() {
				e = strangers(v.stack.Namespace)[audit.Elsewhere]
				e.words = word + " (anyone)"
				return e, true, nil
			}
			for _, peer := range party.Peers {
				if e, found := v.peerEnd(peer); found {
					e.words = word + " (" + e.words + ")"
					return e, true, nil
				}
			}
			return end{}, false, fmt.Errorf("%s is %s, and no such pod is known: name an address or another pod", word, graph.Place(party))
		}
	}
	return end{}, false, nil
}

func (v *view) peerEnd(peer networkingv1.NetworkPolicyPeer) (end, bool) {
	if peer.IPBlock != nil {
		prefix, err := netip.ParsePrefix(peer.IPBlock.CIDR)
		if err != nil {
			return end{}, false
		}
		return v.addressEnd(prefix.Addr()), true
	}
	pods, err := selector(peer.PodSelector)
	if err != nil {
		return end{}, false
	}
	namespaces, err := selector(peer.NamespaceSelector)
	if err != nil {
		return end{}, false
	}
	pod := v.pod(func(p *corev1.Pod) bool {
		if p.Spec.HostNetwork || !pods.Matches(labels.Set(p.Labels)) {
			return false
		}
		if peer.NamespaceSelector == nil {
			return p.Namespace == v.stack.Namespace
		}
		return namespaces.Matches(v.namespaceLabels(p.Namespace))
	})
	if pod == nil {
		return v.imagined(peer)
	}
	return v.podEnd(pod), true
}

// imagined is the pod that a peer describes when none runs, if its labels and its namespace are named.
func (v *view) imagined(peer networkingv1.NetworkPolicyPeer) (end, bool) {
	namespace := v.stack.Namespace
	if s := peer.NamespaceSelector; s != nil {
		namespace = s.MatchLabels[corev1.LabelMetadataName]
	}
	if s := peer.PodSelector; namespace == "" || s == nil || len(s.MatchLabels) == 0 || len(s.MatchExpressions) > 0 {
		return end{}, false
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "one-to-be", Labels: peer.PodSelector.MatchLabels}}
	words := fmt.Sprintf("a pod labelled %s in namespace %s; none is known", labels.Set(pod.Labels), namespace)
	return end{End: evaluate.End{Pod: pod}, words: words}, true
}

// selector of a peer; absent means everything.
func selector(s *metav1.LabelSelector) (labels.Selector, error) {
	if s == nil {
		return labels.Everything(), nil
	}
	return metav1.LabelSelectorAsSelector(s)
}

func (v *view) namespaceLabels(namespace string) labels.Set {
	for i := range v.world.Namespaces {
		if v.world.Namespaces[i].Name == namespace {
			return v.world.Namespaces[i].Labels
		}
	}
	return labels.Set{corev1.LabelMetadataName: namespace}
}
