package openim

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// NetworkPeers turns the peers of a spec into those of a NetworkPolicy. A pod selector without a namespace selector means the
// stack's own namespace in both.
func NetworkPeers(peers []v1alpha1.Peer) []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for _, p := range peers {
		peer := networkingv1.NetworkPolicyPeer{PodSelector: selector(p.PodSelector), NamespaceSelector: selector(p.NamespaceSelector)}
		if p.IPBlock != nil {
			peer.IPBlock = &networkingv1.IPBlock{CIDR: string(p.IPBlock.CIDR)}
			for _, except := range p.IPBlock.Except {
				peer.IPBlock.Except = append(peer.IPBlock.Except, string(except))
			}
		}
		out = append(out, peer)
	}
	return out
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
