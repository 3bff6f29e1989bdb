package prober

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// control is a listener that every intruder must reach: without that, blocked attempts prove nothing.
type control struct {
	pod     *corev1.Pod
	address netip.AddrPort
}

// trial is the evidence of one run: the outcomes of each intruder at the controls, which come first, and at the plan's targets; and the
// plan before and after the attempts.
type trial struct {
	before, after plan
	// controls that the intruders dialled.
	controls []control
	// seen are the outcomes by intruder: those of the controls, then those of before.targets.
	seen [][]probe.Outcome
	// blockedBy names the policies that keep an intruder from a control, empty when none does.
	blockedBy func(intruder int, c control) string
	// onlyOneIntruder explains why there is no intruder outside of the stack's namespace; empty when there is one.
	onlyOneIntruder string
}

// tally counts a trial's attempts.
type tally struct {
	attempted, blocked, allowed int
	// leaks succeeded although the policies forbid them, openings succeeded because an object permits them, unanswered are permitted
	// connections that failed.
	leaks, openings, unanswered []string
	// heldBack counts by intruder the attempts that egress policies of its own namespace blocked: they prove nothing.
	heldBack []int
}

// result is what the evidence of a trial proves.
type result struct {
	outcome, message                        string
	attempted, blocked, allowed, unexpected int
}

// evaluateTrial evaluates the evidence. A target counts only when its pod was ready before and after the attempts, and the result counts
// only when each intruder demonstrably had a network, with nothing but the stack's own policies in its way.
func evaluateTrial(t trial) result {
	n := t.count()
	j := result{attempted: n.attempted, blocked: n.blocked, allowed: n.allowed, unexpected: len(n.leaks) + len(n.openings) + len(n.unanswered)}
	reason := t.inconclusive(n)
	switch {
	case len(n.leaks) > 0:
		j.outcome = v1alpha1.ReasonNotEnforcedByCNI
		j.message = fmt.Sprintf("NetworkPolicies forbid these connections, and they succeeded: %s. The cluster's network plugin does not "+
			"enforce NetworkPolicies, or not all of them: install one that does, or repair it", firstThree(n.leaks))
	case len(n.openings) > 0:
		j.outcome = v1alpha1.ReasonBreached
		j.message = fmt.Sprintf("an intruder connected: %s. Delete or correct the object that permits it", firstThree(n.openings))
	case reason != "":
		j.outcome, j.message = v1alpha1.ReasonNotVerified, reason
	default:
		j.outcome, j.message = v1alpha1.ReasonEnforced, t.success(n)
	}
	return j
}

func (t trial) count() tally {
	n := tally{heldBack: make([]int, len(t.seen))}
	stayed := uids(t.after.targets)
	after := map[string]int{}
	for i, target := range t.after.targets {
		after[target.String()+target.address.String()] = i
	}
	for intruder, outcomes := range t.seen {
		for i, target := range t.before.targets {
			later, there := after[target.String()+target.address.String()]
			if !there || !stayed[target.pod.UID] {
				continue // the pod may have been gone at the time of the attempt
			}
			was, is := t.before.cells[intruder][i], t.after.cells[intruder][later]
			passed := outcomes[len(t.controls)+i] == probe.Open
			if !is.leaves && !passed {
				n.heldBack[intruder]++
				continue // the packets did not reach the stack
			}
			n.attempted++
			what := fmt.Sprintf("%s from a pod in namespace %s", target, t.before.namespaces[intruder])
			switch {
			case passed && is.intended:
				n.allowed++
			case passed && is.open:
				n.openings = append(n.openings, what+" ("+is.because+")")
			case passed && was.open: // closed in the meantime: the next probe covers it, because the digest has changed
				n.attempted--
			case passed:
				n.leaks = append(n.leaks, what)
			case is.intended && is.open && was.open:
				n.unanswered = append(n.unanswered, what)
			default:
				n.blocked++
			}
		}
	}
	return n
}

// inconclusive explains why the blocked attempts prove nothing. It returns "" when they do prove the lockdown.
func (t trial) inconclusive(n tally) string {
	for intruder := range t.seen {
		if reason := t.unreliableNetwork(intruder); reason != "" {
			return reason
		}
		if n.heldBack[intruder] > 0 {
			return fmt.Sprintf("an egress policy of the intruder in namespace %s blocks %d of its attempts before they reach the stack, "+
				"so they prove nothing: permit egress of pods labelled %s=%s (docs/probes.md has the policy)",
				t.before.namespaces[intruder], n.heldBack[intruder], v1alpha1.LabelName, v1alpha1.NameProbe)
		}
	}
	if len(n.unanswered) > 0 {
		return fmt.Sprintf("a listener that is open to all clients does not answer: %s. Blocked attempts then prove nothing: "+
			"check the listener and the network", firstThree(n.unanswered))
	}
	if n.attempted == 0 {
		return "no pod of the stack was ready during the whole probe, or its policies changed meanwhile: the probe is repeated"
	}
	return ""
}

// unreliableNetwork explains why an intruder's outcomes do not count. An intruder must reach a listener of each address family that the
// targets have, and a known policy must forbid every control that it does not reach.
func (t trial) unreliableNetwork(intruder int) string {
	from := fmt.Sprintf("the intruder in namespace %s", t.before.namespaces[intruder])
	reached, by := map[bool]bool{}, ""
	for i, c := range t.controls {
		if t.seen[intruder][i] == probe.Open {
			reached[c.address.Addr().Is4()] = true
			continue
		}
		policies := t.blockedBy(intruder, c)
		if policies == "" {
			return fmt.Sprintf("%s did not reach the control listener in namespace %s at %s (%s), and no policy forbids it: "+
				"check the network between pods. Until then blocked attempts prove nothing", from, c.pod.Namespace, c.address, t.seen[intruder][i])
		}
		by = policies
	}
	for i, target := range t.before.targets {
		if t.seen[intruder][len(t.controls)+i] == probe.Open && t.before.cells[intruder][i].intended {
			reached[target.address.Addr().Is4()] = true // an open listener
		}
	}
	for _, target := range t.before.targets {
		if !reached[target.address.Addr().Is4()] {
			return fmt.Sprintf("%s reaches no control listener: %s. Its blocked attempts prove nothing: permit connections of pods labelled %s=%s "+
				"to each other and to the stack (docs/probes.md has the policy)", from,
				cmp.Or(by, "no control has an address of the family of "+target.address.Addr().String()),
				v1alpha1.LabelName, v1alpha1.NameProbe)
		}
	}
	return ""
}

func (t trial) success(n tally) string {
	text := fmt.Sprintf("%d of %d connections that intruders in %s attempted were blocked",
		n.blocked, n.attempted, namespaces(t.before.namespaces))
	if n.allowed > 0 {
		text += fmt.Sprintf("; the other %d reached listeners that the spec opens", n.allowed)
	}
	if t.onlyOneIntruder != "" {
		text += "; " + t.onlyOneIntruder
	}
	return text
}

func namespaces(names []string) string {
	if len(names) == 1 {
		return "namespace " + names[0]
	}
	return "namespaces " + strings.Join(names, " and ")
}

// firstThree joins the first three texts, and counts the rest.
func firstThree(all []string) string {
	const shown = 3
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
}

// blockedByIn returns a trial.blockedBy that evaluates the policies of a snapshot.
func blockedByIn(w *snapshot.Snapshot, intruders []*corev1.Pod) func(int, control) string {
	return func(i int, c control) string { return blockingPolicies(w, intruders[i], c.pod, c.address) }
}

// byName returns the pod of that name among the pods of a run, nil when it is absent.
func byName(pods []corev1.Pod, key types.NamespacedName) *corev1.Pod {
	i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Namespace == key.Namespace && p.Name == key.Name })
	if i < 0 {
		return nil
	}
	return &pods[i]
}
