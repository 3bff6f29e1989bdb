package rollout

import (
	"cmp"
	"fmt"
	"maps"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// checkTimeout is the time within which a check must have a result. It covers the start of the pod, two attempts of a minute, and the
// pause between them.
const checkTimeout = 5 * time.Minute

// CheckObservation is the state of the pod of a check.
type CheckObservation struct {
	// Run that the pod was made for, as in Plan.Check.
	Run string
	// Passed and Failed are the result. Both are false while there is none.
	Passed, Failed bool
	// Impossible is true when the revision cannot be checked at all. That decides nothing.
	Impossible bool
	// Refused is the reason when the API server refused the check's Deployment.
	Refused string
	// Message says what failed, or why there is no result.
	Message string
}

// run names the run of the check that is under way. A check that is made again after the same wave is another run.
func run(r *v1alpha1.Rollout) string {
	var started int64
	if r.Check.StartTime != nil {
		started = r.Check.StartTime.Unix()
	}
	return fmt.Sprintf("%s.%d.%d", r.To, r.Check.Wave, started)
}

// Checking returns the name of the revision whose check is under way, "" without one.
func (s State) Checking() string {
	if !isChecking(s.Rollout) {
		return ""
	}
	return s.Rollout.To
}

// CheckRun returns the name of the run that is under way, "" without one.
func (s State) CheckRun() string {
	if !isChecking(s.Rollout) {
		return ""
	}
	return run(s.Rollout)
}

func isChecking(r *v1alpha1.Rollout) bool {
	return Moving(r) && r.Check != nil && r.Check.State == v1alpha1.CheckRunning
}

// gates reports whether the checks of a rollout decide about it.
func gates(c *v1alpha1.RolloutCheck) bool {
	return c != nil && c.State != v1alpha1.CheckSkipped && !waived(c)
}

// waived reports whether a check failed before the first wave: later ones would say nothing about the change.
func waived(c *v1alpha1.RolloutCheck) bool {
	return c != nil && c.State == v1alpha1.CheckFailed && c.Wave == 0
}

// owesCheck reports whether what the components run was not proven by the check that an unfinished rollout was to end with. A rollout that
// waits has changed nothing, but owes the check of the one that it replaced: only such a rollout is checked after its last wave alone.
func (p *planner) owesCheck(unfinished *v1alpha1.Rollout) bool {
	r := unfinished
	switch {
	case r == nil || !gates(r.Check):
		return false
	case isWaiting(r):
		return p.Policy.Check && r.Check.After == v1alpha1.CheckLastWave
	case r.Wave == 0 || !p.sameTemplates(r.To, p.Wanted):
		return false
	default:
		return r.Check.State != v1alpha1.CheckPassed || r.Check.Wave != r.Wave
	}
}

// sameTemplates reports whether all components run the same pods with two revisions.
func (p *planner) sameTemplates(a, b string) bool {
	first, _ := p.revision(a)
	second, _ := p.revision(b)
	return a == b || maps.Equal(first.Hashes, second.Hashes)
}

// conclude ends a rollout that has no component to change. When the unfinished one owes a check, that check is all that is left.
func (p *planner) conclude(unfinished *v1alpha1.Rollout) {
	if !p.owesCheck(unfinished) {
		p.complete()
		return
	}
	r := p.rollout()
	if isWaiting(unfinished) || unfinished.To != p.Wanted {
		r.State, r.Direction = v1alpha1.RolloutWaiting, v1alpha1.RolloutForward
		r.Check = &v1alpha1.RolloutCheck{After: v1alpha1.CheckLastWave}
	} else {
		r = unfinished
		p.plan.State.Rollout = r
	}
	if !Moving(unfinished) && p.lacksSlot() {
		return
	}
	if r.Wave == 0 {
		r.Wave = p.endWave()
	}
	p.pursue(r)
}

// endWave returns the wave after which all components of the stack are changed in a forward rollout.
func (p *planner) endWave() (last int32) {
	for _, c := range p.Components {
		last = max(last, int32(c.Wave)) //nolint:gosec // five waves
	}
	return last
}

func heldByCheck(r *v1alpha1.Rollout) bool {
	return r.State == v1alpha1.RolloutHeld && r.Failure != nil && r.Failure.Component == v1alpha1.ComponentCheck
}

// startCheck starts a check after the present wave.
func (p *planner) startCheck() {
	r := p.rollout()
	before, now := r.Check.StartTime, p.timestamp()
	if before != nil && !before.Before(now) {
		now = new(metav1.NewTime(before.Add(time.Second))) // another run, though it is the same second
	}
	r.Check.State, r.Check.Wave, r.Check.StartTime, r.Check.Message = v1alpha1.CheckRunning, r.Wave, now, ""
}

// mustCheck reports whether a check follows the present wave. last is true for the last one.
func (p *planner) mustCheck(last bool) bool {
	c := p.rollout().Check
	return gates(c) && c.Wave != p.rollout().Wave && (last || c.After == v1alpha1.CheckEachWave)
}

// checkFor returns what is checked of a rollout that follows an unfinished one, or none: nil for nothing. Only from a state at rest it can
// be told whether a check fails because of the change. A rollout that replaces an unfinished one is checked once, after its last wave:
// until then, what it repairs is still there.
func (p *planner) checkFor(unfinished *v1alpha1.Rollout, atRest bool) *v1alpha1.RolloutCheck {
	switch {
	case !p.Policy.Check || p.plan.State.Current == "":
		return nil
	case atRest && p.changesImages():
		return &v1alpha1.RolloutCheck{After: v1alpha1.CheckEachWave}
	case atRest:
		return nil
	case unfinished != nil && waived(unfinished.Check):
		return unfinished.Check.DeepCopy() // it still says nothing about the change
	case unfinished != nil && unfinished.Check != nil, p.lost && p.plan.State.Current != p.Wanted, p.changesImages():
		return &v1alpha1.RolloutCheck{After: v1alpha1.CheckLastWave}
	default:
		return nil
	}
}

// startsAtRest reports whether a rollout that follows an unfinished one, or none, changes a stack that was complete. A repair that waits
// for a slot is still a repair.
func (p *planner) startsAtRest(unfinished *v1alpha1.Rollout) bool {
	if unfinished != nil && isWaiting(unfinished) && unfinished.Check != nil {
		return unfinished.Check.After == v1alpha1.CheckEachWave && !waived(unfinished.Check)
	}
	return p.atRest() || unfinished != nil && unfinished.State == v1alpha1.RolloutRolledBack
}

// lacksSlot reports whether the rollout must wait for a slot before it goes on, and asks for one.
func (p *planner) lacksSlot() bool {
	if p.Slot {
		return false
	}
	p.plan.NeedsSlot, p.plan.Requeue = true, slotPoll
	return true
}

// resume sets a held rollout going again.
func (p *planner) resume() {
	r := p.rollout()
	r.State, r.WaveStartTime = v1alpha1.RolloutProgressing, p.timestamp()
	if r.FailedRevision != "" && r.FailedRevision != r.To {
		r.State = v1alpha1.RolloutRollingBack
		return
	}
	r.FailedRevision, r.Failure = "", nil
}

// checkAgain makes the check again that holds the rollout to the wanted revision: when a retry is requested, and when the spec goes back to
// the revision whose check failed after a rollback to it.
func (p *planner) checkAgain() bool {
	r := p.rollout()
	if r == nil || !heldByCheck(r) || r.To != p.Wanted || !p.Policy.Check {
		return false
	}
	if p.lacksSlot() {
		return true
	}
	p.pursue(r)
	p.startCheck()
	return true
}

// pursue goes on with an unfinished rollout as the one to the wanted revision.
func (p *planner) pursue(r *v1alpha1.Rollout) {
	r.State, r.WaveStartTime, r.FailedRevision, r.Failure = v1alpha1.RolloutProgressing, p.timestamp(), "", nil
	p.plan.State.Rollout = r
}

// awaitCheck takes the result of the check that is under way. It reports false while there is none.
func (p *planner) awaitCheck() bool {
	r := p.rollout()
	c, o := r.Check, p.Check
	if o.Run != run(r) {
		o = CheckObservation{}
	}
	left := c.StartTime.Add(checkTimeout).Sub(p.Now)
	switch {
	case !p.Policy.Check:
		r.Check = nil // the spec wants none any more
	case o.Passed:
		c.State, c.Message = v1alpha1.CheckPassed, ""
	case o.Impossible:
		c.State, c.Message = v1alpha1.CheckSkipped, cut(o.Message)
		p.plan.Unchecked = r.DeepCopy()
	case o.Refused != "":
		c.State, c.Message = v1alpha1.CheckUnknown, cut(o.Message)
		p.fail(failure{component: v1alpha1.ComponentCheck, reason: o.Refused, message: o.Message, class: Environment})
		return true
	case o.Failed && c.Wave == 0:
		c.State, c.Message = v1alpha1.CheckFailed, cut(o.Message) // it was so before
		p.plan.Unchecked = r.DeepCopy()
	case o.Failed:
		c.State, c.Message = v1alpha1.CheckFailed, cut(o.Message)
		p.fail(failure{component: v1alpha1.ComponentCheck, reason: v1alpha1.RolloutReasonCheckFailed, message: o.Message, class: Fault})
		return true
	case left <= 0:
		c.State, c.Message = v1alpha1.CheckUnknown, cut(o.Message)
		p.fail(failure{
			component: v1alpha1.ComponentCheck, reason: v1alpha1.RolloutReasonCheckNotRun, class: Environment,
			message: fmt.Sprintf("no result %d s after the start of the check: %s", int(checkTimeout.Seconds()),
				cmp.Or(o.Message, "look at its pod with kubectl describe")),
		})
		return true
	default:
		if c.Message == "" { // why its pod does not run is told at once; each change of the text would be a write of the status
			c.Message = cut(o.Message)
		}
		p.plan.Check, p.plan.Waiting, p.plan.Requeue = run(r), []string{v1alpha1.ComponentCheck}, left
		return false
	}
	if r.Wave > 0 {
		r.WaveStartTime = p.timestamp() // the time of the check is not the wave's
	}
	return true
}
