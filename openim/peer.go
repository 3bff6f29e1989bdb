package openim

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// NetworkPeers turns the peers of a spec into those of a NetworkPolicy. A pod selector without a namespace selector means the
// stack's own namespace, which is then named: a policy that is read or copied elsewhere means the same.
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

// NamespaceNamed selects one namespace, by the label that the API server itself sets on each.
func NamespaceNamed(name string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: name}}
}

// networkBlock is the same block in its canonical text, of either family. What is no block, or an exception of the other family, stays
// as it is: the API server then refuses the policy, and nobody is let in by a guess.
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

// selector is the same in Kubernetes' own type. Absent stays absent, which is not the same as empty.
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
