package audit

import (
	"fmt"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// checkForeignPolicies finds policies of the stack's namespace that are not the stack's own and allow more. NetworkPolicies only add up: no
// policy of the stack can deny what another one allows.
func checkForeignPolicies(m *Model) []Finding {
	var found []Finding
	for i := range m.policies {
		p := &m.policies[i]
		if p.Namespace != m.graph.Namespace || m.isOwnPolicy(*p) {
			continue
		}
		if w := widenedIngress(m, p); w != nil {
			found = append(found, withWriter(m, ingressWidens(m, p, w), p))
		}
		if w := widenedEgress(m, p); w != nil {
			found = append(found, withWriter(m, egressWidens(m, p, w), p))
		}
	}
	return found
}

// ingressWidens returns MetricsUnsealed when nothing but metrics is opened, because the fix differs: the spec can name more pods for
// monitoring.
func ingressWidens(m *Model, p *networkingv1.NetworkPolicy, w *widening) Finding {
	f := Finding{
		Kind: ForeignPolicyWidens, Severity: m.worst(w.opened), Object: policyObject(nameOf(p)),
		Reason: describeRules(ingress, w.rules, "lets", "let") + " in more than the stack does: policies only add up, so no policy of the " +
			"stack can deny it",
		Lets: describeIngress(m, w), Fix: closePolicy(m, p), Ports: m.targetNames(w.opened),
	}
	if m.onlyMetrics(w.opened) {
		f.Kind = MetricsUnsealed
		f.Reason = describeRules(ingress, w.rules, "opens", "open") + " metrics, which have no authentication, to sources that " +
			"spec.network.monitoring does not name"
		f.Fix += ", and name in spec.network.monitoring the pods that may read metrics"
	}
	return f
}

func egressWidens(m *Model, p *networkingv1.NetworkPolicy, w *widening) Finding {
	return Finding{
		Kind: EgressWidens, Severity: egressSeverity(w), Object: policyObject(nameOf(p)),
		Reason: describeRules(egress, w.rules, "lets", "let") + " pods of the stack connect to destinations that they do not need: an " +
			"attacker in one of them can send messages there",
		Lets: describeEgress(w),
		Fix: closePolicy(m, p) + ", and write a destination that is needed to spec.network.extraEgress, which names the component and the " +
			"destination",
	}
}

// withWriter adds the writer of a policy to a finding, when it is known. A platform that writes policies into every namespace writes a
// deleted policy again.
func withWriter(m *Model, f Finding, p *networkingv1.NetworkPolicy) Finding {
	if writer := m.snapshot.Writers[nameOf(p)]; writer != "" {
		f.Reason += "; it was written by " + writer
		f.Fix += "; if it is written again, switch that off for this namespace " +
			"(docs/lockdown.md, \"A platform that writes policies of its own\")"
	}
	return f
}

// egressSeverity is High for addresses: messages could leave the cluster.
func egressSeverity(w *widening) Severity {
	if w.anywhere {
		return High
	}
	return Medium
}

// describeIngress says which sources reach which targets: "pods app=jobs in the stack's namespace: api:10002 (now pod im/jobs-1)".
func describeIngress(m *Model, w *widening) string {
	text := fmt.Sprintf("%s: %s", list(distinct(w.peers)), list(m.targetNames(w.opened)))
	if len(w.now) > 0 {
		text += " (now " + describePods(w.now) + ")"
	}
	return text
}

// describeEgress says which components connect to which destinations: "push may connect to 203.0.113.0/24, 443/TCP".
func describeEgress(w *widening) string {
	return fmt.Sprintf("%s may connect to %s, %s", list(w.components), list(distinct(w.peers)), list(distinct(w.ports)))
}

// describeRules returns the beginning of a sentence: "Ingress rules 0, 2 of this NetworkPolicy let".
func describeRules(direction string, rules []int, one, several string) string {
	noun, verb := "rule", one
	if len(rules) > 1 {
		noun, verb = "rules", several
	}
	var numbers []string
	for _, r := range rules {
		numbers = append(numbers, fmt.Sprint(r))
	}
	return fmt.Sprintf("%s %s %s of this NetworkPolicy %s", direction, noun, list(numbers), verb)
}

// closePolicy offers to narrow the policy too, because it may be needed for other pods of the namespace.
func closePolicy(m *Model, p *networkingv1.NetworkPolicy) string {
	return fmt.Sprintf("%s; or narrow its podSelector so that it does not select pods with %s=%s",
		deleteCommand(policyObject(nameOf(p))), v1alpha1.LabelInstance, m.graph.Stack)
}

// checkOtherPolicies finds policies of kinds that are not evaluated, in the stack's namespace or for the whole cluster. They may allow, or
// deny, anything.
func checkOtherPolicies(m *Model) []Finding {
	var found []Finding
	for _, p := range m.snapshot.OtherPolicies {
		if p.Namespace != "" && p.Namespace != m.graph.Namespace || isRendered(m, p.Labels) {
			continue
		}
		found = append(found, Finding{
			Kind: UnknownPolicyKind, Severity: Low, Object: Object{APIVersion: p.APIVersion, Kind: p.Kind, Namespace: p.Namespace, Name: p.Name},
			Reason: "this kind decides about connections, and the audit does not evaluate it: it may allow what NetworkPolicies deny",
			Lets:   "not known",
			Fix: fmt.Sprintf("read it, and check that it allows nothing for pods with %s=%s in namespace %s; "+
				"the operator's probes test what it really lets through", v1alpha1.LabelInstance, m.graph.Stack, m.graph.Namespace),
		})
	}
	return found
}

// isRendered reports whether labels are those of the policy that the operator renders for cluster administrators. That policy only denies.
func isRendered(m *Model, labels map[string]string) bool {
	return carries(labels, map[string]string{
		v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelInstance: m.graph.Stack,
	})
}

// checkInvalidPolicies finds NetworkPolicies that the API server would refuse. Only files hold such policies.
func checkInvalidPolicies(m *Model) []Finding {
	if m.invalid == nil {
		return nil
	}
	var found []Finding
	for text := range strings.SplitSeq(m.invalid.Error(), "\n") {
		found = append(found, Finding{
			Kind: InvalidPolicy, Severity: Low, Object: invalidObject(text),
			Reason: text, Lets: "not known: the API server would refuse it, and networks may handle it differently",
			Fix: "correct or delete it",
		})
	}
	return found
}

// invalidObject reads the name out of the evaluator's sentence "NetworkPolicy namespace/name is not valid: ...".
func invalidObject(text string) Object {
	var name types.NamespacedName
	_, _ = fmt.Sscanf(strings.ReplaceAll(text, "/", " "), "NetworkPolicy %s %s is", &name.Namespace, &name.Name)
	return policyObject(name)
}
