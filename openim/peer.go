package openim

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// NetworkPeers converts the peers of a spec to peers of a NetworkPolicy. A pod selector without a namespace selector means the stack's
// namespace. The result names this namespace, so that the policy has the same meaning when it is copied.
func NetworkPeers(namespace string, peers []v1alpha1.Peer) []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for _, p := range peers {
		if p.IPBlock != nil {
			out = append(out, networkingv1.NetworkPolicyPeer{IPBlock: networkBlock(p.IPBlock)})
			continue
		}
		peer := networkingv1.NetworkPolicyPeer{PodSelector: selector(p.PodSelector), NamespaceSelector: selector(p.NamespaceSelector)}
		if peer.NamespaceSelector == nil {
			peer.NamespaceSelector = NamespaceNamed(namespace)
		}
		out = append(out, peer)
	}
	return out
}

// NamespaceNamed returns a selector of one namespace, by the label that the API server sets on every namespace.
func NamespaceNamed(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

// networkBlock returns the block in canonical form. Invalid text is kept: the API server then refuses the policy, and nothing is opened
// by a guess.
func networkBlock(b *v1alpha1.IPBlock) *networkingv1.IPBlock {
	out := &networkingv1.IPBlock{CIDR: canonical(b.CIDR)}
	for _, except := range b.Except {
		out.Except = append(out.Except, canonical(except))
	}
	return out
}

func canonical(block v1alpha1.CIDR) string {
	prefix, err := netip.ParsePrefix(string(block))
	if err != nil {
		return string(block)
	}
	return prefix.Masked().String()
}

// selector converts a selector to Kubernetes' type. An absent selector stays absent: an empty one has another meaning.
func selector(s *v1alpha1.Selector) *metav1.LabelSelector {
	if s == nil {
		return nil
	}
	out := &metav1.LabelSelector{MatchLabels: s.MatchLabels}
	for _, e := range s.MatchExpressions {
		out.MatchExpressions = append(out.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: e.Key, Operator: metav1.LabelSelectorOperator(e.Operator), Values: e.Values,
		})
	}
	return out
}
