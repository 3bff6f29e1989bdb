package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// model is a stack on a cluster that fails at random: the operator is killed between the write of the state and those of the Deployments,
// the status is lost, the spec changes, components break and heal.
type model struct {
	in       rollout.Input
	clusters map[string]*deployment
	// bad are the templates that never become available, wrong those whose pods run and break what the check finds.
	bad, wrong map[string]bool
	// check is the run of the check whose pod was made.
	check  string
	number int64
	// lost is true from a loss of the status until all components were available: the operator cannot know then which component on its
	// completed template is not proven.
	lost bool
	// owed is true from a change of a template by a rollout whose checks decide, until a check has passed.
	owed bool
	// written are the states that were written, the last ones.
	written []rollout.State
	// foreign is true from a status that the operator did not write to the completion of the spec: what the status says of the past is made
	// up, so that what it would prove of the order proves nothing.
	foreign bool
}

// deployment is what the cluster runs of a component.
type deployment struct {
	revision, hash string
	complete       bool
	since          time.Time
	// unproven is true from a change of the template until its pods are available.
	unproven bool
}

func newModel(t *rapid.T) *model {
	first := rollout.Revision{Name: "r1", Number: 1, RolledOut: true, Release: release("v3.8.3-patch.5"), Hashes: hashes("r1", nil)}
	images(&first, "r1")
	m := &model{number: 1, clusters: map[string]*deployment{}, bad: map[string]bool{}, wrong: map[string]bool{}, in: rollout.Input{
		State: rollout.State{Current: "r1"}, Wanted: "r1", Revisions: []rollout.Revision{first}, Components: components, Slot: true, Now: start,
		Policy: rollout.Policy{
			WaveTimeout: 600 * time.Second, Rollback: rapid.Bool().Draw(t, "rollback"), Check: rapid.Bool().Draw(t, "check"),
		},
	}}
	for _, c := range components {
		m.clusters[c.Name] = &deployment{revision: "r1", hash: "r1", complete: true, since: start}
	}
	return m
}

// change makes another spec wanted: a new one that changes some components, or an earlier one.
func (m *model) change(t *rapid.T) {
	if len(m.in.Revisions) > 1 && rapid.Bool().Draw(t, "revert") {
		i := rapid.IntRange(0, len(m.in.Revisions)-1).Draw(t, "to")
		m.number++
		m.in.Revisions[i].Number = m.number
		m.in.Wanted = m.in.Revisions[i].Name
		return
	}
	m.number++
	name := fmt.Sprintf("r%d", m.number)
	base := m.revision(m.in.Wanted)
	all := maps.Clone(base.Hashes)
	for _, c := range rapid.SliceOfN(rapid.SampledFrom(components), 1, 6).Draw(t, "changed") {
		all[c.Name] = name
		if rapid.IntRange(0, 3).Draw(t, "bad") == 0 {
			m.bad[c.Name+name] = true
		}
		if rapid.IntRange(0, 5).Draw(t, "wrong") == 0 {
			m.wrong[c.Name+name] = true
		}
	}
	tag := rapid.SampledFrom([]string{"v3.8.3", "v3.8.3-patch.5", "v3.8.3-patch.16"}).Draw(t, "release")
	next := rollout.Revision{Name: name, Number: m.number, Release: release(tag), Hashes: all, Images: maps.Clone(base.Images)}
	if rapid.Bool().Draw(t, "images") {
		for component, hash := range all {
			if hash == name {
				next.Images[component] = name
			}
		}
	}
	m.in.Revisions = append(m.in.Revisions, next)
	m.in.Wanted = name
}

func (m *model) revision(name string) rollout.Revision {
	i := slices.IndexFunc(m.in.Revisions, func(r rollout.Revision) bool { return r.Name == name })
	return m.in.Revisions[i]
}

func (m *model) observe() {
	m.in.Observed = map[string]rollout.Observation{}
	for name, d := range m.clusters {
		o := rollout.Observation{Revision: d.revision, Complete: d.complete, Since: d.since}
		if !d.complete && m.bad[name+d.hash] {
			o.Reason, o.Failed, o.Class = "CrashLoop", true, rollout.Fault
		}
		m.in.Observed[name] = o
	}
}

// reconcile plans, writes the state, and writes the Deployments up to the k-th: there the operator is killed.
func (m *model) reconcile(t *rapid.T, k int) {
	m.observe()
	before := m.in.State
	plan := rollout.Next(m.in)
	if again := rollout.Next(m.in); !slices.Equal(plan.Waiting, again.Waiting) || !maps.Equal(plan.Assignments, again.Assignments) {
		t.Fatalf("the plan is not a function of its input")
	}
	if !m.foreign {
		m.checkCompleted(t, before.Rollout, plan)
	}
	if r, next := before.Rollout, plan.State.Rollout; !m.foreign && r != nil && next != nil && next.To != r.To {
		m.forget(r)
	}
	m.in.State = plan.State
	m.written = append(m.written[max(len(m.written)-20, 0):], plan.State)
	if plan.State.Rollout == nil && plan.State.Current != "" {
		m.lost = m.lost && slices.ContainsFunc(slices.Collect(maps.Values(m.clusters)), func(d *deployment) bool { return d.unproven })
		i := slices.IndexFunc(m.in.Revisions, func(r rollout.Revision) bool { return r.Name == plan.State.Current })
		if i < 0 && !m.foreign {
			t.Fatalf("completed is %q, which no revision is", plan.State.Current)
		}
		if i >= 0 {
			m.in.Revisions[i].RolledOut = true
		}
	}
	if m.in.Blocked {
		return // no template may be written
	}
	if m.foreign {
		m.checkForeign(t, before, plan)
	} else {
		m.checkOwed(t, before, plan)
		m.checkHeld(t, before.Rollout, plan)
		m.checkWindow(t, before, plan)
		m.checkOrder(t, plan)
		m.checkGate(t, plan)
		m.checkChecked(t, before.Rollout, plan)
	}
	for i, name := range slices.Sorted(maps.Keys(plan.Assignments)) {
		if i == k {
			return
		}
		if d := m.clusters[name]; d.hash != m.hash(name, plan.Assignments[name]) && !m.foreign && decides(plan.State.Rollout.Check) {
			m.owed = true
		}
		m.write(name, plan.Assignments[name])
	}
	if k < 0 {
		m.check = plan.Check // the Deployment of the check is the last
	}
}

// checkCompleted: a rollout with checks is complete only once its last one has passed.
func (m *model) checkCompleted(t *rapid.T, r *v1alpha1.Rollout, plan rollout.Plan) {
	if r != nil && plan.State.Rollout == nil && m.in.Policy.Check && !m.in.Blocked && r.To == plan.State.Current && decides(r.Check) &&
		(r.Check.Wave != r.Wave || m.in.Check.Failed) {
		t.Fatalf("complete without its last check: %+v, %+v", r, r.Check)
	}
}

// forget: a rollout has no room for what an earlier one has changed and it was to change, too, and had not come to.
func (m *model) forget(r *v1alpha1.Rollout) {
	for name, d := range m.clusters {
		d.unproven = d.unproven && d.hash == m.hash(name, r.To)
	}
}

// makeCheck lets the pod of the check end.
func (m *model) makeCheck() {
	o := rollout.CheckObservation{Run: m.check}
	for name, d := range m.clusters {
		o.Failed = o.Failed || m.wrong[name+d.hash]
	}
	o.Passed = !o.Failed
	m.in.Check = o
}

// decides reports whether the checks of a rollout decide about it.
func decides(c *v1alpha1.RolloutCheck) bool {
	return c != nil && c.State != v1alpha1.CheckSkipped && (c.State != v1alpha1.CheckFailed || c.Wave > 0)
}

// checkOwed: what a rollout with checks has changed is not complete until a check has passed, whatever replaced the rollout meanwhile.
func (m *model) checkOwed(t *rapid.T, before rollout.State, plan rollout.Plan) {
	r, o := plan.State.Rollout, m.in.Check
	answered := false
	if of := before.Checking(); of != "" && (o.Passed || o.Impossible) {
		answered = strings.HasPrefix(o.Run, fmt.Sprintf("%s.%d.", of, before.Rollout.Check.Wave)) // a pause stops the clock of the run
	}
	forgotten := before.Current == "" && before.Rollout == nil // the status was lost
	if !m.in.Policy.Check || answered || forgotten || r != nil && r.Check != nil && !decides(r.Check) {
		m.owed = false
	}
	if m.owed && (r == nil || r.State == v1alpha1.RolloutRolledBack) {
		t.Fatalf("over without the check that is owed: before %+v, now %+v", before.Rollout, r)
	}
}

// checkGate: where checks gate each wave, no component changes before the check after the wave before has passed.
func (m *model) checkGate(t *rapid.T, plan rollout.Plan) {
	r := plan.State.Rollout
	if r == nil || r.Check == nil || r.Check.After != v1alpha1.CheckEachWave || r.Check.State == v1alpha1.CheckSkipped ||
		r.Check.State == v1alpha1.CheckFailed && r.Check.Wave == 0 {
		return
	}
	for name, assigned := range plan.Assignments {
		changes := m.hash(name, assigned) != m.clusters[name].hash
		if changes && (r.Check.State != v1alpha1.CheckPassed || r.Check.Wave == r.Wave) {
			t.Fatalf("%s changes to %s with the check %+v in wave %d", name, assigned, r.Check, r.Wave)
		}
	}
}

// checkChecked: a rollout that starts to change images has checks.
func (m *model) checkChecked(t *rapid.T, before *v1alpha1.Rollout, plan rollout.Plan) {
	r := plan.State.Rollout
	if r == nil || r.State != v1alpha1.RolloutProgressing || r.Check != nil || !m.in.Policy.Check || plan.State.Current == "" ||
		before != nil && before.To == r.To && rollout.Moving(before) {
		return
	}
	for _, name := range r.Components {
		if m.revision(r.To).Images[name] != m.revision(m.clusters[name].revision).Images[name] {
			t.Fatalf("%s gets another image without a check: before %+v, now %+v", name, before, r)
		}
	}
}

// checkHeld: a stack that is held keeps the components that its rollout has not reached.
func (m *model) checkHeld(t *rapid.T, before *v1alpha1.Rollout, plan rollout.Plan) {
	r := plan.State.Rollout
	if before == nil || r == nil || before.State != held || r.State != held {
		return
	}
	for name, assigned := range plan.Assignments {
		reached := waveOf(name) <= int(r.Wave)
		if r.Direction == v1alpha1.RolloutBackward {
			reached = waveOf(name) >= int(r.Wave)
		}
		if d := m.clusters[name]; m.hash(name, assigned) != d.hash && !reached {
			t.Fatalf("a held stack changes %s from %s to %s", name, d.revision, assigned)
		}
	}
}

// checkWindow: no window is open, so a stack at rest gets no other image.
func (m *model) checkWindow(t *rapid.T, before rollout.State, plan rollout.Plan) {
	current := before.Current
	if current == "" && before.Rollout == nil { // the status was lost, and all components may run what was completed last
		for _, r := range m.in.Revisions {
			if r.RolledOut && (current == "" || r.Number > m.revision(current).Number) {
				current = r.Name
			}
		}
		for name, d := range m.clusters {
			if d.hash != m.hash(name, current) {
				return
			}
		}
	}
	r := before.Rollout
	atRest := current != "" && (r == nil || r.State == v1alpha1.RolloutWaitingForWindow ||
		r.State == v1alpha1.RolloutHeld && r.Wave == 0 && r.To != m.in.Wanted)
	if m.in.Policy.Windows == nil || !atRest || current == m.in.Wanted {
		return
	}
	for name, assigned := range plan.Assignments {
		if d := m.clusters[name]; m.revision(assigned).Images[name] != m.revision(d.revision).Images[name] {
			t.Fatalf("%s gets the image of %s outside the windows", name, assigned)
		}
	}
}

func (m *model) hash(component, name string) string { return m.revision(name).Hashes[component] }

func waveOf(name string) int {
	return components[slices.IndexFunc(components, func(c rollout.Component) bool { return c.Name == name })].Wave
}

// checkOrder: a component changes only towards the wanted revision or, in a rollback, the completed one; and only once all components of
// the waves before run the target's template, and were available with it.
func (m *model) checkOrder(t *rapid.T, plan rollout.Plan) {
	r := plan.State.Rollout
	for name, assigned := range plan.Assignments {
		if m.hash(name, assigned) == m.clusters[name].hash {
			continue
		}
		if r == nil {
			t.Fatalf("%s changes to %s at rest", name, assigned)
		}
		rollback := r.FailedRevision != "" && r.To == plan.State.Current
		if assigned != r.To || r.To != m.in.Wanted && !rollback {
			t.Fatalf("%s changes to %s: wanted is %s, the rollout is %+v", name, assigned, m.in.Wanted, r)
		}
		for other, o := range m.clusters {
			before := waveOf(other) < waveOf(name)
			if r.Direction == v1alpha1.RolloutBackward {
				before = waveOf(other) > waveOf(name)
			}
			if before && (o.hash != m.hash(other, r.To) || o.unproven && !m.lost) {
				t.Fatalf("%s changes to %s while %s of an earlier wave runs %s, unproven %t", name, assigned, other, o.revision, o.unproven)
			}
		}
	}
}

func (m *model) write(name, assigned string) {
	d := m.clusters[name]
	if hash := m.hash(name, assigned); d.hash != hash {
		d.hash, d.complete, d.unproven, d.since = hash, false, true, m.in.Now
	}
	d.revision = assigned
}

// settle lets the cluster work: what is not bad becomes available.
func (m *model) settle(t *rapid.T, some bool) {
	for _, name := range slices.Sorted(maps.Keys(m.clusters)) {
		d := m.clusters[name]
		if d.complete || m.bad[name+d.hash] || some && rapid.Bool().Draw(t, "stays") {
			continue
		}
		d.complete, d.unproven, d.since = true, false, m.in.Now
	}
}

func TestNoSequenceOfFailuresBreaksTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		t.Repeat(m.actions())
		m.end(t)
	})
}

// actions are what happens to a stack, by name.
func (m *model) actions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"change":    m.change,
		"reconcile": func(t *rapid.T) { m.reconcile(t, -1) },
		"killed":    func(t *rapid.T) { m.reconcile(t, rapid.IntRange(0, len(components)).Draw(t, "writes")) },
		"time":      func(*rapid.T) { m.in.Now = m.in.Now.Add(30 * time.Second) },
		"settle":    func(t *rapid.T) { m.settle(t, true) },
		"repaired":  func(*rapid.T) { m.bad, m.wrong = map[string]bool{}, map[string]bool{} },
		"check":     func(*rapid.T) { m.makeCheck() },
		"late":      func(*rapid.T) { m.in.Now = m.in.Now.Add(5 * time.Minute) },
		"refused":   func(*rapid.T) { m.in.Check = rollout.CheckObservation{Run: m.check, Refused: "NameConflict"} },
		"no check":  func(*rapid.T) { m.in.Check = rollout.CheckObservation{Run: m.check, Impossible: true} },
		"checks":    func(t *rapid.T) { m.in.Policy.Check = rapid.Bool().Draw(t, "check") },
		"breaks": func(t *rapid.T) {
			d := m.clusters[rapid.SampledFrom(components).Draw(t, "component").Name]
			d.complete, d.since = false, m.in.Now
		},
		"lost": func(*rapid.T) {
			if r := m.in.State.Rollout; r == nil || r.FailedRevision == "" { // who failed is told by the status alone
				m.in.State, m.lost = rollout.State{}, true
			}
		},
		"window": func(t *rapid.T) {
			m.in.Policy.Windows = nil
			if rapid.Bool().Draw(t, "closed") {
				m.in.Policy.Windows = []rollout.Window{}
			}
		},
		"slot":    func(t *rapid.T) { m.in.Slot = rapid.Bool().Draw(t, "slot") },
		"suspend": func(t *rapid.T) { m.suspended(t) },
		"block":   func(t *rapid.T) { m.in.Blocked = !m.in.Blocked; m.reconcile(t, -1) },
		"retry":   func(t *rapid.T) { m.in.Retry = rapid.StringN(1, 3, 9).Draw(t, "retry") },
	}
}

// suspended plans once while the stack is suspended. Nothing is written.
func (m *model) suspended(t *rapid.T) {
	m.observe()
	in := m.in
	in.Suspended = true
	plan := rollout.Next(in)
	before, after := m.in.State.Rollout.DeepCopy(), plan.State.Rollout
	if before != nil {
		before.WaveStartTime = nil
	}
	if (before == nil) != (after == nil) ||
		before != nil && (before.State != after.State || before.Wave != after.Wave || before.To != after.To) {
		t.Fatalf("a suspended stack goes from %v to %v", before, after)
	}
	m.in.State = plan.State
}

// end: in a cluster that works, each rollout ends, and normal life works again.
func (m *model) end(t *rapid.T) {
	m.in.Slot, m.in.Blocked, m.in.Policy.Windows = true, false, nil
	m.finish(t)
	r := m.in.State.Rollout
	if r != nil && r.State != held && r.State != v1alpha1.RolloutRolledBack {
		t.Fatalf("the rollout does not end: %+v", r)
	}
	for at := range m.clusters {
		if d := m.clusters[at]; r == nil && (d.hash != m.hash(at, m.in.Wanted) || d.revision != m.in.Wanted) {
			t.Fatalf("complete, but %s runs %s", at, d.revision)
		}
	}
	stable := m.text()
	m.in.Now = m.in.Now.Add(time.Hour)
	m.reconcile(t, -1)
	if m.text() != stable {
		t.Fatalf("at rest, the stack changes from %s to %s", stable, m.text())
	}
	m.bad, m.wrong = map[string]bool{}, map[string]bool{}
	m.settle(t, false)
	m.in.Retry = "the end"
	m.finish(t)
	if m.in.State.Rollout != nil || m.in.State.Current != m.in.Wanted {
		t.Fatalf("a retry does not continue: %+v", m.in.State.Rollout)
	}
	m.change(t)
	m.bad, m.wrong = map[string]bool{}, map[string]bool{}
	m.finish(t)
	if m.in.State.Rollout != nil || m.in.State.Current != m.in.Wanted {
		t.Fatalf("a new revision does not continue: %+v", m.in.State.Rollout)
	}
}

func (m *model) finish(t *rapid.T) {
	for range 60 {
		m.reconcile(t, -1)
		m.in.Now = m.in.Now.Add(30 * time.Second)
		m.settle(t, false)
		m.makeCheck()
	}
}

func (m *model) text() string {
	text := ""
	for _, c := range components {
		text += m.clusters[c.Name].revision + " "
	}
	return text
}
