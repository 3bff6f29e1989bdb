package rollout_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

func TestAnUpgradeGoesFromWaveToWave(t *testing.T) {
	s := newStack(t)
	s.next()
	s.Expect(s.state()).To(Equal("Complete a"))
	s.in.Wanted = "b"
	for _, step := range []struct {
		at, state string
		ready     []string
	}{
		{"bbaaaa", "Progressing 1", []string{"auth"}},
		{"bbaaaa", "Progressing 1", []string{"user"}},
		{"bbbaaa", "Progressing 2", []string{"push"}},
		{"bbbbaa", "Progressing 3", []string{"api"}},
		{"bbbbba", "Progressing 4", []string{"backend"}},
		{"bbbbbb", "Progressing 5", []string{"gateway"}},
		{"bbbbbb", "Complete b", nil},
	} {
		s.next()
		s.Expect(s.at()).To(Equal(step.at))
		s.Expect(s.state()).To(Equal(step.state))
		s.ready(step.ready...)
	}
	s.Expect(s.in.State.Current).To(Equal("b"))
	s.Expect(s.next().Requeue).To(BeZero(), "at rest")
}

func TestAnOlderReleaseTakesTheReverseOrder(t *testing.T) {
	s := newStack(t)
	s.rollTo("b")
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3-patch.2", nil))
	s.in.Wanted = "c"
	for _, step := range []struct{ at, ready string }{
		{"bbbbbc", "gateway"}, {"bbbbcc", "backend"}, {"bbbccc", "api"}, {"bbcccc", "push"}, {"cccccc", "auth"}, {"cccccc", "user"},
	} {
		s.next()
		s.Expect(s.at()).To(Equal(step.at))
		s.Expect(s.in.State.Rollout.Direction).To(Equal(v1alpha1.RolloutBackward))
		s.ready(step.ready)
	}
	s.next()
	s.Expect(s.state()).To(Equal("Complete c"))
}

func TestOnlyComponentsWithAnotherTemplateTakePart(t *testing.T) {
	s := newStack(t)
	hashes := map[string]string{"auth": "a", "push": "a", "backend": "a", "gateway": "a"}
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3", hashes))
	s.in.Wanted = "c"
	s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault}) // broken before, and not changed
	s.next()
	s.Expect(s.at()).To(Equal("acaaaa"))
	s.Expect(s.in.State.Rollout.Components).To(Equal([]string{"api", "user"}))
	s.wait(2 * time.Minute)
	s.ready("user")
	s.next()
	s.Expect(s.at()).To(Equal("acacaa"), "a broken stack can be repaired")
	s.ready("api")
	s.next()
	s.Expect(s.state()).To(Equal("Complete c"))
	s.Expect(s.at()).To(Equal("cccccc"), "the names follow once all is done")
}

func TestAFirstInstallationHasOneWaveAndNeedsNoSlot(t *testing.T) {
	s := newStack(t)
	s.in.State, s.in.Revisions, s.in.Wanted, s.in.Slot = rollout.State{}, s.in.Revisions[1:], "b", false
	s.in.Observed = map[string]rollout.Observation{}
	s.Expect(s.next().NeedsSlot).To(BeFalse())
	s.Expect(s.at()).To(Equal("bbbbbb"))
	for _, c := range components {
		s.Expect(s.state()).To(HavePrefix("Progressing"))
		s.ready(c.Name)
		s.next()
	}
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestAllAtOnceAlsoEndsTheOrderOfARolloutUnderWay(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.in.Policy.AllAtOnce = true
	s.next()
	s.Expect(s.at()).To(Equal("bbbbbb"))
	s.in.Policy.AllAtOnce = false
	s.next()
	s.Expect(s.at()).To(Equal("bbbbbb"), "no step back")
	for _, c := range components {
		s.Expect(s.state()).To(HavePrefix("Progressing"))
		s.ready(c.Name)
		s.next()
	}
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestAWaitingRolloutChangesNothingUntilItHasASlot(t *testing.T) {
	s := newStack(t)
	s.in.Wanted, s.in.Slot = "b", false
	s.Expect(s.next().NeedsSlot).To(BeTrue())
	s.Expect(s.plan.Requeue).To(BeNumerically(">", 0))
	s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	s.wait(time.Hour)
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.in.Slot = true
	s.Expect(s.next().Moving()).To(BeTrue())
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.in.State.Rollout.WaveStartTime.Time).To(Equal(s.in.Now), "the time in the queue does not count")
	s.rollTo("b")
}

func TestASuspendedStackIsFrozen(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.in.Suspended = true
	s.wait(time.Hour)
	s.decide()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.plan.Assignments).To(HaveLen(len(components)), "the rest is listed")
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("gateway", "b"))
	frozen := s.in.State
	s.decide()
	s.Expect(s.in.State).To(Equal(frozen), "no write at rest")
	s.in.Suspended = false
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"), "the time of the suspension does not count for the wave")
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.rollTo("b")
}

func TestABlockedWaveDoesNotRunOutOfTime(t *testing.T) {
	s := newStack(t)
	s.in.Wanted, s.in.Blocked = "b", true
	s.next()
	s.Expect(s.state()).To(Equal("Complete a"))
	s.in.Blocked = false
	s.next()
	s.in.Blocked = true
	s.wait(time.Hour)
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"), "what was assigned stays assigned")
	s.in.Blocked = false
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.rollTo("b")
}

func TestANewRevisionReplacesTheOneUnderWay(t *testing.T) {
	s := newStack(t)
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3-patch.16", map[string]string{"auth": "b", "user": "b", "gateway": "a"}))
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"))
	s.broken("user", rollout.Observation{})
	s.in.Wanted = "c"
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"), "user was changed by the rollout that c replaces, and is not proven")
	s.ready("user")
	s.next()
	s.Expect(s.at()).To(Equal("bbcaaa"), "push goes from b to c directly")
	s.ready("push")
	s.next()
	s.Expect(s.at()).To(Equal("bbccaa"))
	s.ready("api")
	s.next()
	s.ready("backend")
	s.next()
	s.Expect(s.state()).To(Equal("Complete c"))
}

func TestARevertedSpecTakesTheSameWayBack(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"))
	s.broken("gateway", rollout.Observation{}) // never changed
	s.in.Wanted = "a"
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"), "the release is older, so the last wave is the first")
	s.ready("push")
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.ready("auth", "user")
	s.next()
	s.Expect(s.state()).To(Equal("Complete a"))
	s.ready("gateway")
	s.rollTo("b")
}

func TestALostStatusIsRestoredWithoutAStepBack(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.in.Retry = "yesterday"
	s.in.State = rollout.State{}
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"))
	s.Expect(s.state()).To(Equal("Progressing 2"), "the highest wave with a component at b")
	s.Expect(s.in.State.Current).To(Equal("a"))
	s.Expect(s.in.State.Rollout.From).To(Equal("a"))
	s.rollTo("b")
	s.in.State = rollout.State{}
	s.in.Revisions[1].RolledOut = true
	s.next()
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestADeploymentThatWasDeletedIsMadeAgainAtItsRevision(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	gone := func(name, status string) { s.in.Observed[name] = rollout.Observation{Revision: status} }
	gone("auth", "")
	gone("gateway", "a") // the status knows
	gone("api", "")      // nobody knows
	s.decide()
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("auth", "b"))
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("gateway", "a"))
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("api", "a"))
	s.apply()
	s.rollTo("b")
	gone("auth", "")
	s.next()
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("auth", "b"))
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestADeploymentWhoseRevisionIsLostIsLeftAloneUntilItsWave(t *testing.T) {
	s := newStack(t)
	s.in.Observed["api"] = rollout.Observation{Revision: "deleted", Complete: true}
	s.in.Wanted = "b"
	s.decide()
	s.Expect(s.plan.Assignments).NotTo(HaveKey("api"))
	s.rollTo("b")
}

func TestAComponentThatTheSpecAddsComesInItsWave(t *testing.T) {
	s := newStack(t)
	delete(s.in.Revisions[0].Hashes, "gateway")
	delete(s.in.Observed, "gateway")
	s.in.Wanted = "b"
	s.next()
	s.Expect(s.at()).To(Equal("bbaaa-"))
	s.rollTo("b")
}

func TestWithoutTheWantedRevisionNothingIsAssigned(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "missing"
	s.Expect(s.next().Assignments).To(BeEmpty())
	s.Expect(s.state()).To(Equal("Complete a"))
}

func TestAnAnnotationThatIsRemovedIsNoRetry(t *testing.T) {
	s := newStack(t)
	s.in.Policy.Rollback = true
	s.in.Wanted = "b"
	s.next()
	fail := func() {
		s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
		s.wait(2 * time.Minute)
		s.next()
		s.ready("auth", "user")
		s.next()
		s.Expect(s.state()).To(HavePrefix("RolledBack"))
	}
	fail()
	s.in.Retry = "once"
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	fail()
	for _, value := range []string{"", "once"} {
		s.in.Retry = value
		s.next()
		s.Expect(s.state()).To(HavePrefix("RolledBack"), "%q", value)
	}
	s.in.Retry = "twice"
	s.rollTo("b")
}

func TestTheSpecThatIsTakenBackWhileARolloutWaitsNeedsNothing(t *testing.T) {
	s := newStack(t)
	s.in.Wanted, s.in.Slot = "b", false
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	s.broken("auth", rollout.Observation{Reason: "StoreUnavailable", Class: rollout.Environment})
	s.broken("api", rollout.Observation{Reason: "StoreUnavailable", Class: rollout.Environment})
	s.in.Wanted, s.in.Slot = "a", true
	s.next()
	s.Expect(s.state()).To(Equal("Complete a"), "nothing was changed, so nothing has to be proven")
}

// The way back of an earlier rollout is not over: what it changed must be available before others change, also after a wait.
func TestWhatAnEarlierRolloutChangedIsStillWaitedForAfterASlot(t *testing.T) {
	s := newStack(t)
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3-patch.16", map[string]string{"auth": "a", "user": "a"}))
	s.in.Wanted = "b"
	s.next()
	s.in.Wanted = "a"
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.in.Wanted, s.in.Slot = "c", false // the operator was restarted, too
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	s.next()
	s.in.Slot = true
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.at()).To(Equal("aaaaaa"), "the new pods of auth and user are not available yet, though both have their templates")
	s.ready("auth", "user")
	s.next()
	s.Expect(s.at()).To(Equal("aacaaa"))
	for _, name := range []string{"push", "api", "backend", "gateway"} {
		s.ready(name)
		s.next()
	}
	s.Expect(s.state()).To(Equal("Complete c"))
}
