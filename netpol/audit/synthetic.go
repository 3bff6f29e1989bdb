package audit

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// A rule lets in pods that do not exist yet. To evaluate it, a synthetic pod is made for each of its peers, with the labels that the
// selectors require and no others. If the graph does not expect that pod, the rule is wider than intended.

// maxSynthetic bounds the synthetic ends of one selector: several In expressions with many values would multiply.
const maxSynthetic = 32

// syntheticEnds returns ends that peers match. A peer without a namespace selector means the given namespace, that of the policy.
func syntheticEnds(m *Model, namespace string, peers []networkingv1.NetworkPolicyPeer) []evaluate.End {
	var found []evaluate.End
	for _, p := range peers {
		if p.IPBlock != nil {
			found = append(found, addressesOf(p.IPBlock)...)
			continue
		}
		for _, ns := range namespacesFor(m.namespaces, namespace, p.NamespaceSelector) {
			for _, labels := range satisfy(p.PodSelector) {
				found = append(found, evaluate.End{Pod: syntheticPod(ns.name, labels), NamespaceLabels: ns.labels})
			}
		}
	}
	return found
}

// namespace is one in which a pod could be. It need not exist.
type namespace struct {
	name   string
	labels map[string]string
}

// namespacesFor returns namespaces that a selector matches: existing ones, and new ones that an account with the permission to create or
// label namespaces could create. Without a selector it returns the policy's own namespace.
func namespacesFor(existing map[string]map[string]string, own string, selector *metav1.LabelSelector) []namespace {
	if selector == nil {
		return []namespace{{name: own, labels: existing[own]}}
	}
	var found []namespace
	matches, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(existing)) {
		if labels := namedNamespace(name, existing[name]); matches.Matches(set(labels)) && len(found) < maxSynthetic {
			found = append(found, namespace{name: name, labels: labels})
		}
	}
	for _, labels := range satisfy(selector) {
		name, fixed := labels[corev1.LabelMetadataName]
		if fixed && slices.ContainsFunc(found, func(ns namespace) bool { return ns.name == name }) {
			continue
		}
		if !fixed {
			name = unusedNamespace(existing)
		}
		labels = namedNamespace(name, labels)
		if matches.Matches(set(labels)) {
			found = append(found, namespace{name: name, labels: labels})
		}
	}
	return found
}

// satisfy returns sets of labels that match a selector and hold no labels that the selector does not require. For example, the expression
// "app In (a, b)" returns {app: a} and {app: b}. It returns nothing for a selector that contradicts itself.
func satisfy(selector *metav1.LabelSelector) []map[string]string {
	if selector == nil {
		return []map[string]string{nil}
	}
	sets := []map[string]string{maps.Clone(selector.MatchLabels)}
	if sets[0] == nil {
		sets[0] = map[string]string{}
	}
	for _, e := range selector.MatchExpressions {
		switch e.Operator {
		case metav1.LabelSelectorOpIn:
			sets = withValues(sets, e.Key, e.Values)
		case metav1.LabelSelectorOpExists:
			sets = withValues(sets, e.Key, []string{"any"})
		case metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpDoesNotExist:
			// Absent labels match these operators.
		}
	}
	matches, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sets, func(labels map[string]string) bool { return !matches.Matches(set(labels)) })
}

// withValues returns each set with each of the values of a key. Sets that have the key stay as they are.
func withValues(sets []map[string]string, key string, values []string) []map[string]string {
	var found []map[string]string
	for _, labels := range sets {
		if _, has := labels[key]; has {
			found = append(found, labels)
			continue
		}
		for _, value := range values {
			if len(found) == maxSynthetic {
				return found
			}
			more := maps.Clone(labels)
			more[key] = value
			found = append(found, more)
		}
	}
	return found
}

// addressesOf returns addresses of a block: its first one, and the first one after each of its exceptions. Addresses that an exception
// covers are left out.
func addressesOf(block *networkingv1.IPBlock) []evaluate.End {
	prefix, err := netip.ParsePrefix(block.CIDR)
	if err != nil {
		return nil
	}
	var except []netip.Prefix
	for _, text := range block.Except {
		if e, err := netip.ParsePrefix(text); err == nil {
			except = append(except, e.Masked())
		}
	}
	candidates := []netip.Addr{prefix.Masked().Addr()}
	for _, e := range except {
		candidates = append(candidates, last(e).Next())
	}
	var found []evaluate.End
	for _, a := range candidates {
		if prefix.Contains(a) && !slices.ContainsFunc(except, func(e netip.Prefix) bool { return e.Contains(a) }) {
			found = append(found, evaluate.End{Address: a})
		}
	}
	return found
}

// last returns the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// set implements labels.Labels.
type set map[string]string

func (s set) Has(key string) bool              { _, has := s[key]; return has }
func (s set) Get(key string) string            { return s[key] }
func (s set) Lookup(key string) (string, bool) { v, has := s[key]; return v, has }

// namedNamespace returns a namespace's labels with the one that the API server sets on every namespace, its name.
func namedNamespace(name string, labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelMetadataName] = name
	return labels
}
