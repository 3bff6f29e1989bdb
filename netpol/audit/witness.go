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

// A rule lets in pods that do not exist yet. To judge it, one is thought up for each of its peers that carries what the selectors
// ask for and nothing else: if that one is not expected, the rule is wider than what is intended.

// maxWitnesses bounds how many are thought up for one selector: an In with many values would multiply.
const maxWitnesses = 32

// witnesses returns ends that peers match, seen from the stack's namespace.
func (s *scene) witnesses(peers []networkingv1.NetworkPolicyPeer) []evaluate.End {
	return s.witnessesFrom(s.graph.Namespace, peers)
}

// witnessesFrom is the same for a policy of any namespace.
func (s *scene) witnessesFrom(home string, peers []networkingv1.NetworkPolicyPeer) []evaluate.End {
	var found []evaluate.End
	for _, p := range peers {
		if p.IPBlock != nil {
			found = append(found, addressesOf(p.IPBlock)...)
			continue
		}
		for _, place := range s.namespacesFor(home, p.NamespaceSelector) {
			for _, labels := range satisfy(p.PodSelector) {
				found = append(found, evaluate.End{Pod: bare(place.name, labels), NamespaceLabels: place.labels})
			}
		}
	}
	return found
}

// place is a namespace in which a pod might be.
type place struct {
	name   string
	labels map[string]string
}

// namespacesFor are the namespaces which a selector matches, one of each sort: the policy's own, existing ones, and one that anybody who may
// make or label namespaces could make.
func (s *scene) namespacesFor(home string, selector *metav1.LabelSelector) []place {
	if selector == nil {
		return []place{{name: home, labels: s.namespaces[home]}}
	}
	var found []place
	matches, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(s.namespaces)) {
		if labels := namedNamespace(name, s.namespaces[name]); matches.Matches(set(labels)) && len(found) < maxWitnesses {
			found = append(found, place{name: name, labels: labels})
		}
	}
	for _, labels := range satisfy(selector) {
		name, fixed := labels[corev1.LabelMetadataName]
		if fixed && slices.ContainsFunc(found, func(p place) bool { return p.name == name }) {
			continue
		}
		if !fixed {
			name = strangerNamespace(s.namespaces)
		}
		labels = namedNamespace(name, labels)
		if matches.Matches(set(labels)) {
			found = append(found, place{name: name, labels: labels})
		}
	}
	return found
}

// satisfy returns sets of labels that match a selector and hold nothing that it does not ask for.
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
			sets = with(sets, e.Key, e.Values)
		case metav1.LabelSelectorOpExists:
			sets = with(sets, e.Key, []string{"any"})
		case metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpDoesNotExist:
			// Met by having no such label.
		}
	}
	matches, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(sets, func(labels map[string]string) bool { return !matches.Matches(set(labels)) })
}

// with gives each set each of the values, unless it has the key.
func with(sets []map[string]string, key string, values []string) []map[string]string {
	var found []map[string]string
	for _, labels := range sets {
		if _, has := labels[key]; has {
			found = append(found, labels)
			continue
		}
		for _, value := range values {
			if len(found) == maxWitnesses {
				return found
			}
			more := maps.Clone(labels)
			more[key] = value
			found = append(found, more)
		}
	}
	return found
}

// addressesOf are addresses of a block: its first, and the first behind each of its exceptions.
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

// last is the highest address of a prefix.
func last(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// set makes labels fit for a selector.
type set map[string]string

func (s set) Has(key string) bool              { _, has := s[key]; return has }
func (s set) Get(key string) string            { return s[key] }
func (s set) Lookup(key string) (string, bool) { v, has := s[key]; return v, has }

// namedNamespace gives a namespace the label that the API server sets on each.
func namedNamespace(name string, labels map[string]string) map[string]string {
	labels = maps.Clone(labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelMetadataName] = name
	return labels
}
