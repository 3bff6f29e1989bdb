package rollout_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// Each gate of docs/upgrades.md: the observation of auth, the time after which it fails the wave, and what happens then with Rollback.
func TestWhatFailsAWave(t *testing.T) {
	fault, environment := rollout.Fault, rollout.Environment
	for _, c := range []struct {
		name     string
		observed rollout.Observation
		after    time.Duration
		rollback v1alpha1.RolloutState
	}{
		{"the Deployment controller gave up", rollout.Observation{Reason: "ProgressDeadlineExceeded", Class: fault}, 600 * time.Second,
			v1alpha1.RolloutRollingBack},
		{"no reason", rollout.Observation{Reason: "Starting"}, 600 * time.Second, v1alpha1.RolloutRollingBack},
		{"a terminal reason of preflight", rollout.Observation{Reason: "StoreUnavailable", Failed: true, Class: fault}, 60 * time.Second,
			v1alpha1.RolloutRollingBack},
		{"restarts", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: fault}, 60 * time.Second, v1alpha1.RolloutRollingBack},
		{"quota", rollout.Observation{Reason: "QuotaExceeded", Failed: true, Class: environment}, 600 * time.Second, held},
		{"unschedulable", rollout.Observation{Reason: "Unschedulable", Class: environment}, 600 * time.Second, held},
		{"the API server refuses the template", rollout.Observation{Reason: "Invalid", Refused: true, Class: fault}, 0, held},
	} {
		for _, back := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				s := newStack(t)
				s.in.Policy.Rollback = back
				s.in.Wanted = "b"
				s.next()
				s.ready("user")
				s.broken("auth", c.observed)
				s.next()
				for waited := time.Duration(0); waited < c.after; waited += s.plan.Requeue {
					s.Expect(s.state()).To(Equal("Progressing 1"), "after %s", waited)
					s.Expect(s.plan.Requeue).To(BeNumerically(">", 0), "somebody must look again")
					s.wait(s.plan.Requeue)
					if waited+s.plan.Requeue >= c.after {
						s.Expect(waited + s.plan.Requeue).To(Equal(c.after))
					}
					before := s.plan.Requeue
					s.next()
					s.plan.Requeue = before
				}
				want := held
				if back {
					want = c.rollback
				}
				r := s.in.State.Rollout
				s.Expect(r.State).To(Equal(want))
				s.Expect(r.FailedRevision).To(Equal("b"))
				s.Expect(r.Failure.Component).To(Equal("auth"))
				s.Expect(r.Failure.Reason).To(Equal(c.observed.Reason))
				s.ready("auth", "user")
				s.in.Policy.Rollback = false
				s.in.Retry = "now"
				s.rollTo("b")
			})
		}
	}
}

func TestAnEarlierWaveThatBreaksFailsTheRollout(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.wait(10 * time.Second)
	s.broken("auth", rollout.Observation{Reason: "NotServing"})
	s.ready("push")
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"), "the next wave waits for the earlier one")
	s.Expect(s.plan.Waiting).To(Equal([]string{"auth"}))
	s.Expect(s.plan.Requeue).To(Equal(60 * time.Second))
	s.wait(59 * time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 2"))
	s.wait(time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Held 2"))
	s.Expect(s.in.State.Rollout.Failure.Component).To(Equal("auth"))
	s.ready("auth")
	s.in.Retry = "now"
	s.rollTo("b")
}

func TestAShortFailureIsNone(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.broken("auth", rollout.Observation{Reason: "ConfigError", Failed: true, Class: rollout.Fault})
	s.next()
	s.wait(59 * time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.rollTo("b")
}

func TestAHeldStackStaysAsItIs(t *testing.T) {
	s := newStack(t)
	hold(s)
	s.Expect(s.at()).To(Equal("bbbaaa"))
	for range 3 {
		s.wait(time.Hour)
		s.Expect(s.next().Requeue).To(BeZero())
		s.Expect(s.at()).To(Equal("bbbaaa"))
	}
	s.in.Observed["push"], s.in.Observed["api"] = rollout.Observation{}, rollout.Observation{} // deleted
	s.decide()
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("push", "b"))
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("api", "a"))
	s.apply()
	s.ready("push", "api")
	s.next()
	s.Expect(s.state()).To(Equal("Held 2"), "going on is a decision for the user")
	s.in.Retry = "now"
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 3"))
	s.rollTo("b")
}

// hold takes a stack to Held in the second wave.
func hold(s *stack) {
	s.t.Helper()
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.broken("push", rollout.Observation{Reason: "ImagePull", Class: rollout.Environment})
	s.wait(600 * time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("Held 2"))
}

func TestAnotherRevisionContinuesAHeldStack(t *testing.T) {
	s := newStack(t)
	hold(s)
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3-patch.16", map[string]string{"auth": "b", "user": "b"}))
	s.in.Slot, s.in.Wanted = false, "c"
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	s.Expect(s.at()).To(Equal("bbbaaa"))
	s.in.Slot = true
	s.next()
	s.Expect(s.at()).To(Equal("bbcaaa"))
	s.rollTo("c")
}

func TestARetryGivesTheSameTemplateAnotherChance(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.ready("user")
	s.broken("auth", rollout.Observation{Reason: "ProgressDeadlineExceeded", Class: rollout.Fault})
	s.next()
	s.wait(s.in.Policy.WaveTimeout)
	s.next()
	s.Expect(s.state()).To(Equal("Held 1"))
	s.wait(time.Hour)
	s.in.Retry = "first"
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.in.State.RetryAnswered).To(Equal("first"))
	s.wait(s.in.Policy.WaveTimeout)
	s.next()
	s.Expect(s.state()).To(Equal("Held 1"), "the value is one request")
	s.ready("auth")
	s.in.Retry = "second"
	s.rollTo("b")
}

func TestAStackThatWasHeldInItsLastWaveHeals(t *testing.T) {
	s := newStack(t)
	s.in.Policy.AllAtOnce, s.in.Wanted = true, "b"
	s.next()
	s.wait(s.in.Policy.WaveTimeout)
	s.next()
	s.Expect(s.in.State.Rollout.State).To(Equal(held))
	s.Expect(s.in.State.Rollout.Failure.Reason).To(Equal(v1alpha1.RolloutReasonWaveTimeout))
	for _, c := range components {
		s.ready(c.Name)
	}
	s.next()
	s.Expect(s.state()).To(Equal("Complete b"), "there is nothing left to decide")
}

func TestARollbackTakesTheWavesInReverse(t *testing.T) {
	s := newStack(t)
	s.in.Policy.Rollback = true
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.broken("push", rollout.Observation{Reason: "CrashLoop", Message: "exit code 255", Failed: true, Class: rollout.Fault})
	s.wait(60 * time.Second)
	s.next()
	s.Expect(s.state()).To(Equal("RollingBack 2"))
	s.Expect(s.plan.Moving()).To(BeTrue(), "the slot is kept")
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.ready("push")
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.ready("auth", "user")
	s.next()
	s.Expect(s.state()).To(Equal("RolledBack 1"))
	s.Expect(s.in.State.Current).To(Equal("a"))
	s.wait(time.Hour)
	s.next()
	s.Expect(s.state()).To(Equal("RolledBack 1"), "b is not tried again")
	s.in.Observed["gateway"] = rollout.Observation{}
	s.decide()
	s.Expect(s.plan.Assignments).To(HaveKeyWithValue("gateway", "a"), "a Deployment that was deleted comes back as it was")
	s.apply()
	s.ready("gateway")
	s.in.Retry = "now"
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.rollTo("b")
}

func TestARollbackThatFailsIsHeldWithBothReasons(t *testing.T) {
	s := newStack(t)
	s.in.Policy.Rollback = true
	s.in.Wanted = "b"
	s.next()
	s.broken("auth", rollout.Observation{Reason: "CrashLoop", Message: "exit code 255", Failed: true, Class: rollout.Fault})
	s.wait(60 * time.Second)
	s.next()
	s.broken("auth", rollout.Observation{Reason: "ConfigError", Message: "Secret x is missing", Failed: true, Class: rollout.Fault})
	s.wait(60 * time.Second)
	s.next()
	r := s.in.State.Rollout
	s.Expect(r.State).To(Equal(held))
	s.Expect(r.Failure.Message).To(And(ContainSubstring("Secret x is missing"), ContainSubstring("exit code 255")))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.ready("auth", "user")
	s.next()
	s.Expect(s.in.State.Rollout.State).To(Equal(v1alpha1.RolloutRolledBack), "the rollback's last wave is available after all")
	s.in.Policy.Rollback, s.in.Retry = false, "now"
	s.rollTo("b")
}

func TestAnotherSpecEndsARollback(t *testing.T) {
	s := newStack(t)
	s.in.Policy.Rollback = true
	s.in.Revisions = append(s.in.Revisions, revision("c", 3, "v3.8.3-patch.16", nil))
	s.in.Wanted = "b"
	s.next()
	s.ready("auth", "user")
	s.next()
	s.broken("push", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
	s.wait(60 * time.Second)
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.in.Wanted = "c"
	s.next()
	s.Expect(s.at()).To(Equal("ccaaaa"), "forward again, from the first wave that differs")
	s.rollTo("c")
}

func TestAFirstInstallationIsNeverRolledBack(t *testing.T) {
	s := newStack(t)
	s.in.State, s.in.Revisions, s.in.Wanted, s.in.Policy.Rollback = rollout.State{}, s.in.Revisions[1:], "b", true
	s.in.Observed = map[string]rollout.Observation{}
	s.next()
	s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
	s.wait(60 * time.Second)
	s.next()
	s.Expect(s.in.State.Rollout.State).To(Equal(held))
	s.Expect(s.at()).To(Equal("bbbbbb"))
	s.rollTo("b")
}

func TestALongMessageIsCutBetweenCharacters(t *testing.T) {
	s := newStack(t)
	s.in.Wanted = "b"
	s.next()
	s.broken("auth", rollout.Observation{Message: strings.Repeat("ä", 2000), Refused: true})
	s.next()
	message := s.in.State.Rollout.Failure.Message
	s.Expect(len(message)).To(BeNumerically("<=", 1024))
	s.Expect(strings.Trim(message, "ä")).To(BeEmpty())
}
