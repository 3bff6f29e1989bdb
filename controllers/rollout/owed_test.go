package rollout_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// onTheWayBack returns a stack whose rollout to b was reverted after its check had failed. All components run a again, and the check that
// ends the way back is under way.
func onTheWayBack(t *testing.T) *stack {
	s := checkedAfterWave(t)
	withC(s)
	s.failCheck("errCode 500")
	s.in.Wanted = "a"
	s.next()
	s.wave()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.Expect(s.plan.Check).NotTo(BeEmpty())
	return s
}

// replacedWithoutASlot lets c be wanted, which waits for a slot, and takes that back.
func replacedWithoutASlot(s *stack) {
	s.t.Helper()
	s.in.Slot, s.in.Wanted = false, "c"
	for range 3 {
		s.Expect(s.next().NeedsSlot).To(BeTrue())
		s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	}
	s.in.Wanted = "a"
	s.next()
}

// The way back was never proven. That a replacement of it waited for a slot, and was taken back, proves nothing.
func TestTheCheckOfAWayBackIsOwedWhileAReplacementWaits(t *testing.T) {
	s := onTheWayBack(t)
	replacedWithoutASlot(s)
	for range 3 {
		s.Expect(s.state()).To(Equal("WaitingForSlot 0"), "not complete without its check")
		s.Expect(s.plan.NeedsSlot).To(BeTrue())
		s.Expect(s.plan.Check).To(BeEmpty())
		s.next()
	}
	s.in.Slot = true
	s.Expect(s.next().Check).NotTo(BeEmpty())
	s.failCheck("errCode 500")
	s.Expect(s.state()).To(Equal("Held 5"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.state()).To(Equal("Complete a"))
	s.wait(time.Hour)
	s.Expect(s.next().Check).To(BeEmpty(), "it is made once")
	s.in.Wanted = "c"
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("ccaaaa"), "and normal life goes on, with a check of each wave")
}

func TestAnOwedCheckIsOwedByWhateverComesNext(t *testing.T) {
	owed := func(t *testing.T) *stack {
		s := onTheWayBack(t)
		replacedWithoutASlot(s)
		return s
	}
	for name, test := range map[string]func(*stack){
		"another spec": func(s *stack) {
			s.in.Wanted, s.in.Slot = "c", true
			s.next()
			s.Expect(s.at()).To(Equal("ccaaaa"))
			for range 5 {
				s.Expect(s.plan.Check).To(BeEmpty())
				s.wave()
			}
			s.pass()
			s.Expect(s.state()).To(Equal("Complete c"))
		},
		"another spec with the same pods": func(s *stack) {
			same := revision("d", 4, "v3.8.3", nil)
			same.Hashes, same.Images = s.in.Revisions[0].Hashes, s.in.Revisions[0].Images
			s.in.Revisions = append(s.in.Revisions, same)
			s.in.Wanted, s.in.Slot = "d", true
			s.next()
			s.pass()
			s.Expect(s.state()).To(Equal("Complete d"))
		},
		"a component that breaks": func(s *stack) {
			s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
			s.in.Slot = true
			s.next()
			s.pass()
			s.Expect(s.state()).To(Equal("Complete a"), "it took no part")
		},
		"a spec without checks": func(s *stack) {
			s.in.Policy.Check = false
			s.next()
			s.Expect(s.state()).To(Equal("Complete a"))
			s.Expect(s.plan.NeedsSlot).To(BeFalse(), "nothing is left to do")
		},
		"a closed window": func(s *stack) {
			s.in.Policy.Windows, s.in.Slot = []rollout.Window{}, true
			s.next()
			s.pass()
			s.Expect(s.state()).To(Equal("Complete a"), "a check changes nothing, so it waits for no window")
		},
	} {
		t.Run(name, func(t *testing.T) { test(owed(t)) })
	}
}

// The components run what the way back went to, also when another revision has the same pods.
func TestARevisionWithTheSamePodsOwesTheCheckOfTheWayBack(t *testing.T) {
	s := onTheWayBack(t)
	same := revision("d", 4, "v3.8.3", nil)
	same.Hashes, same.Images = s.in.Revisions[0].Hashes, s.in.Revisions[0].Images
	s.in.Revisions = append(s.in.Revisions, same)
	s.in.Wanted = "d"
	s.next()
	s.failCheck("errCode 500")
	s.Expect(s.state()).To(HavePrefix("Held"))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.state()).To(Equal("Complete d"))
}

// A rollout that waits at rest owes nothing: nothing was changed.
func TestARolloutThatWaitedAtRestOwesNoCheck(t *testing.T) {
	s := newChecked(t)
	s.in.Wanted, s.in.Slot = "b", false
	s.next()
	s.Expect(s.in.State.Rollout.Check.After).To(Equal(v1alpha1.CheckEachWave))
	s.in.Wanted = "a"
	s.Expect(s.next().NeedsSlot).To(BeFalse())
	s.Expect(s.state()).To(Equal("Complete a"))
}

// The rollout ends with the check that is skipped, so that its state cannot tell it.
func TestAPlanTellsThatChecksStopDeciding(t *testing.T) {
	const message = "it has no backend that could check it"
	for name, before := range map[string]func(*testing.T) *stack{
		"before the first wave": func(t *testing.T) *stack { return checkedBefore(t) },
		"between two waves":     func(t *testing.T) *stack { return checkedAfterWave(t) },
		"after the last wave":   onTheWayBack,
	} {
		t.Run(name, func(t *testing.T) {
			s := before(t)
			to := s.in.State.Rollout.To
			s.Expect(s.plan.Unchecked).To(BeNil())
			s.answer(rollout.CheckObservation{Impossible: true, Message: message})
			s.Expect(s.next().Unchecked).To(HaveValue(And(HaveField("To", to),
				HaveField("Check.State", v1alpha1.CheckSkipped), HaveField("Check.Message", message))))
			s.Expect(s.next().Unchecked).To(BeNil(), "once")
		})
	}
	s := checkedBefore(t)
	withC(s)
	s.failCheck("errCode 500")
	s.Expect(s.plan.Unchecked).To(HaveValue(And(HaveField("To", "b"), HaveField("Check.State", v1alpha1.CheckFailed))))
	s.Expect(s.next().Unchecked).To(BeNil(), "once")
	s.in.Wanted = "c"
	s.Expect(s.next().Unchecked).To(HaveValue(HaveField("To", "c")), "and for what replaces the rollout")
	s.Expect(s.next().Unchecked).To(BeNil())
	s = checkedAfterWave(t)
	s.failCheck("errCode 500")
	s.Expect(s.plan.Unchecked).To(BeNil(), "this check decides: the rollout is held")
}

// A repair of the way back whose pods could not even be written goes back to what was not proven before.
func TestARollbackThatChangesNothingOwesTheCheckOfTheWayBack(t *testing.T) {
	s := onTheWayBack(t)
	s.in.Policy.Rollback, s.in.Wanted = true, "c"
	s.decide() // and nothing is written
	s.wait(10 * time.Minute)
	s.decide()
	s.Expect(s.state()).To(Equal("RollingBack 5"))
	s.pass()
	s.Expect(s.state()).To(HavePrefix("RolledBack"))
	s.in.Retry = "now"
	s.next()
	s.pass()
	s.Expect(s.at()).To(Equal("ccaaaa"))
}
