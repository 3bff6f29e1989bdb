package rollout_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// withC adds a revision c with other images than b.
func withC(s *stack) {
	c := revision("c", 3, "v3.8.3-patch.16", nil)
	images(&c, "c")
	s.in.Revisions = append(s.in.Revisions, c)
}

// heldBeforeTheFirstWave returns a stack whose first check never ran, so that nothing was changed.
func heldBeforeTheFirstWave(t *testing.T) *stack {
	s := checkedBefore(t)
	withC(s)
	s.wait(5 * time.Minute)
	s.next()
	s.Expect(s.state()).To(Equal("Held 0"))
	return s
}

func TestACorrectedSpecIsCheckedFromTheFirstWaveOn(t *testing.T) {
	s := heldBeforeTheFirstWave(t)
	s.in.Wanted = "c"
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"), "not before a check")
	for _, at := range []string{"ccaaaa", "cccaaa"} {
		s.pass()
		s.Expect(s.at()).To(Equal(at))
		s.wave()
		s.Expect(s.at()).To(Equal(at), "nor between two waves without one")
	}
}

func TestACorrectedSpecWaitsForAWindow(t *testing.T) {
	s := heldBeforeTheFirstWave(t)
	s.in.Wanted, s.in.Policy.Windows = "c", []rollout.Window{}
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.in.Policy.Windows = nil
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("ccaaaa"))
}

func TestASpecWithoutChecksStartsInAWindowAndWithASlot(t *testing.T) {
	s := heldBeforeTheFirstWave(t)
	s.in.Policy.Check, s.in.Policy.Windows = false, []rollout.Window{}
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.in.Policy.Windows, s.in.Slot = nil, false
	s.Expect(s.next().NeedsSlot).To(BeTrue())
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.in.Slot = true
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"))
	for range 5 {
		s.wave()
	}
	s.Expect(s.state()).To(Equal("Complete b"))
}

func TestASpecWithoutChecksInTheMiddleNeedsASlot(t *testing.T) {
	s := checkedAfterWave(t)
	s.failCheck("errCode 500")
	s.in.Policy.Check, s.in.Slot = false, false
	s.Expect(s.next().NeedsSlot).To(BeTrue())
	s.Expect(s.state()).To(Equal("Held 1"))
	s.in.Slot = true
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"))
}

// A change of settings is not checked. Other images that come while it is under way are, once the whole change is made.
func TestOtherImagesThatReplaceAnUncheckedRolloutAreCheckedAtItsEnd(t *testing.T) {
	s := newChecked(t)
	settings := revision("s", 3, "v3.8.3", nil)
	images(&settings, "a")
	s.in.Revisions = append(s.in.Revisions, settings)
	s.in.Wanted = "s"
	s.next()
	s.Expect(s.at()).To(Equal("ssaaaa"))
	s.in.Wanted = "b"
	s.next()
	for range 5 {
		s.Expect(s.plan.Check).To(BeEmpty())
		s.wave()
	}
	s.Expect(s.at()).To(Equal("bbbbbb"))
	s.failCheck("errCode 500")
	s.Expect(s.state()).To(HavePrefix("Held"))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.state()).To(Equal("Complete b"))
}

// A check that failed before anything was changed fails because of something else. The same holds for what replaces the rollout.
func TestAWaivedCheckStaysWaived(t *testing.T) {
	s := checkedBefore(t)
	withC(s)
	s.failCheck("compare share.secret")
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.in.Wanted = "c"
	s.next()
	s.Expect(s.in.State.Rollout.Check.Message).To(Equal("compare share.secret"), "and it is still told")
	for range 5 {
		s.Expect(s.plan.Check).To(BeEmpty())
		s.wave()
	}
	s.Expect(s.state()).To(Equal("Complete c"))
}

func TestARevertedSpecIsNotCompleteUntilTheWayBackPassesItsCheck(t *testing.T) {
	for name, fails := range map[string]bool{"its check runs": false, "its check failed": true} {
		t.Run(name, func(t *testing.T) {
			s := newChecked(t)
			s.in.Policy.Rollback, s.in.Policy.AllAtOnce = true, true
			s.in.Wanted = "b"
			s.next()
			s.pass()
			s.wave()
			s.failCheck("errCode 500")
			s.wave()
			s.Expect(s.at()).To(Equal("aaaaaa"))
			s.Expect(s.plan.Check).NotTo(BeEmpty())
			if fails {
				s.failCheck("still 500")
				s.Expect(s.state()).To(HavePrefix("Held"))
			}
			s.in.Wanted = "a"
			for range 3 {
				s.next()
				s.Expect(s.state()).To(HavePrefix("Progressing"))
				s.Expect(s.plan.Check).NotTo(BeEmpty(), "the check goes on, or is made again")
			}
			s.failCheck("and again")
			s.Expect(s.state()).To(HavePrefix("Held"))
			s.in.Retry = "now"
			s.next()
			s.pass()
			s.Expect(s.state()).To(Equal("Complete a"))
		})
	}
}

func TestARefusedCheckIsTold(t *testing.T) {
	s := checkedBefore(t, func(s *stack) { s.in.Policy.Rollback = true })
	s.answer(rollout.CheckObservation{Refused: v1alpha1.ReasonNameConflict, Message: `Deployment "chat-check" exists and is not the stack's`})
	s.next()
	s.Expect(s.state()).To(Equal("Held 0"))
	s.Expect(*s.in.State.Rollout.Failure).To(And(
		HaveField("Component", v1alpha1.ComponentCheck), HaveField("Reason", v1alpha1.ReasonNameConflict),
		HaveField("Message", ContainSubstring("is not the stack's"))))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("bbaaaa"))
}

// No Deployment could be written, so that the way back has nothing to change, and nothing to check.
func TestARevertedSpecAfterARollbackWithoutChangesIsComplete(t *testing.T) {
	s := checkedBefore(t, func(s *stack) { s.in.Policy.Rollback = true })
	s.answer(rollout.CheckObservation{Passed: true})
	s.decide()
	s.wait(10 * time.Minute)
	s.decide()
	s.Expect(s.state()).To(HavePrefix("RolledBack"))
	s.in.Wanted = "a"
	s.next()
	s.Expect(s.state()).To(Equal("Complete a"))
}

// What is broken in the middle is repaired at any time, also when it had to wait for a slot.
func TestARepairThatWaitedForASlotDoesNotWaitForAWindow(t *testing.T) {
	for name, after := range map[string]func(*stack){
		"another spec": func(s *stack) { s.in.Wanted = "c" },
		"a retry":      func(s *stack) { s.in.Retry = "now" },
	} {
		t.Run(name, func(t *testing.T) {
			s := checkedBefore(t)
			withC(s)
			s.pass()
			s.in.Policy.Check = false
			s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault, Since: s.in.Now})
			s.wait(2 * time.Minute)
			s.next()
			s.Expect(s.state()).To(HavePrefix("Held"))
			after(s)
			s.in.Slot, s.in.Policy.Windows = false, []rollout.Window{}
			for range 3 {
				s.Expect(s.next().NeedsSlot).To(BeTrue())
			}
			s.in.Slot = true
			s.next()
			s.Expect(s.state()).To(Equal("Progressing 1"))
		})
	}
}

func TestARetryAfterARollbackThatWaitedForASlotDoesNotWaitForAWindow(t *testing.T) {
	s := checkedAfterWave(t, func(s *stack) { s.in.Policy.Rollback, s.in.Policy.AllAtOnce = true, true })
	s.failCheck("errCode 500")
	s.wave()
	s.pass()
	s.Expect(s.state()).To(HavePrefix("RolledBack"))
	s.in.Slot, s.in.Policy.Windows, s.in.Retry = false, []rollout.Window{}, "now"
	for range 3 {
		s.Expect(s.next().NeedsSlot).To(BeTrue())
		s.Expect(s.state()).To(HavePrefix("RolledBack"))
	}
	s.in.Slot = true
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("bbbbbb"))
}
