package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// ownPolicies compares the stack's own policies with what they should be: which are missing, which were changed, and what comes of it.
func (s *scene) ownPolicies() []Finding {
	live := map[string]*networkingv1.NetworkPolicy{}
	for i := range s.policies {
		if p := &s.policies[i]; s.isOwnPolicy(*p) {
			live[p.Name] = p
		}
	}
	if len(live) == 0 && len(s.wanted) > 0 {
		return []Finding{s.nothingThere()}
	}
	var found []Finding
	for _, name := range slices.Sorted(maps.Keys(s.wanted)) {
		switch p, there := live[name]; {
		case !there:
			found = append(found, s.missing(s.wanted[name]))
		default:
			found = append(found, s.changed(p)...)
		}
	}
	return found
}

func (s *scene) nothingThere() Finding {
	return Finding{
		Kind: OwnPolicyMissing, Severity: Critical, Object: s.stackObject(),
		Reason: fmt.Sprintf("none of the stack's %d NetworkPolicies is there", len(s.wanted)),
		Lets:   "anyone in the cluster reaches every port of every component",
		Fix:    s.putBack(), Ports: s.sealedPlaces(),
	}
}

func (s *scene) sealedPlaces() []string {
	var names []string
	for _, t := range s.targets {
		if !t.door {
			names = append(names, t.String())
		}
	}
	return names
}

func (s *scene) missing(p *networkingv1.NetworkPolicy) Finding {
	opened, shut := s.without(p)
	f := Finding{
		Kind: OwnPolicyMissing, Severity: worse(s.worst(opened), Medium), Object: policyObject(p),
		Reason: "this NetworkPolicy of the stack's is not there", Fix: s.putBack(), Ports: s.places(opened),
	}
	f.Lets = effect(s.places(opened), shut)
	return f
}

// without compares what is open now with what would be if a policy stood as it should.
func (s *scene) without(wanted *networkingv1.NetworkPolicy) (opened []bool, shut []string) {
	restored := []networkingv1.NetworkPolicy{*wanted}
	for _, p := range s.policies {
		if p.Namespace == s.graph.Namespace && p.Name != wanted.Name {
			restored = append(restored, p)
		}
	}
	e, _ := evaluate.New(s.World.Namespaces, restored) // invalid ones are findings of their own
	opened = make([]bool, len(s.targets))
	for _, c := range s.candidates() {
		if c.pods != nil {
			continue
		}
		for i, t := range s.targets {
			now, then := s.reachedBy(s.live, c, t), s.reachedBy(e, c, t)
			switch {
			case now && !then && !s.allowedOf(c)[i]:
				opened[i] = true
			case then && !now && c.component != nil && s.table[c.component.Name][i]:
				shut = append(shut, fmt.Sprintf("%s to %s", c.component.Name, t))
			}
		}
	}
	return opened, distinct(shut)
}

// reachedBy judges a candidate by other policies than those that are there.
func (s *scene) reachedBy(e *evaluate.Evaluator, c *candidate, t target) bool {
	from := c.class
	if e != s.live {
		from = e.Single(c.end)
	}
	for _, class := range t.classes {
		to := class
		if e != s.live {
			to = e.Single(evaluate.End{Pod: class.Pods[0]})
		}
		if isOpen(e.Between(from, to, t.port.Number, t.port.Protocol), c.component != nil) {
			return true
		}
	}
	return false
}

func effect(opened, shut []string) string {
	var words []string
	if len(opened) > 0 {
		words = append(words, "who should not reaches "+list(opened))
	}
	if len(shut) > 0 {
		words = append(words, "what the stack needs is shut: "+list(shut))
	}
	if len(words) == 0 {
		return "nothing more at present, since other policies still deny it"
	}
	return strings.Join(words, "; ")
}

// changed compares the meaning of a policy with what it should mean.
func (s *scene) changed(p *networkingv1.NetworkPolicy) []Finding {
	wanted := s.wanted[p.Name]
	difference := s.difference(canonical(p.Spec), canonical(wanted.Spec))
	if difference == "" {
		return nil
	}
	opened, shut := s.without(wanted)
	f := Finding{
		Kind: OwnPolicyChanged, Object: policyObject(p), Fix: s.putBack(),
		Reason: "this NetworkPolicy is not as the operator writes it: " + difference,
	}
	if in := s.letsIn(p); in != nil {
		for i, is := range in.opened {
			opened[i] = opened[i] || is
		}
		f.Lets = s.inWords(in)
	}
	f.Ports, f.Severity = s.places(opened), worse(s.worst(opened), Medium)
	if f.Lets == "" || len(shut) > 0 {
		f.Lets = joined(f.Lets, effect(withoutIf(f.Lets, s.places(opened)), shut))
	}
	if out := s.letsOut(p); out != nil {
		f.Severity = worse(f.Severity, outwardSeverity(out))
		f.Lets = s.outWords(out)
	}
	return []Finding{f}
}

func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
}

// withoutIf leaves places out that were said already.
func withoutIf(said string, places []string) []string {
	if said != "" {
		return nil
	}
	return places
}

// difference says in a few words in what two policies differ. While references do not resolve, rules that the graph does not know
// may be theirs.
func (s *scene) difference(is, should canonicalPolicy) string {
	var words []string
	if is.Selector != should.Selector {
		words = append(words, "it selects other pods")
	}
	if !slices.Equal(is.Types, should.Types) {
		words = append(words, fmt.Sprintf("its policyTypes are %s and should be %s", strings.Join(is.Types, ", "), strings.Join(should.Types, ", ")))
	}
	more := missingFrom(should.Ingress, is.Ingress) + missingFrom(should.Egress, is.Egress)
	less := missingFrom(is.Ingress, should.Ingress) + missingFrom(is.Egress, should.Egress)
	if more > 0 && (len(s.Problems) == 0 || missingFrom(should.Ingress, is.Ingress) > 0) {
		words = append(words, fmt.Sprintf("it has %d rules that are not the operator's", more))
	}
	if less > 0 {
		words = append(words, fmt.Sprintf("it lacks %d of its rules", less))
	}
	return strings.Join(words, "; ")
}

// missingFrom counts the rules of the second list that are not in the first.
func missingFrom(have, all []string) int {
	n := 0
	for _, r := range all {
		if !slices.Contains(have, r) {
			n++
		}
	}
	return n
}

// putBack says how the stack's own policies come back.
func (s *scene) putBack() string {
	if s.Stack != nil && s.Stack.Spec.Suspend != nil && *s.Stack.Spec.Suspend {
		return fmt.Sprintf("the operator writes nothing while spec.suspend is true: kubectl -n %s patch openimstack %s --type merge -p '{\"spec\":{\"suspend\":false}}'", s.graph.Namespace, s.graph.Stack)
	}
	return fmt.Sprintf("the operator puts it back as soon as it sees it: see that it runs, and take the right to write NetworkPolicies in namespace %s from whoever did this", s.graph.Namespace)
}

func (s *scene) stackObject() Object {
	return Object{APIVersion: v1alpha1.GroupVersion.String(), Kind: "OpenIMStack", Namespace: s.graph.Namespace, Name: s.graph.Stack}
}
