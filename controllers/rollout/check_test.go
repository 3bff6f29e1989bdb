package rollout_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// newChecked returns a stack at rest whose rollouts to other images are checked. Revision b changes all images.
func newChecked(t *testing.T) *stack {
	s := newStack(t)
	s.in.Policy.Check = true
	for i := range s.in.Revisions {
		images(&s.in.Revisions[i], s.in.Revisions[i].Name)
	}
	return s
}

// checkedBefore returns a stack, after the changes of a case, whose first check of a rollout to b is under way: nothing is changed yet.
func checkedBefore(t *testing.T, change ...func(*stack)) *stack {
	s := newChecked(t)
	for _, c := range change {
		c(s)
	}
	s.in.Wanted = "b"
	s.next()
	return s
}

// checkedAfterWave returns a stack whose check after the first wave to b is under way.
func checkedAfterWave(t *testing.T, change ...func(*stack)) *stack {
	s := checkedBefore(t, change...)
	s.pass()
	s.wave()
	return s
}

// answer gives the check that is under way its result.
func (s *stack) answer(o rollout.CheckObservation) {
	s.t.Helper()
	s.Expect(s.plan.Check).NotTo(BeEmpty(), "no check is under way")
	o.Run = s.plan.Check
	s.in.Check = o
}

func (s *stack) pass() { s.t.Helper(); s.answer(rollout.CheckObservation{Passed: true}); s.next() }

func (s *stack) failCheck(message string) {
	s.t.Helper()
	s.answer(rollout.CheckObservation{Failed: true, Message: message})
	s.next()
}

// wave makes all components available and plans.
func (s *stack) wave() {
	for _, c := range components {
		s.ready(c.Name)
	}
	s.next()
}

func TestARolloutToOtherImagesIsCheckedBeforeAndAfterEachWave(t *testing.T) {
	s := checkedBefore(t)
	s.Expect(s.at()).To(Equal("aaaaaa"), "nothing changes before the first check")
	s.Expect(s.plan.Waiting).To(Equal([]string{"check"}))
	s.Expect(s.plan.Requeue).To(Equal(5 * time.Minute))
	for _, at := range []string{"bbaaaa", "bbbaaa", "bbbbaa", "bbbbba", "bbbbbb"} {
		s.pass()
		s.Expect(s.at()).To(Equal(at))
		s.Expect(s.plan.Check).To(BeEmpty(), "no check is made while pods are replaced")
		s.wave()
		s.Expect(s.at()).To(Equal(at), "the check gates the next wave")
	}
	s.pass()
	s.Expect(s.state()).To(Equal("Complete b"))
	s.Expect(s.plan.Check).To(BeEmpty())
}

func TestWhatIsNotChecked(t *testing.T) {
	for name, change := range map[string]func(*stack){
		"settings and credentials": func(s *stack) { images(&s.in.Revisions[1], "a") },
		"checks are switched off":  func(s *stack) { s.in.Policy.Check = false },
		"a first installation": func(s *stack) {
			s.in.State.Current, s.in.Revisions[0].RolledOut, s.in.Observed = "", false, map[string]rollout.Observation{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newChecked(t)
			change(s)
			s.in.Wanted = "b"
			for range 10 {
				s.Expect(s.next().Check).To(BeEmpty())
				s.wave()
			}
			s.Expect(s.state()).To(Equal("Complete b"))
		})
	}
}

func TestAllAtOnceIsCheckedBeforeAndAfter(t *testing.T) {
	s := checkedBefore(t, func(s *stack) { s.in.Policy.AllAtOnce = true })
	s.pass()
	s.Expect(s.at()).To(Equal("bbbbbb"))
	s.wave()
	s.Expect(s.state()).To(Equal("Progressing 5"))
	s.pass()
	s.Expect(s.state()).To(Equal("Complete b"))
}

// A stack whose check fails before anything was changed must still be repairable.
func TestACheckThatFailsBeforeTheFirstWaveGatesNothing(t *testing.T) {
	s := checkedBefore(t)
	s.failCheck("/user/user_register: the route does not exist")
	s.Expect(s.in.State.Rollout.Check.Message).To(Equal("/user/user_register: the route does not exist"), "the status tells it")
	for range 10 {
		s.Expect(s.plan.Check).To(BeEmpty())
		s.wave()
	}
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestACheckThatFailsHoldsTheRolloutUntilARetry(t *testing.T) {
	s := checkedAfterWave(t)
	s.failCheck("refused token 1: errCode 0")
	s.Expect(s.state()).To(Equal("Held 1"))
	r := s.in.State.Rollout
	s.Expect(r.Failure.Component).To(Equal("check"))
	s.Expect(r.Failure.Reason).To(Equal(v1alpha1.RolloutReasonCheckFailed))
	s.Expect(r.Failure.Message).To(Equal("refused token 1: errCode 0"))
	for range 3 {
		s.wait(time.Hour)
		s.wave()
		s.Expect(s.state()).To(Equal("Held 1"))
		s.Expect(s.plan.Check).To(BeEmpty(), "its pod goes")
	}
	s.in.Retry = "now"
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"), "the check that failed is made again, before the next wave")
	s.pass()
	s.Expect(s.at()).To(Equal("bbbaaa"))
}

// The last check must not be passed by without a result: all components are complete by then.
func TestTheLastCheckHoldsToo(t *testing.T) {
	s := checkedAfterWave(t, func(s *stack) { s.in.Policy.AllAtOnce = true })
	s.failCheck("no message arrived")
	s.Expect(s.state()).To(Equal("Held 5"))
	s.wave()
	s.Expect(s.state()).To(Equal("Held 5"))
	s.in.Retry = "now"
	s.next()
	s.failCheck("no message arrived")
	s.Expect(s.state()).To(Equal("Held 5"))
	s.in.Retry = "again"
	s.next()
	s.pass()
	s.Expect(s.state()).To(Equal("Complete b"))
}

// A rollout that was held in its last wave is not complete without its last check.
func TestTheLastCheckIsMadeAfterAHeldWave(t *testing.T) {
	s := checkedBefore(t, func(s *stack) { s.in.Policy.AllAtOnce = true })
	s.pass()
	s.wait(time.Hour)
	s.next()
	s.Expect(s.state()).To(Equal("Held 5"), "the pods did not come in time")
	s.wave()
	s.Expect(s.state()).To(Equal("Progressing 5"))
	s.Expect(s.plan.Check).NotTo(BeEmpty())
	s.failCheck("no message arrived")
	s.Expect(s.state()).To(Equal("Held 5"))
	s.in.Policy.Check = false
	s.next()
	s.Expect(s.state()).To(Equal("Complete b"), "the spec wants no check any more")
}

// The time of a check is not that of the wave before it.
func TestACheckTakesNoTimeFromTheWave(t *testing.T) {
	s := checkedAfterWave(t, func(s *stack) { s.in.Policy.WaveTimeout = time.Minute })
	s.wait(4 * time.Minute)
	s.broken("auth", rollout.Observation{Reason: "Starting"})
	s.pass()
	s.Expect(s.state()).To(Equal("Progressing 1"), "a pod that restarts meanwhile has its minute")
}

// A check that no pod could make proves nothing, so it waives nothing.
func TestACheckThatDoesNotRunBeforeTheFirstWaveHolds(t *testing.T) {
	s := checkedBefore(t, func(s *stack) { s.in.Policy.Rollback = true })
	s.answer(rollout.CheckObservation{Message: "quota"})
	s.wait(5 * time.Minute)
	s.next()
	s.Expect(s.state()).To(Equal("Held 0"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.wave()
	s.Expect(s.state()).To(Equal("Held 0"))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("bbaaaa"))
}

func TestARevisionThatCannotBeCheckedIsRolledOut(t *testing.T) {
	s := checkedBefore(t)
	s.answer(rollout.CheckObservation{Impossible: true, Message: "it has no wrapper"})
	s.next()
	s.Expect(s.in.State.Rollout.Check.State).To(Equal(v1alpha1.CheckSkipped))
	for range 10 {
		s.Expect(s.plan.Check).To(BeEmpty())
		s.wave()
	}
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestARetryOfACheckWaitsForASlot(t *testing.T) {
	s := checkedAfterWave(t)
	s.failCheck("errCode 500")
	s.in.Slot, s.in.Retry = false, "now"
	s.Expect(s.next().NeedsSlot).To(BeTrue())
	s.Expect(s.state()).To(Equal("Held 1"))
	s.in.Slot = true
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("bbbaaa"))
}

// A stack that is held in the middle is repaired by another spec. While the repair waits for a slot, it is still a repair.
func TestARepairThatWaitsForASlotIsCheckedAtItsEnd(t *testing.T) {
	s := newChecked(t)
	c := revision("c", 3, "v3.8.3-patch.16", nil)
	images(&c, "c")
	s.in.Revisions = append(s.in.Revisions, c)
	s.in.Wanted = "b"
	s.next()
	s.pass()
	s.wave()
	s.failCheck("errCode 500")
	s.in.Slot, s.in.Wanted = false, "c"
	for range 3 {
		s.next()
		s.Expect(s.state()).To(HavePrefix("WaitingForSlot"))
	}
	s.in.Slot = true
	s.next()
	s.Expect(s.at()).To(Equal("ccaaaa"), "without a check of the broken stack")
	s.Expect(s.in.State.Rollout.Check.After).To(Equal(v1alpha1.CheckLastWave))
}

// What makes the check fail may be in a component of a later wave of the way back.
func TestTheWayBackIsCheckedOnceAtItsEnd(t *testing.T) {
	for name, back := range map[string]func(*stack){
		"rollback":             func(s *stack) { s.in.Policy.Rollback = true },
		"the spec is reverted": func(*stack) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newChecked(t)
			back(s)
			s.in.Wanted = "b"
			s.next()
			for range 2 {
				s.pass()
				s.wave()
			}
			s.failCheck("errCode 500")
			end := "RolledBack"
			if !s.in.Policy.Rollback {
				s.in.Wanted, end = "a", "Complete"
				s.next()
			}
			for range 5 {
				s.Expect(s.plan.Check).To(BeEmpty())
				s.wave()
				if s.plan.Check != "" {
					break
				}
			}
			s.Expect(s.at()).To(Equal("aaaaaa"))
			s.pass()
			s.Expect(s.state()).To(HavePrefix(end))
			if s.in.Policy.Rollback { // and forward again
				s.in.Retry = "now"
				s.next()
				for range 5 {
					s.pass()
					s.wave()
				}
				s.pass()
				s.Expect(s.state()).To(Equal("Complete b"))
			}
		})
	}
}

func TestAFailedCheckOfARollbackIsHeldWithBothReasons(t *testing.T) {
	s := checkedAfterWave(t, func(s *stack) { s.in.Policy.Rollback, s.in.Policy.AllAtOnce = true, true })
	s.failCheck("first")
	s.wave()
	s.failCheck("second")
	s.Expect(s.in.State.Rollout.State).To(Equal(held))
	s.Expect(s.in.State.Rollout.Failure.Message).To(And(ContainSubstring("first"), ContainSubstring("second")))
}

// Its pod is not scheduled, or its image is not there: that says nothing about OpenIM, so nothing is rolled back.
func TestACheckWithoutAResultHolds(t *testing.T) {
	s := checkedAfterWave(t, func(s *stack) { s.in.Policy.Rollback = true })
	s.answer(rollout.CheckObservation{Message: "quota"})
	s.wait(s.next().Requeue - time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.wait(time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Held 1"))
	s.Expect(s.in.State.Rollout.Failure.Reason).To(Equal(v1alpha1.RolloutReasonCheckNotRun))
	s.Expect(s.in.State.Rollout.Failure.Message).To(ContainSubstring("quota"))
}

func TestTheResultOfAnotherRunDoesNotCount(t *testing.T) {
	s := checkedBefore(t)
	s.pass() // and this result stays observed
	s.wave()
	s.Expect(s.plan.Check).NotTo(BeEmpty())
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.plan.Check).NotTo(Equal(s.in.Check.Run))
}

// A suspension ends the check, and another run is made afterwards. An operator that starts anew makes the same run again.
func TestACheckSurvivesASuspensionAndARestart(t *testing.T) {
	s := newChecked(t)
	s.in.Wanted = "b"
	run := s.next().Check
	s.Expect(s.next().Check).To(Equal(run), "the same run is decided from the same status")
	s.in.Suspended = true
	s.decide() // and nothing is written
	s.Expect(s.plan.Check).To(BeEmpty())
	s.wait(time.Hour)
	s.in.Suspended = false
	s.Expect(s.next().Check).NotTo(Or(BeEmpty(), Equal(run)))
	s.pass()
	s.Expect(s.at()).To(Equal("bbaaaa"))
}

func TestAnotherSpecBeforeTheFirstWaveStartsAtRest(t *testing.T) {
	s := newChecked(t)
	c := revision("c", 3, "v3.8.3-patch.16", nil)
	images(&c, "c")
	s.in.Revisions = append(s.in.Revisions, c)
	s.in.Wanted = "b"
	s.next()
	s.in.Wanted = "c"
	s.wait(time.Second)
	s.next()
	s.Expect(s.in.State.Rollout.Check.After).To(Equal(v1alpha1.CheckEachWave))
	s.pass()
	s.Expect(s.at()).To(Equal("ccaaaa"))
}
