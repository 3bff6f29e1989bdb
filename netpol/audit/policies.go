package audit

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// foreignPolicies are those of the stack's namespace that are not the stack's own and widen it. NetworkPolicies only add up: none of
// ours can take back what one of them lets through.
func (s *scene) foreignPolicies() []Finding {
	var found []Finding
	for i := range s.policies {
		p := &s.policies[i]
		if p.Namespace != s.graph.Namespace || s.isOwnPolicy(*p) {
			continue
		}
		found = append(found, s.widens(p)...)
	}
	return found
}

func (s *scene) widens(p *networkingv1.NetworkPolicy) []Finding {
	var found []Finding
	if w := s.letsIn(p); w != nil {
		f := Finding{
			Kind: ForeignPolicyWidens, Severity: s.worst(w.opened), Object: policyObject(p),
			Reason: fmt.Sprintf("%s of this NetworkPolicy lets in what the stack does not: policies only add up, so no policy of the stack's can take it back", rulesInWords(ingress, w.rules)),
			Lets:   s.inWords(w), Fix: s.closePolicy(p), Ports: s.places(w.opened),
		}
		if s.onlyMetrics(w.opened) {
			f.Kind = MetricsUnsealed
			f.Reason = fmt.Sprintf("%s of this NetworkPolicy opens metrics, which have no authentication, to whom spec.network.monitoring does not name", rulesInWords(ingress, w.rules))
			f.Fix += ", and name who may read metrics in spec.network.monitoring instead"
		}
		found = append(found, s.written(f, p))
	}
	if w := s.letsOut(p); w != nil {
		found = append(found, s.written(Finding{
			Kind: EgressWidens, Severity: outwardSeverity(w), Object: policyObject(p),
			Reason: fmt.Sprintf("%s of this NetworkPolicy lets pods of the stack out to where they need not go: who takes one of them over can carry messages away", rulesInWords(egress, w.rules)),
			Lets:   s.outWords(w),
			Fix:    s.closePolicy(p) + ", and write a way out that is needed to spec.network.extraEgress, which names the component and the place",
		}, p))
	}
	return found
}

// written names who wrote a policy, when that is known. A platform that writes policies into every namespace writes them again.
func (s *scene) written(f Finding, p *networkingv1.NetworkPolicy) Finding {
	if who := s.World.Writers[nameOf(p)]; who != "" {
		f.Reason += "; it was written by " + who
		f.Fix += "; if what wrote it writes it again, switch that off for this namespace (docs/lockdown.md, \"A platform that writes policies of its own\")"
	}
	return f
}

func outwardSeverity(w *widening) Severity {
	if w.anywhere {
		return High
	}
	return Medium
}

// inWords says who reaches what.
func (s *scene) inWords(w *widening) string {
	words := fmt.Sprintf("%s: %s", list(distinct(w.who)), list(s.places(w.opened)))
	if len(w.now) > 0 {
		words += " (now " + podsInWords(w.now) + ")"
	}
	return words
}

func (s *scene) outWords(w *widening) string {
	return fmt.Sprintf("%s may connect to %s, %s", list(w.outOf), list(distinct(w.who)), list(distinct(w.ways)))
}

func distinct(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}

func rulesInWords(direction string, rules []int) string {
	noun := "rule"
	if len(rules) > 1 {
		noun = "rules"
	}
	var numbers []string
	for _, r := range rules {
		numbers = append(numbers, fmt.Sprint(r))
	}
	return fmt.Sprintf("%s %s %s", direction, noun, list(numbers))
}

func policyObject(p *networkingv1.NetworkPolicy) Object {
	return Object{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy", Namespace: p.Namespace, Name: p.Name}
}

func (s *scene) closePolicy(p *networkingv1.NetworkPolicy) string {
	return fmt.Sprintf("kubectl -n %s delete networkpolicy %s; or narrow its podSelector so that it does not select pods with %s=%s",
		p.Namespace, p.Name, v1alpha1.LabelInstance, s.graph.Stack)
}

// otherPolicies are of kinds that are not evaluated here. Whoever writes one may let through, or deny, whatever it says.
func (s *scene) otherPolicies() []Finding {
	var found []Finding
	for _, p := range s.World.OtherPolicies {
		if p.Namespace != "" && p.Namespace != s.graph.Namespace || s.rendered(p.Labels) {
			continue
		}
		found = append(found, Finding{
			Kind: UnknownPolicyKind, Severity: Low, Object: Object{APIVersion: p.APIVersion, Kind: p.Kind, Namespace: p.Namespace, Name: p.Name},
			Reason: "this kind decides about packets, and is not evaluated here: it may let through what NetworkPolicies deny",
			Lets:   "not known",
			Fix:    fmt.Sprintf("read it, and see that it accepts nothing for pods with %s=%s in namespace %s; the operator's probes try what it really lets through", v1alpha1.LabelInstance, s.graph.Stack, s.graph.Namespace),
		})
	}
	if s.invalid != nil {
		for text := range strings.SplitSeq(s.invalid.Error(), "\n") {
			found = append(found, Finding{
				Kind: InvalidPolicy, Severity: Low, Object: invalidObject(text),
				Reason: text, Lets: "not known: the API server would refuse it, and what a network makes of it is its own affair",
				Fix: "correct or delete it",
			})
		}
	}
	return found
}

// rendered tells whether a policy is the one which the operator renders for cluster administrators: it only denies.
func (s *scene) rendered(labels map[string]string) bool {
	return carries(labels, map[string]string{
		v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, v1alpha1.LabelInstance: s.graph.Stack,
	})
}

// invalidObject reads the name out of the evaluator's sentence "NetworkPolicy namespace/name is not valid: ...".
func invalidObject(text string) Object {
	o := Object{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"}
	_, _ = fmt.Sscanf(strings.ReplaceAll(text, "/", " "), "NetworkPolicy %s %s is", &o.Namespace, &o.Name)
	return o
}
