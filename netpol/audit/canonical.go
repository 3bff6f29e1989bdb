package audit

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// canonicalPolicy is the meaning of a NetworkPolicy, independent of the API server's defaults and of the order of its rules.
type canonicalPolicy struct {
	Selector        string
	Types           []string
	Ingress, Egress []string
}

// SameMeaning reports whether two policies mean the same.
func SameMeaning(a, b networkingv1.NetworkPolicySpec) bool {
	return reflect.DeepEqual(canonical(a), canonical(b))
}

// canonical returns the meaning of a policy. Rules of a direction that the policy does not apply to have no meaning.
func canonical(spec networkingv1.NetworkPolicySpec) canonicalPolicy {
	c := canonicalPolicy{Selector: canonicalSelector(&spec.PodSelector)}
	for _, t := range typesOf(spec) {
		c.Types = append(c.Types, string(t))
	}
	if slices.Contains(c.Types, ingress) {
		for _, r := range spec.Ingress {
			c.Ingress = append(c.Ingress, canonicalRule(r.From, r.Ports))
		}
	}
	if slices.Contains(c.Types, egress) {
		for _, r := range spec.Egress {
			c.Egress = append(c.Egress, canonicalRule(r.To, r.Ports))
		}
	}
	c.Types, c.Ingress, c.Egress = distinct(c.Types), distinct(c.Ingress), distinct(c.Egress)
	return c
}

// typesOf returns a policy's directions, with the API's default: Ingress, and Egress when there are egress rules.
func typesOf(spec networkingv1.NetworkPolicySpec) []networkingv1.PolicyType {
	if len(spec.PolicyTypes) > 0 {
		return spec.PolicyTypes
	}
	if len(spec.Egress) > 0 {
		return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}
	}
	return []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
}

// canonicalRule encodes a rule. No peers mean anyone, no ports mean all ports, and the order of either has no meaning.
func canonicalRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) string {
	rule := struct{ Peers, Ports []string }{}
	for _, p := range peers {
		rule.Peers = append(rule.Peers, canonicalPeer(p))
	}
	for _, p := range ports {
		rule.Ports = append(rule.Ports, canonicalPort(p))
	}
	rule.Peers, rule.Ports = distinct(rule.Peers), distinct(rule.Ports)
	return encoded(rule)
}

// canonicalPeer encodes a peer. A namespace selector without a pod selector means all pods of the namespaces, and a pod selector without a
// namespace selector means the policy's own namespace, so the two must not be encoded alike.
func canonicalPeer(p networkingv1.NetworkPolicyPeer) string {
	peer := struct {
		Pods, Namespaces, CIDR string
		Except                 []string
	}{}
	if p.PodSelector != nil {
		peer.Pods = canonicalSelector(p.PodSelector)
	}
	if p.NamespaceSelector != nil {
		peer.Namespaces = canonicalSelector(p.NamespaceSelector)
		if p.PodSelector == nil {
			peer.Pods = canonicalSelector(&metav1.LabelSelector{}) // all pods of the namespaces
		}
	}
	if p.IPBlock != nil {
		peer.CIDR = masked(p.IPBlock.CIDR)
		for _, e := range p.IPBlock.Except {
			peer.Except = append(peer.Except, masked(e))
		}
		peer.Except = distinct(peer.Except)
	}
	return encoded(peer)
}

// masked returns a CIDR without host bits: 10.0.0.1/8 and 10.0.0.0/8 are the same block.
func masked(cidr string) string {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return cidr
	}
	return p.Masked().String()
}

// canonicalPort encodes a port. The API server sets TCP when the protocol is absent. An end port that equals the port has no meaning.
func canonicalPort(p networkingv1.NetworkPolicyPort) string {
	out := struct {
		Protocol, Port string
		End            int32
	}{Protocol: string(corev1.ProtocolTCP)}
	if p.Protocol != nil {
		out.Protocol = string(*p.Protocol)
	}
	if p.Port != nil {
		out.Port = p.Port.String()
		if p.EndPort != nil && (p.Port.Type != intstr.Int || *p.EndPort != p.Port.IntVal) {
			out.End = *p.EndPort
		}
	}
	return encoded(out)
}

// canonicalSelector encodes a selector. A label to match equals an In with one value, and the order of keys and values has no meaning.
func canonicalSelector(s *metav1.LabelSelector) string {
	var parts []string
	for key, value := range s.MatchLabels {
		parts = append(parts, encoded([]string{key, string(metav1.LabelSelectorOpIn), value}))
	}
	for _, e := range s.MatchExpressions {
		parts = append(parts, encoded(append([]string{e.Key, string(e.Operator)}, distinct(e.Values)...)))
	}
	return encoded(distinct(parts))
}

// encoded returns a value as JSON, which makes nested values comparable as strings.
func encoded(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error() // never: strings and numbers always encode
	}
	return string(raw)
}
