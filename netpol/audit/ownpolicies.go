package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// checkOwnPolicies compares the stack's own policies with what the operator writes: which are missing or changed, and what that opens.
func checkOwnPolicies(m *Model) []Finding {
	live := map[string]*networkingv1.NetworkPolicy{}
	for i := range m.policies {
		if p := &m.policies[i]; m.isOwnPolicy(*p) {
			live[p.Name] = p
		}
	}
	if len(live) == 0 && len(m.wanted) > 0 {
		return []Finding{allPoliciesMissing(m)}
	}
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(m.wanted)) {
		if p, there := live[name]; there {
			found = append(found, changedPolicy(m, p)...)
		} else {
			found = append(found, missingPolicy(m, m.wanted[name]))
		}
	}
	return found
}

// allPoliciesMissing is one finding instead of one for each policy. It assumes the worst and does not evaluate what foreign policies deny.
func allPoliciesMissing(m *Model) Finding {
	var sealed []string
	for _, t := range m.targets {
		if !t.public {
			sealed = append(sealed, t.String())
		}
	}
	return Finding{
		Kind: OwnPolicyMissing, Severity: Critical, Object: m.stackObject(),
		Reason: fmt.Sprintf("all %d NetworkPolicies of the stack are missing", len(m.wanted)),
		Lets:   "anyone in the cluster reaches every port of every component",
		Fix:    restoreFix(m), Ports: sealed,
	}
}

// missingPolicy is at least Medium, even when other policies still deny everything: the next change of those would open the stack.
func missingPolicy(m *Model, p *networkingv1.NetworkPolicy) Finding {
	opened, denied := effectOfAbsence(m, p)
	return Finding{
		Kind: OwnPolicyMissing, Severity: worse(m.worst(opened), Medium), Object: policyObject(nameOf(p)),
		Reason: "this NetworkPolicy of the stack is missing", Fix: restoreFix(m), Ports: m.targetNames(opened),
		Lets: describeEffect(m.targetNames(opened), denied),
	}
}

// changedPolicy compares the meaning of a policy with what the operator writes. It returns no finding when they mean the same.
func changedPolicy(m *Model, p *networkingv1.NetworkPolicy) []Finding {
	wanted := m.wanted[p.Name]
	difference := describeDifference(canonical(p.Spec), canonical(wanted.Spec), len(m.problems) > 0)
	if difference == "" {
		return nil
	}
	opened, denied := effectOfAbsence(m, wanted)
	f := Finding{
		Kind: OwnPolicyChanged, Object: policyObject(nameOf(p)), Fix: restoreFix(m),
		Reason: "this NetworkPolicy is not as the operator writes it: " + difference,
	}
	if in := widenedIngress(m, p); in != nil {
		for i, is := range in.opened {
			opened[i] = opened[i] || is
		}
		f.Lets = describeIngress(m, in)
	}
	f.Ports, f.Severity = m.targetNames(opened), worse(m.worst(opened), Medium)
	switch {
	case f.Lets == "":
		f.Lets = describeEffect(f.Ports, denied)
	case len(denied) > 0:
		f.Lets = joined(f.Lets, describeEffect(nil, denied)) // what is open was described above
	}
	if out := widenedEgress(m, p); out != nil {
		f.Severity = worse(f.Severity, egressSeverity(out))
		f.Lets = describeEgress(out)
	}
	return []Finding{f}
}

// effectOfAbsence compares what is open now with what would be open if the operator's version of a policy were in effect: unexpected
// connections that it would deny, and connections that the stack needs and that it would allow.
//
// Foreign pods are left out: the unexpected sources stand for them, and one evaluation for each of thousands of pods would be slow.
func effectOfAbsence(m *Model, wanted *networkingv1.NetworkPolicy) (opened []bool, denied []string) {
	restored := []networkingv1.NetworkPolicy{*wanted}
	for _, p := range m.policies {
		if p.Namespace == m.graph.Namespace && p.Name != wanted.Name {
			restored = append(restored, p)
		}
	}
	e, _ := evaluate.New(m.snapshot.Namespaces, restored) // invalid policies are findings of checkInvalidPolicies
	opened = make([]bool, len(m.targets))
	for _, c := range m.candidates {
		if c.pods != nil {
			continue
		}
		for i, t := range m.targets {
			now, then := reachesUnder(m, m.live, c, t), reachesUnder(m, e, c, t)
			switch {
			case now && !then && !c.allowed()[i]:
				opened[i] = true
			case then && !now && c.component != nil && m.table[c.component.Name][i]:
				denied = append(denied, fmt.Sprintf("%s to %s", c.component.Name, t))
			}
		}
	}
	return opened, distinct(denied)
}

// reachesUnder reports whether a candidate reaches a target under the policies of an evaluator, which may be others than the live ones.
func reachesUnder(m *Model, e *evaluate.Evaluator, c *candidate, t target) bool {
	from := c.class
	if e != m.live {
		from = e.ClassOf(c.end)
	}
	for _, class := range t.classes {
		to := class
		if e != m.live {
			to = e.ClassOf(evaluate.End{Pod: class.Pods[0]})
		}
		if isOpen(e.Between(from, to, t.port.Number, t.port.Protocol), c.component != nil) {
			return true
		}
	}
	return false
}

// describeEffect says what is open and what is denied while a policy is missing or changed.
func describeEffect(opened, denied []string) string {
	var texts []string
	if len(opened) > 0 {
		texts = append(texts, "unexpected sources reach "+list(opened))
	}
	if len(denied) > 0 {
		texts = append(texts, "connections that the stack needs are denied: "+list(denied))
	}
	if len(texts) == 0 {
		return "nothing more at present, since other policies still deny it"
	}
	return strings.Join(texts, "; ")
}

// describeDifference says in what two policies differ, empty when they do not. While references do not resolve, egress rules that the graph
// does not know may belong to them, and are not reported.
func describeDifference(is, should canonicalPolicy, unresolved bool) string {
	var texts []string
	if is.Selector != should.Selector {
		texts = append(texts, "it selects other pods")
	}
	if !slices.Equal(is.Types, should.Types) {
		texts = append(texts, fmt.Sprintf("its policyTypes are %s and should be %s",
			strings.Join(is.Types, ", "), strings.Join(should.Types, ", ")))
	}
	more := missingFrom(should.Ingress, is.Ingress) + missingFrom(should.Egress, is.Egress)
	less := missingFrom(is.Ingress, should.Ingress) + missingFrom(is.Egress, should.Egress)
	if more > 0 && (!unresolved || missingFrom(should.Ingress, is.Ingress) > 0) {
		texts = append(texts, fmt.Sprintf("it has %d rules that are not the operator's", more))
	}
	if less > 0 {
		texts = append(texts, fmt.Sprintf("it lacks %d of its rules", less))
	}
	return strings.Join(texts, "; ")
}

// missingFrom returns how many rules of the second list are not in the first.
func missingFrom(have, all []string) int {
	n := 0
	for _, r := range all {
		if !slices.Contains(have, r) {
			n++
		}
	}
	return n
}

// restoreFix says how the stack's own policies are restored.
func restoreFix(m *Model) string {
	if m.stack != nil && m.stack.Spec.Suspend != nil && *m.stack.Spec.Suspend {
		return fmt.Sprintf("the operator writes nothing while spec.suspend is true: "+
			"kubectl -n %s patch openimstack %s --type merge -p '{\"spec\":{\"suspend\":false}}'", m.graph.Namespace, m.graph.Stack)
	}
	return fmt.Sprintf("the operator restores it as soon as it sees the change: check that it runs, and remove the permission to write "+
		"NetworkPolicies in namespace %s from the account that made the change", m.graph.Namespace)
}
