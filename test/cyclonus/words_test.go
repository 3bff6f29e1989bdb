package cyclonus_test

import (
	"slices"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// inOtherWords rewrites a policy so that cyclonus evaluates it as the API defines. These are all deviations; the tests below show each.
//
//   - policyTypes that are absent get their default.
//   - "key NotIn values" becomes two: one for objects with the key, one for those without.
//   - matchLabels with an empty value also asks for the key.
//
// Deviations that cannot be rewritten are left out of the comparison: a pod's connections to itself, and host-network pods.
func inOtherWords(p *networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	var said []*networkingv1.NetworkPolicy
	for _, selector := range alternatives(p.Spec.PodSelector) {
		q := p.DeepCopy()
		q.Spec.PodSelector = selector
		if len(q.Spec.PolicyTypes) == 0 {
			q.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
			if len(q.Spec.Egress) > 0 {
				q.Spec.PolicyTypes = append(q.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
			}
		}
		for i := range q.Spec.Ingress {
			q.Spec.Ingress[i].From = peersInOtherWords(q.Spec.Ingress[i].From)
		}
		for i := range q.Spec.Egress {
			q.Spec.Egress[i].To = peersInOtherWords(q.Spec.Egress[i].To)
		}
		said = append(said, q)
	}
	return said
}

func peersInOtherWords(peers []networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
	var said []networkingv1.NetworkPolicyPeer
	for _, p := range peers {
		for _, pods := range optional(p.PodSelector) {
			for _, namespaces := range optional(p.NamespaceSelector) {
				said = append(said, networkingv1.NetworkPolicyPeer{PodSelector: pods, NamespaceSelector: namespaces, IPBlock: p.IPBlock})
			}
		}
	}
	return said
}

func optional(s *metav1.LabelSelector) []*metav1.LabelSelector {
	if s == nil {
		return []*metav1.LabelSelector{nil}
	}
	var all []*metav1.LabelSelector
	for _, a := range alternatives(*s) {
		all = append(all, &a)
	}
	return all
}

// alternatives returns selectors of which one matches exactly where the given selector does.
func alternatives(s metav1.LabelSelector) []metav1.LabelSelector {
	all := []metav1.LabelSelector{{MatchLabels: s.MatchLabels}}
	and := func(more ...metav1.LabelSelectorRequirement) {
		var next []metav1.LabelSelector
		for _, a := range all {
			for _, r := range more {
				next = append(next, metav1.LabelSelector{
					MatchLabels: a.MatchLabels, MatchExpressions: append(slices.Clone(a.MatchExpressions), r),
				})
			}
		}
		all = next
	}
	for key, value := range s.MatchLabels {
		if value == "" {
			and(metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpExists})
		}
	}
	for _, e := range s.MatchExpressions {
		if e.Operator == metav1.LabelSelectorOpNotIn {
			and(e, metav1.LabelSelectorRequirement{Key: e.Key, Operator: metav1.LabelSelectorOpDoesNotExist})
		} else {
			and(e)
		}
	}
	return all
}

// verbatim evaluates a connection from one pod to another with cyclonus under an unchanged policy.
func verbatim(p networkingv1.NetworkPolicy, from, to *corev1.Pod) bool {
	peer := func(pod *corev1.Pod, ip string) *matcher.TrafficPeer {
		return &matcher.TrafficPeer{IP: ip, Internal: &matcher.InternalPeer{PodLabels: pod.Labels, Namespace: pod.Namespace}}
	}
	return matcher.BuildNetworkPolicies(false, []*networkingv1.NetworkPolicy{&p}).IsTrafficAllowed(&matcher.Traffic{
		Source: peer(from, "10.0.0.1"), Destination: peer(to, "10.0.0.2"), ResolvedPort: 80, Protocol: corev1.ProtocolTCP,
	}).IsAllowed()
}

func ours(t *testing.T, p networkingv1.NetworkPolicy, from, to *corev1.Pod) bool {
	e, err := evaluate.New(nil, []networkingv1.NetworkPolicy{p})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e.Connect(evaluate.End{Pod: from}, evaluate.End{Pod: to}, 80, corev1.ProtocolTCP).Open
}

func bare(name string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "im", Labels: labels}}
}

func ingressPolicy(selector metav1.LabelSelector) networkingv1.NetworkPolicy {
	return networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "deny", Namespace: "im"},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: selector, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}},
	}
}

// labels.Requirement.Matches, by which API server and networks match: "The operator is DoesNotExist or NotIn and Labels does not have the
// Requirement's key."
func TestNotInMatchesPodsWithoutTheLabel(t *testing.T) {
	deny := ingressPolicy(metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
		{Key: "tier", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"frontend"}},
	}})
	from, to := bare("from", nil), bare("to", nil)
	NewWithT(t).Expect(ours(t, deny, from, to)).To(BeFalse(), "the policy selects the pod, which has no such label")
	NewWithT(t).Expect(verbatim(deny, from, to)).To(BeTrue(), "cyclonus v0.5.6 takes it for not selected: when this fails, drop the words for NotIn")
}

// LabelSelector.matchLabels: "A single {key,value} in the matchLabels map is equivalent to an element of matchExpressions, whose key
// field is "key", the operator is "In", and the values array contains only "value"."; and In does not match without the key.
func TestAnEmptyValueIsNotAnAbsentLabel(t *testing.T) {
	deny := ingressPolicy(metav1.LabelSelector{MatchLabels: map[string]string{"tier": ""}})
	from, to := bare("from", nil), bare("to", nil)
	NewWithT(t).Expect(ours(t, deny, from, to)).To(BeTrue(), "the policy does not select the pod, which has no such label")
	NewWithT(t).Expect(verbatim(deny, from, to)).To(BeFalse(), "cyclonus v0.5.6 takes it for selected: when this fails, drop the words for it")
}

// NetworkPolicySpec.policyTypes: "If this field is not specified, it will default based on the existence of ingress or egress rules". The
// API server does not fill it in for manifests in a folder.
func TestPolicyTypesHaveADefault(t *testing.T) {
	deny := ingressPolicy(metav1.LabelSelector{})
	deny.Spec.PolicyTypes = nil
	from, to := bare("from", nil), bare("to", nil)
	NewWithT(t).Expect(ours(t, deny, from, to)).To(BeFalse())
	NewWithT(t).Expect(func() { verbatim(deny, from, to) }).To(Panic(), "cyclonus v0.5.6 refuses it: when this fails, drop the words for it")
}

// "Network Policies", on whom a pod can communicate with: "exception: a pod cannot block access to itself". Cyclonus does not know which
// pod is which.
func TestAPodReachesItself(t *testing.T) {
	deny, pod := ingressPolicy(metav1.LabelSelector{}), bare("to", nil)
	NewWithT(t).Expect(ours(t, deny, pod, pod)).To(BeTrue())
	NewWithT(t).Expect(verbatim(deny, pod, pod)).To(BeFalse(), "cyclonus v0.5.6 denies it: when this fails, compare pods with themselves too")
}

// "Network Policies", "NetworkPolicy and hostNetwork pods": the most common implementation "ignores hostNetwork pods when matching
// podSelector and namespaceSelector". Cyclonus has no such pods.
func TestNoSelectorMatchesAPodOnItsNodesNetwork(t *testing.T) {
	deny, pod := ingressPolicy(metav1.LabelSelector{}), bare("to", nil)
	pod.Spec.HostNetwork = true
	NewWithT(t).Expect(ours(t, deny, bare("from", nil), pod)).To(BeTrue())
	NewWithT(t).Expect(verbatim(deny, bare("from", nil), pod)).To(BeFalse(), "cyclonus v0.5.6 denies it: when this fails, compare such pods too")
}
