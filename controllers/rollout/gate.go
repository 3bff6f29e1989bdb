package rollout

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// failureDelay is the time for which a failure must last: a pod that starts while its network or a Secret is late fails for some seconds.
	failureDelay = 60 * time.Second
	// longestMessage is the bound of the API.
	longestMessage = 1024
)

// gate is the state of a wave.
type gate struct {
	open    bool
	waiting []string
	failure *failure
	requeue time.Duration
}

type failure struct {
	component, reason, message string
	class                      Class
}

// gate compares the components of all waves that the rollout has reached with what was observed. A wave is over when all of them run the
// target's template and are complete.
func (p *planner) gate() gate {
	r, g := p.rollout(), gate{}
	target, _ := p.revision(r.To)
	var first *Observation
	for _, c := range p.sorted() {
		o := p.Observed[c.Name]
		changed := p.hash(c.Name) == target.Hashes[c.Name]
		if !slices.Contains(r.Components, c.Name) || !p.reached(c.Wave) || changed && o.Complete {
			continue
		}
		g.waiting = append(g.waiting, c.Name)
		if f, after := p.failure(c, o, changed); f != nil && g.failure == nil {
			g.failure = f
		} else if f == nil && after > 0 {
			g.requeue = earliest(g.requeue, after)
		}
		if first == nil || o.Class == Environment && first.Class != Environment {
			first = &o
		}
	}
	g.open = len(g.waiting) == 0
	if g.open || g.failure != nil {
		return g
	}
	if left := p.waveEnd().Sub(p.Now); left > 0 {
		g.requeue = earliest(g.requeue, left)
		return g
	}
	g.failure = p.timeout(g.waiting, *first)
	return g
}

// sorted returns the components by name.
func (p *planner) sorted() []Component {
	all := slices.Clone(p.Components)
	slices.SortFunc(all, func(a, b Component) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return all
}

// failure returns the failure of a component that is not complete, or the time after which its present state becomes one.
func (p *planner) failure(c Component, o Observation, changed bool) (*failure, time.Duration) {
	f := &failure{component: c.Name, reason: o.Reason, message: o.Message, class: o.Class}
	started := p.waveStart()
	if o.Refused {
		f.class = Environment // another revision would not be written either, and nothing of this one was
		return f, 0
	}
	if !changed {
		return nil, 0 // the Deployment is still to be written: what it shows belongs to its old template
	}
	// A state from before the wave is that of an earlier attempt, which a retry gives another chance.
	since := o.Since
	if since.Before(started) {
		since = started
	}
	earlier := c.Wave != int(p.rollout().Wave) && !p.single()
	switch {
	case o.Class == Environment && !earlier:
		return nil, 0 // until the wave's time is over
	case o.Failed, earlier && !o.Since.IsZero():
		if left := since.Add(failureDelay).Sub(p.Now); left > 0 {
			return nil, left
		}
		return f, 0
	default:
		return nil, 0
	}
}

// timeout is the failure of a wave whose time is over.
func (p *planner) timeout(waiting []string, o Observation) *failure {
	f := &failure{component: waiting[0], reason: o.Reason, message: o.Message, class: o.Class}
	for _, name := range waiting {
		if p.Observed[name] == o {
			f.component = name
			break
		}
	}
	if f.reason == "" {
		f.reason = v1alpha1.RolloutReasonWaveTimeout
	}
	f.message = fmt.Sprintf("not available %d s after the start of the wave: %s", int(p.Policy.WaveTimeout.Seconds()), orDefault(f.message))
	return f
}

func orDefault(message string) string {
	if message == "" {
		return "look at its pods with kubectl describe"
	}
	return message
}

func (p *planner) waveStart() time.Time {
	if start := p.rollout().WaveStartTime; start != nil {
		return start.Time
	}
	return p.Now
}

func (p *planner) waveEnd() time.Time { return p.waveStart().Add(p.Policy.WaveTimeout) }

// fail ends a rollout that cannot go on: it is held, or the changed components go back to the revision that was completed before.
func (p *planner) fail(f failure) {
	r := p.rollout()
	rollingBack := r.State == v1alpha1.RolloutRollingBack
	message := f.message
	if rollingBack && r.Failure != nil {
		message = fmt.Sprintf("the rollback failed: %s; it was started because of %s: %s", f.message, r.Failure.Component, r.Failure.Message)
	}
	record := &v1alpha1.RolloutFailure{
		Component: f.component, Reason: f.reason, Message: cut(message), Time: metav1.NewTime(p.Now.Truncate(time.Second)),
	}
	if !rollingBack && p.mayRollBack(f) {
		p.rollBack(record)
		return
	}
	r.State, r.FailedRevision, r.Failure, r.WaveStartTime = v1alpha1.RolloutHeld, pursued(r), record, nil
}

// mayRollBack reports whether the failure starts a rollback. Only a revision that was completed before is worth going back to.
func (p *planner) mayRollBack(f failure) bool {
	back, ok := p.revision(p.plan.State.Current)
	return p.Policy.Rollback && f.class != Environment && ok && back.Name != p.rollout().To
}

// rollBack starts the way back to the completed revision, in the reverse order of the waves.
func (p *planner) rollBack(record *v1alpha1.RolloutFailure) {
	failed := p.rollout()
	back, _ := p.revision(p.plan.State.Current)
	r := &v1alpha1.Rollout{
		State: v1alpha1.RolloutRollingBack, From: failed.To, To: back.Name, FailedRevision: failed.To, Failure: record,
		Direction: v1alpha1.RolloutBackward,
	}
	if failed.Direction == v1alpha1.RolloutBackward {
		r.Direction = v1alpha1.RolloutForward
	}
	if gates(failed.Check) {
		r.Check = &v1alpha1.RolloutCheck{After: v1alpha1.CheckLastWave}
	}
	for _, c := range p.sorted() {
		if hash, ok := back.Hashes[c.Name]; ok && p.hash(c.Name) != hash {
			r.Components = append(r.Components, c.Name)
		}
	}
	p.plan.State.Rollout = r
	if len(r.Components) == 0 { // nothing was changed yet
		if r.Check == nil || failed.Check.After != v1alpha1.CheckLastWave {
			p.complete()
			return
		}
		r.Direction = v1alpha1.RolloutForward // what the failed rollout was to repair is not proven
		p.enter(int(p.endWave()))
		return
	}
	p.enter(p.firstWave())
}

func cut(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	message = message[:longestMessage]
	for len(message) > 0 && message[len(message)-1]&0xC0 == 0x80 { // inside a rune
		message = message[:len(message)-1]
	}
	if last := len(message) - 1; last >= 0 && message[last] >= 0xC0 {
		message = message[:last]
	}
	return message
}

// earliest returns the shorter of two times of which 0 means none.
func earliest(a, b time.Duration) time.Duration {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
