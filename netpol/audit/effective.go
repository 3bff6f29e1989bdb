package audit

import (
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// effectivePolicies returns the policies in effect. Manifests in a repository usually hold none of the stack's, because the operator writes
// them: then they are assumed to be as it does.
func effectivePolicies(m *Model) (policies []networkingv1.NetworkPolicy, assumed bool) {
	live := m.snapshot.Policies
	if m.snapshot.Origin.Kind != snapshot.Files || slices.ContainsFunc(live, m.isOwnPolicy) {
		return live, false
	}
	return append(slices.Clone(live), values(m.generated)...), true
}

func policiesByName(policies []*networkingv1.NetworkPolicy) map[string]*networkingv1.NetworkPolicy {
	byName := map[string]*networkingv1.NetworkPolicy{}
	for _, p := range policies {
		byName[p.Name] = p
	}
	return byName
}

func namespaceLabels(w *snapshot.Snapshot) map[string]map[string]string {
	byName := map[string]map[string]string{}
	for _, n := range w.Namespaces {
		byName[n.Name] = n.Labels
	}
	return byName
}

// values copies the objects that pointers point to. The evaluator takes values.
func values[T any](pointers []*T) []T {
	var all []T
	for _, p := range pointers {
		all = append(all, *p)
	}
	return all
}

// ingressOnly removes the egress direction from policies, and the policies that have no other. It changes the policies that it is given.
// What the graph expects of a source outside must not depend on that source's own egress policies.
func ingressOnly(policies []*networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	for _, p := range policies {
		p.Spec.PolicyTypes = slices.DeleteFunc(p.Spec.PolicyTypes, func(t networkingv1.PolicyType) bool {
			return t == networkingv1.PolicyTypeEgress
		})
	}
	return slices.DeleteFunc(policies, func(p *networkingv1.NetworkPolicy) bool { return len(p.Spec.PolicyTypes) == 0 })
}

// fromOutside returns a graph without the connections that the stack's own components open.
func fromOutside(g graph.Graph) graph.Graph {
	g.Edges = slices.DeleteFunc(slices.Clone(g.Edges), func(c graph.Edge) bool { return c.From.Inside })
	return g
}
