package rollout_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// Nobody but the operator should write the status of a rollout. When something does, the stack still comes to what the spec wants. The
// order of that one rollout is not promised: it is what the status says.
func TestAStatusThatTheOperatorDidNotWriteStopsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		actions := m.actions()
		actions["stale"], actions["edited"] = m.stale, m.edited
		t.Repeat(actions)
		m.end(t)
	})
}

// Each of these was found by the test above: the operator ended at it, or waited for ever.
func TestAnImpossibleRolloutCountsAsLost(t *testing.T) {
	for name, r := range map[string]v1alpha1.Rollout{
		"no state":                          {To: "b", Wave: 1, Components: []string{"auth"}},
		"held by a check that was not made": {State: held, To: "b", Failure: &v1alpha1.RolloutFailure{Component: v1alpha1.ComponentCheck}},
		"changes nothing":                   {State: v1alpha1.RolloutProgressing, To: "b"},
		"goes to what is gone": {
			State: v1alpha1.RolloutProgressing, To: "gone", FailedRevision: "b", Wave: 5, Components: []string{"auth"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			s.in.Wanted, s.in.Retry = "b", "now"
			s.in.Policy.Check = true
			s.in.State = rollout.State{Current: "a", Rollout: &r}
			for range 5 * 5 { // five waves
				s.in.Now = s.in.Now.Add(time.Minute)
				s.in.Check = rollout.CheckObservation{Run: s.next().Check, Passed: true}
				for _, c := range components {
					s.ready(c.Name)
				}
			}
			s.Expect(s.in.State).To(Equal(rollout.State{Current: "b", RetryAnswered: "now"}))
		})
	}
}

// A wave or a check whose start lies in the future, because a clock was ahead, ends in time all the same.
func TestAStartInTheFutureCountsFromNow(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.in.State.Rollout.WaveStartTime = new(metav1.NewTime(s.in.Now.Add(9 * time.Hour)))
	s.next()
	s.in.Now = s.in.Now.Add(s.in.Policy.WaveTimeout)
	s.next()
	s.Expect(s.in.State.Rollout.State).To(Equal(held))

	s = newStack(t)
	s.in.Revisions[1].Images, s.in.Wanted, s.in.Policy.Check = map[string]string{"auth": "another"}, "b", true
	s.next()
	s.Expect(s.in.State.Rollout.Check.State).To(Equal(v1alpha1.CheckRunning))
	s.in.State.Rollout.Check.StartTime = new(metav1.NewTime(s.in.Now.Add(9 * time.Hour)))
	s.next()
	s.in.Now = s.in.Now.Add(6 * time.Minute)
	s.next()
	s.Expect(s.in.State.Rollout.State).To(Equal(held))
}

// stale puts a status back that the stack had before: a restore from a backup, or a tool that writes what it read long ago.
func (m *model) stale(t *rapid.T) {
	if len(m.written) == 0 {
		return
	}
	state := rapid.SampledFrom(m.written).Draw(t, "of")
	m.in.State = rollout.State{Current: state.Current, Rollout: state.Rollout.DeepCopy(), RetryAnswered: state.RetryAnswered}
	m.foreign, m.owed = true, false
}

// edited puts any status in place that the API server accepts: somebody edited it by hand.
func (m *model) edited(t *rapid.T) {
	names := []string{"", "chat-run-gone"}
	for _, r := range m.in.Revisions {
		names = append(names, r.Name)
	}
	name := func(label string) string { return rapid.SampledFrom(names).Draw(t, label) }
	m.in.State = rollout.State{Current: name("current"), RetryAnswered: rapid.SampledFrom([]string{"", m.in.Retry}).Draw(t, "answered")}
	m.foreign, m.owed = true, false
	if !rapid.Bool().Draw(t, "rollout") {
		return
	}
	when := func(label string) *metav1.Time {
		if !rapid.Bool().Draw(t, label+" known") {
			return nil
		}
		return new(metav1.NewTime(m.in.Now.Add(time.Duration(rapid.IntRange(-1000, 1000).Draw(t, label)) * time.Minute)))
	}
	r := &v1alpha1.Rollout{
		State: rapid.SampledFrom([]v1alpha1.RolloutState{"", v1alpha1.RolloutWaiting, v1alpha1.RolloutWaitingForWindow,
			v1alpha1.RolloutProgressing, held, v1alpha1.RolloutRollingBack, v1alpha1.RolloutRolledBack}).Draw(t, "state"),
		From: name("from"), To: name("to"), FailedRevision: name("failed"),
		Direction: rapid.SampledFrom([]v1alpha1.RolloutDirection{"", v1alpha1.RolloutForward, v1alpha1.RolloutBackward}).Draw(t, "direction"),
		Wave:      int32(rapid.IntRange(0, 16).Draw(t, "wave")),
		Components: rapid.SliceOfDistinct(rapid.SampledFrom([]string{"auth", "user", "push", "api", "backend", "gateway", "none"}),
			rapid.ID[string]).Draw(t, "components"),
		WaveStartTime: when("start"),
	}
	if rapid.Bool().Draw(t, "checked") {
		r.Check = &v1alpha1.RolloutCheck{
			State: rapid.SampledFrom([]v1alpha1.CheckState{"", v1alpha1.CheckRunning, v1alpha1.CheckPassed, v1alpha1.CheckFailed,
				v1alpha1.CheckUnknown, v1alpha1.CheckSkipped}).Draw(t, "check state"),
			After:     rapid.SampledFrom([]v1alpha1.CheckPoint{"", v1alpha1.CheckEachWave, v1alpha1.CheckLastWave}).Draw(t, "after"),
			Wave:      int32(rapid.IntRange(0, 16).Draw(t, "check wave")),
			StartTime: when("check start"),
		}
	}
	if rapid.Bool().Draw(t, "failure") {
		component := rapid.SampledFrom([]string{"", "auth", v1alpha1.ComponentCheck}).Draw(t, "failed component")
		r.Failure = &v1alpha1.RolloutFailure{Component: component}
	}
	m.in.State.Rollout = r
}

// checkForeign: whatever a status says that the operator did not write, a component gets nothing but what a revision has for it, and what
// it gets is what the spec wants, what it runs, or where the status says that the stack goes or comes from.
func (m *model) checkForeign(t *rapid.T, before rollout.State, plan rollout.Plan) {
	named := append(before.Kept(), plan.State.Kept()...)
	for name, assigned := range plan.Assignments {
		i := slices.IndexFunc(m.in.Revisions, func(r rollout.Revision) bool { return r.Name == assigned })
		if i < 0 || m.in.Revisions[i].Hashes[name] == "" {
			t.Fatalf("%s is assigned to %q, which no revision is", name, assigned)
		}
		if assigned != m.in.Wanted && assigned != m.clusters[name].revision && !slices.Contains(named, assigned) {
			t.Fatalf("%s goes to %s, which nothing names: %+v", name, assigned, before.Rollout)
		}
	}
	if plan.State.Rollout == nil && plan.State.Current == m.in.Wanted &&
		!slices.ContainsFunc(slices.Collect(maps.Keys(m.clusters)), func(name string) bool {
			return !m.clusters[name].complete || m.clusters[name].hash != m.hash(name, m.in.Wanted)
		}) {
		m.foreign, m.lost = false, false // from here on the status is the operator's own again
	}
}
