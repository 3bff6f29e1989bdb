package rollout

import (
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// longestWait bounds the time until a stack that waits for its window is looked at again.
const longestWait = time.Hour

// slotPoll is the time after which a stack asks again for a slot.
const slotPoll = 5 * time.Second

// Next returns the assignments and the next state. It needs the wanted revision among the revisions; without it nothing is assigned.
func Next(in Input) Plan {
	if _, ok := in.revision(in.Wanted); !ok {
		return Plan{State: in.State, Assignments: map[string]string{}}
	}
	p := planner{Input: in, plan: Plan{State: State{
		Current: in.State.Current, Rollout: in.State.Rollout.DeepCopy(), RetryAnswered: in.State.RetryAnswered,
	}}}
	if in.Suspended {
		p.freeze()
		p.plan.Assignments = map[string]string{}
		for _, c := range in.Components {
			p.plan.Assignments[c.Name] = in.Wanted // so that the caller can list what is still to be written
		}
		return p.plan
	}
	if in.Blocked {
		p.freeze()
		p.awaitWindow()
	} else {
		p.recover()
		p.start()
		p.advance()
	}
	p.assign()
	return p.plan
}

type planner struct {
	Input
	plan Plan
	// lost is true when the status told nothing.
	lost bool
}

// rollout returns the rollout of the next state, nil at rest.
func (p *planner) rollout() *v1alpha1.Rollout { return p.plan.State.Rollout }

// freeze stops the clocks of the wave and of the check.
func (p *planner) freeze() {
	if r := p.rollout(); r != nil {
		r.WaveStartTime = nil
		if r.Check != nil {
			r.Check.StartTime = nil
		}
	}
}

// recover restores what a lost status does not tell: the newest revision to which a rollout was completed. It also counts a request that
// the status does not know as answered, because nobody can show whether it is new. A rollout that the planner cannot have written, because
// somebody edited the status, is lost, too.
func (p *planner) recover() {
	r := p.rollout()
	if r != nil && !p.possible(r) {
		p.plan.State.Rollout = nil
	} else if r != nil || p.plan.State.Current != "" {
		return
	}
	p.lost, p.plan.State.RetryAnswered = true, p.Retry
	if _, known := p.revision(p.plan.State.Current); known {
		return
	}
	var newest Revision
	for _, r := range p.Revisions {
		if r.RolledOut && (newest.Name == "" || r.Number > newest.Number) {
			newest = r
		}
	}
	p.plan.State.Current = newest.Name
}

// possible reports whether the planner can have written a rollout, as far as the rest of the planner relies on it.
func (p *planner) possible(r *v1alpha1.Rollout) bool {
	switch r.State {
	case v1alpha1.RolloutWaiting, v1alpha1.RolloutWaitingForWindow, v1alpha1.RolloutProgressing:
		if r.FailedRevision != "" {
			return false // what has failed is over
		}
	case v1alpha1.RolloutHeld, v1alpha1.RolloutRollingBack, v1alpha1.RolloutRolledBack:
	default:
		return false
	}
	if heldByCheck(r) && r.Check == nil {
		return false
	}
	takesPart := func(c Component) bool { return slices.Contains(r.Components, c.Name) }
	return r.Wave > 0 || !Moving(r) || slices.ContainsFunc(p.Components, takesPart)
}

// start starts a rollout when another revision is wanted than the one that is pursued, or when a retry is requested.
func (p *planner) start() {
	retry := p.Retry != "" && p.Retry != p.plan.State.RetryAnswered // an annotation that is removed requests nothing
	r := p.rollout()
	if retry && r != nil && !Moving(r) && !isWaiting(r) && p.plan.State.Current != "" && p.lacksSlot() {
		return // the retry is answered with a slot: a rollout that waits for one would not know that it was retried
	}
	if retry {
		p.plan.State.RetryAnswered = p.Retry
	}
	switch {
	case r == nil && p.plan.State.Current == p.Wanted && !p.lost:
		return
	case r == nil, p.Wanted != pursued(r), isWaiting(r), retry && r.State != v1alpha1.RolloutProgressing:
		p.begin()
	}
	if r := p.rollout(); Moving(r) { // the clocks were stopped, or set by a clock that was ahead
		if r.Wave > 0 && (r.WaveStartTime == nil || r.WaveStartTime.After(p.Now)) {
			r.WaveStartTime = p.timestamp()
		}
		if isChecking(r) && (r.Check.StartTime == nil || r.Check.StartTime.After(p.Now.Add(checkTimeout))) {
			r.Check.StartTime = p.timestamp() // a check that is made again at once has a start some seconds ahead
		}
	}
}

// isWaiting reports whether a rollout has not started yet.
func isWaiting(r *v1alpha1.Rollout) bool {
	return r.State == v1alpha1.RolloutWaiting || r.State == v1alpha1.RolloutWaitingForWindow
}

// pursued returns the revision that a rollout was started for.
func pursued(r *v1alpha1.Rollout) string {
	if r.FailedRevision != "" {
		return r.FailedRevision
	}
	return r.To
}

// begin starts a rollout to the wanted revision. Components that an earlier rollout has changed go to the wanted revision directly.
func (p *planner) begin() {
	if p.checkAgain() {
		return
	}
	unfinished, checkAtRest := p.rollout(), p.startsAtRest(p.rollout())
	from := p.plan.State.Current
	if from == p.Wanted && p.rollout() != nil {
		from = pursued(p.rollout()) // back to the completed revision: what is left is the one that was under way
	}
	atRest := p.atRest()
	r := &v1alpha1.Rollout{State: v1alpha1.RolloutProgressing, From: from, To: p.Wanted, Components: p.participants()}
	p.plan.State.Rollout = r
	if len(r.Components) == 0 {
		p.conclude(unfinished)
		return
	}
	r.Direction, r.Check = p.direction(), p.checkFor(unfinished, checkAtRest)
	if waived(r.Check) && unfinished.To != r.To {
		p.plan.Unchecked = r.DeepCopy()
	}
	if open, _ := p.open(); atRest && !open && p.changesImages() {
		r.State = v1alpha1.RolloutWaitingForWindow
		p.awaitWindow()
		return
	}
	if p.plan.State.Current != "" && !p.Slot {
		// A first installation has nothing to protect and waits for nobody.
		r.State, p.plan.NeedsSlot, p.plan.Requeue = v1alpha1.RolloutWaiting, true, slotPoll
		return
	}
	if gates(r.Check) && r.Check.After == v1alpha1.CheckEachWave {
		p.startCheck()
		return
	}
	p.enter(p.firstWave())
}

// participants returns the components that the rollout to the wanted revision changes, and those that an unfinished rollout has changed
// and that are not proven yet. A component that runs what was completed before, and goes on with it, takes no part: were it broken, no
// rollout could repair the stack.
func (p *planner) participants() []string {
	wanted, _ := p.revision(p.Wanted)
	current, _ := p.revision(p.plan.State.Current)
	var names []string
	for _, c := range p.Components {
		hash, ok := wanted.Hashes[c.Name]
		if ok && (p.hash(c.Name) != hash || current.Hashes[c.Name] != hash || p.unproven(c)) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return names
}

// unproven reports whether the unfinished rollout, or one that it replaced, has changed a component that is not complete yet.
func (p *planner) unproven(c Component) bool {
	r := p.rollout()
	if r == nil || !slices.Contains(r.Components, c.Name) || p.Observed[c.Name].Complete {
		return false
	}
	if !isWaiting(r) && p.reached(c.Wave) {
		return true
	}
	// The rollout has not come to it. A component that it need not change takes part only because an earlier rollout has changed it.
	to, _ := p.revision(r.To)
	current, _ := p.revision(p.plan.State.Current)
	return p.hash(c.Name) == to.Hashes[c.Name] && to.Hashes[c.Name] == current.Hashes[c.Name]
}

// hash returns the hash of the template that a component's Deployment was built from, "" when it is not known.
func (p *planner) hash(component string) string {
	present, _ := p.revision(p.Observed[component].Revision)
	return present.Hashes[component]
}

// direction is Backward when a component leaves a newer release than the wanted one.
func (p *planner) direction() v1alpha1.RolloutDirection {
	wanted, _ := p.revision(p.Wanted)
	for _, name := range p.rollout().Components {
		present, ok := p.revision(p.Observed[name].Revision)
		if ok && present.Release.Compare(wanted.Release) > 0 {
			return v1alpha1.RolloutBackward
		}
	}
	return v1alpha1.RolloutForward
}

// enter starts a wave.
func (p *planner) enter(wave int) {
	r := p.rollout()
	r.Wave, r.WaveStartTime = int32(wave), p.timestamp() //nolint:gosec // five waves
}

func (p *planner) timestamp() *metav1.Time { return new(metav1.NewTime(p.Now.Truncate(time.Second))) }

// waves returns the waves in which components take part, in the order of the rollout.
func (p *planner) waves() []int {
	r := p.rollout()
	var all []int
	for _, c := range p.Components {
		if slices.Contains(r.Components, c.Name) {
			all = append(all, c.Wave)
		}
	}
	slices.Sort(all)
	if r.Direction == v1alpha1.RolloutBackward {
		slices.Reverse(all)
	}
	return slices.Compact(all)
}

// single reports whether all components change at the same time. A stack of which no rollout was completed has nothing to protect.
func (p *planner) single() bool { return p.Policy.AllAtOnce || p.plan.State.Current == "" }

func (p *planner) firstWave() int {
	waves := p.waves()
	if p.single() {
		return waves[len(waves)-1]
	}
	return waves[0]
}

// nextWave returns the wave after the present one. It reports false after the last.
func (p *planner) nextWave() (int, bool) {
	for _, wave := range p.waves() {
		if !p.reached(wave) {
			return wave, true
		}
	}
	return 0, false
}

// reached reports whether the rollout has come to a wave.
func (p *planner) reached(wave int) bool {
	r := p.rollout()
	switch {
	case r.Wave == 0:
		return false
	case r.Direction == v1alpha1.RolloutBackward:
		return wave >= int(r.Wave)
	default:
		return wave <= int(r.Wave)
	}
}

// advance goes through all waves whose gates are open, and ends the rollout after the last one or at a failure.
func (p *planner) advance() {
	for {
		r := p.rollout()
		if r == nil || isWaiting(r) || r.State == v1alpha1.RolloutRolledBack {
			return
		}
		if r.State == v1alpha1.RolloutHeld {
			if !p.recoverHeld() {
				return
			}
			continue
		}
		if isChecking(r) {
			if !p.awaitCheck() {
				return
			}
			continue
		}
		if r.Wave == 0 {
			p.enter(p.firstWave()) // what was checked is how the stack was before
		}
		if last := p.lastWave(); p.single() && !p.reached(last) {
			p.enter(last) // the strategy became AllAtOnce
		}
		g := p.gate()
		if g.failure != nil {
			p.fail(*g.failure)
			continue
		}
		if !g.open {
			p.plan.Waiting, p.plan.Requeue = g.waiting, g.requeue
			return
		}
		next, more := p.nextWave()
		if p.mustCheck(!more) {
			p.startCheck()
			continue
		}
		if !more {
			p.complete()
			return
		}
		p.enter(next)
	}
}

func (p *planner) lastWave() int {
	waves := p.waves()
	if len(waves) == 0 {
		return int(p.rollout().Wave)
	}
	return waves[len(waves)-1]
}

// recoverHeld ends a rollout that was held after its last wave once its components are available after all, with its last check. Before the
// last wave, going on is a decision for the user; so it is after a check that failed, unless the spec wants none any more. It reports
// whether the rollout goes on.
func (p *planner) recoverHeld() bool {
	r := p.rollout()
	if heldByCheck(r) {
		if p.Policy.Check {
			return false
		}
		return p.goOnUnchecked()
	}
	if _, more := p.nextWave(); more || r.Wave == 0 {
		return false
	}
	if g := p.gate(); !g.open {
		return false
	}
	if !p.mustCheck(true) {
		p.complete()
		return false
	}
	if p.lacksSlot() {
		return false
	}
	p.resume()
	p.startCheck()
	return true
}

// goOnUnchecked sets a rollout going again that its check held, because the spec wants no check any more. It reports whether it goes on.
// Before the first wave nothing was changed, so that it starts as any other: in a window, and with a slot.
func (p *planner) goOnUnchecked() bool {
	r := p.rollout()
	if r.Wave == 0 && r.To == p.Wanted {
		p.begin()
		return Moving(p.rollout())
	}
	if p.lacksSlot() {
		return false
	}
	r.Check = nil
	p.resume()
	return true
}

// complete ends a rollout.
func (p *planner) complete() {
	r := p.rollout()
	if r.FailedRevision != "" && r.To != r.FailedRevision {
		r.State, r.WaveStartTime = v1alpha1.RolloutRolledBack, nil
		return
	}
	p.plan.State.Current, p.plan.State.Rollout = r.To, nil
}

// assign computes the assignments of the next state.
func (p *planner) assign() {
	p.plan.Assignments = map[string]string{}
	for _, c := range p.Components {
		if name := p.assignment(c); name != "" {
			p.plan.Assignments[c.Name] = name
		}
	}
}

// assignment returns the revision of one component, "" for a component that is left as it is.
func (p *planner) assignment(c Component) string {
	r := p.rollout()
	if r == nil {
		return p.having(c.Name, p.plan.State.Current)
	}
	target, _ := p.revision(r.To)
	hash, ok := target.Hashes[c.Name]
	present := p.Observed[c.Name].Revision
	switch {
	case ok && p.hash(c.Name) == hash:
		return present // another name would be a write that changes no pod
	case ok && p.reached(c.Wave):
		return r.To
	case p.having(c.Name, present) != "":
		return present
	case present != "":
		return "" // its revision is lost: what runs is left alone
	case !slices.Contains(r.Components, c.Name):
		return p.having(c.Name, r.To) // gone, and the rollout does not change it
	default:
		return p.having(c.Name, r.From)
	}
}

// having returns the name of a revision that has a component, else "".
func (p *planner) having(component, name string) string {
	revision, ok := p.revision(name)
	if _, has := revision.Hashes[component]; ok && has {
		return name
	}
	return ""
}

// Pursued returns the name of the revision that the rollout was started for, "" at rest.
func (s State) Pursued() string {
	if s.Rollout == nil {
		return ""
	}
	return pursued(s.Rollout)
}

// Kept returns the names of the revisions that a state refers to.
func (s State) Kept() []string {
	names := map[string]bool{s.Current: true}
	if r := s.Rollout; r != nil {
		names[r.From], names[r.To], names[r.FailedRevision] = true, true, true
	}
	delete(names, "")
	return slices.Sorted(maps.Keys(names))
}
