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

// control is a listener which every intruder must reach.
type control struct {
	pod     *corev1.Pod
	address netip.AddrPort
}

// trial is one run's evidence: what each intruder saw of the controls, which come first, and of the plan's targets.
type trial struct {
	before, after plan
	// controls that were dialled.
	controls []control
	// seen are the outcomes of each intruder: the controls', then those of before.targets.
	seen [][]probe.Outcome
	// blockedBy says which policy keeps an intruder from a control, empty when none does.
	blockedBy func(intruder int, c control) string
	// onlyOneIntruder says why there is an intruder in the stack's namespace alone; empty when there is another.
	onlyOneIntruder string
}

// tally counts a trial's attempts.
type tally struct {
	attempted, blocked, allowed int
	// leaks passed although the policies forbid it, openings passed because an object lets them, silent are doors that did not answer.
	leaks, openings, unanswered []string
	// heldBack is how many attempts of each intruder its own namespace's policies held back: they prove nothing.
	heldBack []int
}

// result is what a trial comes to.
type result struct {
	outcome, message                        string
	attempted, blocked, allowed, unexpected int
}

// evaluateTrial weighs the evidence. Only a pod that was ready before and after the attempts counts, and only if the intruder demonstrably
// had a network and nothing but the stack's own boundary in its way.
func evaluateTrial(t trial) result {
	n := t.count()
	j := result{attempted: n.attempted, blocked: n.blocked, allowed: n.allowed, unexpected: len(n.leaks) + len(n.openings) + len(n.unanswered)}
	doubt := t.inconclusive(n)
	switch {
	case len(n.leaks) > 0:
		j.outcome = v1alpha1.ReasonNotEnforcedByCNI
		j.message = fmt.Sprintf("the policies forbid it, and packets pass: %s. The cluster's network plugin does not enforce NetworkPolicies, or not all of them: "+
			"install one that does, or repair it", firstThree(n.leaks))
	case len(n.openings) > 0:
		j.outcome = v1alpha1.ReasonBreached
		j.message = fmt.Sprintf("an intruder got through: %s. Delete or correct what lets it in", firstThree(n.openings))
	case doubt != "":
		j.outcome, j.message = v1alpha1.ReasonIsolationUnverified, doubt
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
				continue // it may have been dead when it was tried
			}
			was, is := t.before.cells[intruder][i], t.after.cells[intruder][later]
			passed := outcomes[len(t.controls)+i] == probe.Open
			if !is.leaves && !passed {
				n.heldBack[intruder]++
				continue // not at the boundary
			}
			n.attempted++
			what := fmt.Sprintf("%s from a pod in namespace %s", target, t.before.namespaces[intruder])
			switch {
			case passed && is.intended:
				n.allowed++
			case passed && is.open:
				n.openings = append(n.openings, what+" ("+is.because+")")
			case passed && was.open: // closed in the meantime: tried again, because the digest has changed
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

// inconclusive says why attempts that were blocked prove nothing. It is empty when they do.
func (t trial) inconclusive(n tally) string {
	for intruder := range t.seen {
		if reason := t.unreliableNetwork(intruder); reason != "" {
			return reason
		}
		if n.heldBack[intruder] > 0 {
			return fmt.Sprintf("a policy that selects the intruder in namespace %s keeps it from %d of its targets before its packets reach the stack, which proves nothing: "+
				"let pods labelled %s=%s out (docs/probes.md has the policy)", t.before.namespaces[intruder], n.heldBack[intruder], v1alpha1.LabelName, v1alpha1.NameProbe)
		}
	}
	if len(n.unanswered) > 0 {
		return fmt.Sprintf("a door that is open to anyone does not answer: %s. What is shut then proves nothing", firstThree(n.unanswered))
	}
	if n.attempted == 0 {
		return "no pod of the stack was ready for the whole probe, or its policies changed meanwhile: it is tried again"
	}
	return ""
}

// unreliableNetwork says why an intruder's network cannot be relied upon: by each family of addresses of the targets it must reach a listener, and
// every one that it does not reach must be kept from it by a policy that is known.
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
			return fmt.Sprintf("%s did not reach the control, a listener in namespace %s at %s (%s), and no policy forbids it: "+
				"look at the network between pods. Until it does, what is shut proves nothing", from, c.pod.Namespace, c.address, t.seen[intruder][i])
		}
		by = policies
	}
	for i, target := range t.before.targets {
		if t.seen[intruder][len(t.controls)+i] == probe.Open && t.before.cells[intruder][i].intended {
			reached[target.address.Addr().Is4()] = true // a door
		}
	}
	for _, target := range t.before.targets {
		if !reached[target.address.Addr().Is4()] {
			return fmt.Sprintf("%s reaches no control: %s. What is shut for it then proves nothing: let pods labelled %s=%s reach one another "+
				"and the stack (docs/probes.md has the policy)", from, cmp.Or(by, "none has an address of the family of "+target.address.Addr().String()),
				v1alpha1.LabelName, v1alpha1.NameProbe)
		}
	}
	return ""
}

func (t trial) success(n tally) string {
	text := fmt.Sprintf("%d of %d connections that intruders in %s attempted were blocked", n.blocked, n.attempted, namespaces(t.before.namespaces))
	if n.allowed > 0 {
		text += fmt.Sprintf("; the other %d reached the doors that the spec opens", n.allowed)
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

// firstThree names the first three.
func firstThree(all []string) string {
	const shown = 3
	if len(all) <= shown {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:shown], ", "), len(all)-shown)
}

// blockedByIn answers trial.barred from a snapshot.
func blockedByIn(w *snapshot.World, intruders []*corev1.Pod) func(int, control) string {
	return func(i int, c control) string { return blockingPolicies(w, intruders[i], c.pod, c.address) }
}

// byName finds a pod among those of a run.
func byName(pods []corev1.Pod, key types.NamespacedName) *corev1.Pod {
	i := slices.IndexFunc(pods, func(p corev1.Pod) bool { return p.Namespace == key.Namespace && p.Name == key.Name })
	if i < 0 {
		return nil
	}
	return &pods[i]
}
