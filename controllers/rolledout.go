package controllers

import (
	"fmt"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// rolledOut returns the condition RolledOut: whether all components run the revision of the spec. While nothing is decided, and while the
// stack is suspended, the last one stays. What was decided for an earlier spec keeps the generation of that spec.
func (s *scope) rolledOut() metav1.Condition {
	before := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionRolledOut)
	switch {
	case before == nil:
		return s.progressOfRollout()
	case s.planned == nil:
		return *before
	case s.suspended() && s.proposed && (s.atRest() || s.planned.State.Pursued() == s.wanted):
		return condition(before.Type, before.Status, before.Reason, before.Message) // the spec is the one that it was decided for
	case s.suspended():
		return *before
	}
	c := s.progressOfRollout()
	if !s.proposed { // the rollout to the earlier spec goes on
		c.ObservedGeneration = before.ObservedGeneration
	}
	return c
}

// progressOfRollout describes the plan.
func (s *scope) progressOfRollout() metav1.Condition {
	const kind = v1alpha1.ConditionRolledOut
	switch {
	case s.planned == nil:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonWaiting, "no component runs yet: its references must resolve first")
	case s.planned.State.Rollout == nil && s.planned.State.Current == s.wanted:
		return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonComplete, "all components run "+s.wanted)
	case s.planned.State.Rollout == nil, s.planned.State.Pursued() != s.wanted:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonWaiting, s.wanted+" waits until the policies are in place")
	}
	r := s.planned.State.Rollout
	return condition(kind, metav1.ConditionFalse, string(r.State), s.describeRollout(r))
}

// describeRollout describes a rollout that is not over, with the remedy.
func (s *scope) describeRollout(r *v1alpha1.Rollout) string {
	const retry = ": change the spec, or set the annotation " + v1alpha1.AnnotationRetryRollout + " to a new value"
	failure := ""
	if f := r.Failure; f != nil {
		failure = fmt.Sprintf("%s: %s: %s", f.Component, f.Reason, f.Message)
	}
	switch r.State {
	case v1alpha1.RolloutWaitingForWindow:
		if s.planned.Opens.IsZero() {
			return fmt.Sprintf("%s waits: no window of spec.upgrade.windows ever opens", r.To)
		}
		return fmt.Sprintf("%s waits for the window of spec.upgrade.windows that opens at %s", r.To, s.planned.Opens.UTC().Format(time.RFC3339))
	case v1alpha1.RolloutWaiting:
		return fmt.Sprintf("%s waits: as many stacks are rolled out as the operator allows at a time (--max-concurrent-rollouts)", r.To)
	case v1alpha1.RolloutHeld:
		return fmt.Sprintf("each component stays as it is since wave %d of %s failed: %s%s", r.Wave, r.FailedRevision, failure, retry)
	case v1alpha1.RolloutRolledBack:
		return fmt.Sprintf("all components run %s again, because %s failed: %s%s", r.To, r.FailedRevision, failure, retry)
	case v1alpha1.RolloutRollingBack:
		return fmt.Sprintf("the components go back to %s in wave %d, because %s failed: %s%s",
			r.To, r.Wave, r.FailedRevision, failure, s.waiting())
	default:
		if r.Wave == 0 {
			return fmt.Sprintf("before the first wave of the rollout to %s%s", r.To, s.waiting())
		}
		return fmt.Sprintf("wave %d of the rollout to %s%s%s", r.Wave, r.To, s.waiting(), unchecked(r))
	}
}

// unchecked says that the rollout is not gated by checks, and why.
func unchecked(r *v1alpha1.Rollout) string {
	switch {
	case r.Check == nil:
		return ""
	case r.Check.State == v1alpha1.CheckSkipped:
		return "; OpenIM is not checked: " + r.Check.Message
	case r.Check.State == v1alpha1.CheckFailed && r.Check.Wave == 0:
		return "; OpenIM is not checked, because a check already failed before the first wave: " + r.Check.Message
	default:
		return ""
	}
}

func (s *scope) waiting() string {
	if len(s.planned.Waiting) == 0 {
		return ""
	}
	text := ": waiting for " + strings.Join(s.planned.Waiting, ", ")
	if c := s.planned.State.Rollout.Check; s.planned.Check != "" && c != nil && c.Message != "" {
		text += " (" + c.Message + ")"
	}
	return text
}

// hasFailed reports whether the rollout to the present spec needs a user. The failure of an earlier spec's says nothing about this one.
func (s *scope) hasFailed(rolledOut metav1.Condition) bool {
	earlier := rolledOut.ObservedGeneration != 0 && rolledOut.ObservedGeneration != s.stack.Generation
	return rolledOut.Status == metav1.ConditionFalse && !earlier &&
		(rolledOut.Reason == v1alpha1.ReasonHeld || rolledOut.Reason == v1alpha1.ReasonRolledBack)
}

// updateAvailable returns the condition UpdateAvailable, without a type unless the present operator would build other pods. A
// reconciliation that proposed no revision does not know, and leaves the last one.
func (s *scope) updateAvailable() metav1.Condition {
	if !s.proposed {
		if before := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionUpdateAvailable); before != nil {
			return *before
		}
	}
	if len(s.outdated) == 0 {
		return metav1.Condition{}
	}
	message := fmt.Sprintf("this operator would build other pods of %s: set the annotation %s to a new value to roll them out",
		strings.Join(s.outdated, ", "), v1alpha1.AnnotationUpdate)
	if unsure := s.unsureFields(); len(unsure) > 0 {
		message += "; until then images of an earlier operator, which may not apply all of it, run with " + strings.Join(unsure, ", ")
	}
	return condition(v1alpha1.ConditionUpdateAvailable, metav1.ConditionTrue, v1alpha1.ReasonOperatorUpdated, message)
}

// unsureFields returns the fields of the spec that outdated components run with and that their images may not read, each once.
func (s *scope) unsureFields() []string {
	var fields []string
	for _, component := range s.outdated {
		fields = append(fields, s.unsure[component]...)
	}
	slices.Sort(fields)
	return slices.Compact(fields)
}

// atRest reports whether no rollout is under way, and all components are assigned to the revision of the spec. It is false while it is not
// known which revision that is: then wanted is one of an earlier spec.
func (s *scope) atRest() bool {
	return s.proposed && s.planned != nil && s.planned.State.Rollout == nil && s.planned.State.Current == s.wanted
}

// isWanted reports whether a component's Deployment was built from what the spec wants.
func (s *scope) isWanted(component string) bool {
	var wanted, present string
	built := s.revisionOf(component)
	for _, h := range s.history {
		if h.Name == s.wanted {
			wanted = h.Hashes[component]
		}
		if h.Name == built {
			present = h.Hashes[component]
		}
	}
	return wanted != "" && wanted == present
}
