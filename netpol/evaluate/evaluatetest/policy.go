package evaluatetest

import (
	"net/netip"
	"slices"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
)

// Policy draws a policy that the API server would accept.
func Policy(t *rapid.T, name, namespace string) networkingv1.NetworkPolicy {
	p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	if chance(t, "deleting", 8) {
		p.DeletionTimestamp = ptr.To(metav1.NewTime(time.Unix(0, 0).UTC()))
	}
	p.Spec.PodSelector = Selector(t)
	p.Spec.PolicyTypes = sample(t, "policyTypes", [][]networkingv1.PolicyType{
		{networkingv1.PolicyTypeIngress}, {networkingv1.PolicyTypeEgress},
		{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, nil, {},
	})
	for range rapid.IntRange(0, 2).Draw(t, "ingress") {
		p.Spec.Ingress = append(p.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: peers(t), Ports: ports(t)})
	}
	for range rapid.IntRange(0, 2).Draw(t, "egress") {
		p.Spec.Egress = append(p.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: peers(t), Ports: ports(t)})
	}
	return p
}

// Selector draws a label selector, often an empty one.
func Selector(t *rapid.T) metav1.LabelSelector {
	var s metav1.LabelSelector
	if chance(t, "by label", 2) {
		s.MatchLabels = map[string]string{sample(t, "key", keys): sample(t, "value", values)}
		if chance(t, "two labels", 4) {
			s.MatchLabels[sample(t, "key", keys)] = sample(t, "value", values)
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "expressions") - 1 {
		s.MatchExpressions = append(s.MatchExpressions, expression(t))
	}
	return s
}

func expression(t *rapid.T) metav1.LabelSelectorRequirement {
	e := metav1.LabelSelectorRequirement{Key: sample(t, "key", keys), Operator: sample(t, "operator", []metav1.LabelSelectorOperator{
		metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
	})}
	if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
		e.Values = sample(t, "values", [][]string{{"a"}, {"b"}, {""}, {"a", "b"}, {"b", ""}})
	}
	return e
}

// none draws nil or an empty list, which mean the same in a policy.
func none[T any](t *rapid.T) []T { return sample(t, "none", [][]T{nil, {}}) }

func peers(t *rapid.T) []networkingv1.NetworkPolicyPeer {
	n := rapid.IntRange(0, 3).Draw(t, "peers")
	if n == 0 {
		return none[networkingv1.NetworkPolicyPeer](t)
	}
	var all []networkingv1.NetworkPolicyPeer
	for range n {
		all = append(all, peer(t))
	}
	return all
}

func peer(t *rapid.T) networkingv1.NetworkPolicyPeer {
	switch rapid.IntRange(0, 3).Draw(t, "peer") {
	case 0:
		return networkingv1.NetworkPolicyPeer{PodSelector: ptr.To(Selector(t))}
	case 1:
		return networkingv1.NetworkPolicyPeer{NamespaceSelector: ptr.To(Selector(t))}
	case 2:
		return networkingv1.NetworkPolicyPeer{PodSelector: ptr.To(Selector(t)), NamespaceSelector: ptr.To(Selector(t))}
	}
	return networkingv1.NetworkPolicyPeer{IPBlock: Block(t)}
}

// Block draws a block around an address that may belong to a pod, with exceptions inside of the block.
func Block(t *rapid.T) *networkingv1.IPBlock {
	lengths, inside := []int{0, 8, 16, 23, 24, 28, 30, 31, 32}, address(t, byte(rapid.IntRange(0, 1).Draw(t, "network"))) //nolint:gosec // 0 or 1
	if inside.Is6() {
		lengths = []int{0, 8, 64, 111, 112, 120, 124, 126, 127, 128}
	}
	i := rapid.IntRange(0, len(lengths)-1).Draw(t, "length")
	cidr := netip.PrefixFrom(inside, lengths[i])
	b := &networkingv1.IPBlock{CIDR: cidr.String()}
	if chance(t, "masked", 2) {
		b.CIDR = cidr.Masked().String()
	}
	if i == len(lengths)-1 {
		return b
	}
	for range rapid.IntRange(0, 3).Draw(t, "excepts") - 1 {
		within := address(t, byte(rapid.IntRange(0, 1).Draw(t, "network"))) //nolint:gosec // 0 or 1
		if !cidr.Contains(within) {
			within = inside
		}
		longer := lengths[i+1:]
		b.Except = append(b.Except, netip.PrefixFrom(within, longer[rapid.IntRange(0, len(longer)-1).Draw(t, "longer")]).Masked().String())
	}
	slices.Sort(b.Except)
	return b
}

func ports(t *rapid.T) []networkingv1.NetworkPolicyPort {
	n := rapid.IntRange(0, 2).Draw(t, "ports")
	if n == 0 {
		return none[networkingv1.NetworkPolicyPort](t)
	}
	var all []networkingv1.NetworkPolicyPort
	for range n {
		all = append(all, port(t))
	}
	return all
}

func port(t *rapid.T) networkingv1.NetworkPolicyPort {
	var p networkingv1.NetworkPolicyPort
	if !chance(t, "default protocol", 3) {
		p.Protocol = ptr.To(sample(t, "protocol", protocols))
	}
	switch rapid.IntRange(0, 3).Draw(t, "kind of port") {
	case 0: // all ports of the protocol
	case 1:
		p.Port = ptr.To(intstr.FromString(sample(t, "name", portNames)))
	case 2:
		p.Port = ptr.To(intstr.FromInt32(sample(t, "number", numbers)))
	case 3:
		first := sample(t, "first", numbers)
		p.Port, p.EndPort = ptr.To(intstr.FromInt32(first)), ptr.To(first+sample(t, "more", []int32{0, 1, 2, 400}))
	}
	return p
}
