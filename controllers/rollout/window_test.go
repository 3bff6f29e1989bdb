package rollout_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

func window(start string, hours int32, zone string, days ...v1alpha1.Weekday) v1alpha1.UpgradeWindow {
	return v1alpha1.UpgradeWindow{Start: start, DurationSeconds: hours * 3600, TimeZone: zone, Days: days}
}

func windows(t testing.TB, spec ...v1alpha1.UpgradeWindow) []rollout.Window {
	t.Helper()
	policy, err := rollout.PolicyOf(&v1alpha1.Upgrade{Windows: spec})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return policy.Windows
}

func TestAWindowIsOpenInItsTimeZone(t *testing.T) {
	night := window("22:30", 4, "Europe/Berlin", "Sunday")
	for name, c := range map[string]struct {
		windows []v1alpha1.UpgradeWindow
		at      string
		open    bool
		next    string
	}{
		"before":                    {[]v1alpha1.UpgradeWindow{night}, "2026-11-29T21:29:59Z", false, "2026-11-29T21:30:00Z"},
		"at its start":              {[]v1alpha1.UpgradeWindow{night}, "2026-11-29T21:30:00Z", true, ""},
		"after midnight, on Monday": {[]v1alpha1.UpgradeWindow{night}, "2026-11-30T01:29:59Z", true, ""},
		"at its end":                {[]v1alpha1.UpgradeWindow{night}, "2026-11-30T01:30:00Z", false, "2026-12-06T21:30:00Z"},
		"in summer":                 {[]v1alpha1.UpgradeWindow{night}, "2026-07-05T20:30:00Z", true, ""},
		"UTC by default":            {[]v1alpha1.UpgradeWindow{window("10:00", 1, "")}, "2026-11-30T10:59:00Z", true, ""},
		"each day without days":     {[]v1alpha1.UpgradeWindow{window("10:00", 1, "")}, "2026-11-30T11:00:00Z", false, "2026-12-01T10:00:00Z"},
		"it is Monday there, and Sunday in UTC": {
			[]v1alpha1.UpgradeWindow{window("01:00", 2, "Pacific/Auckland", "Monday")}, "2026-11-29T12:30:00Z", true, "",
		},
		"the whole day": {[]v1alpha1.UpgradeWindow{window("00:00", 24, "", "Monday")}, "2026-11-30T23:59:59Z", true, ""},
		"02:30 does not exist when clocks are put forward": {
			[]v1alpha1.UpgradeWindow{window("02:30", 1, "Europe/Berlin")}, "2026-03-29T00:31:00Z", false, "2026-03-29T01:30:00Z",
		},
		"a duration is elapsed time when clocks are put back": {
			[]v1alpha1.UpgradeWindow{window("01:00", 2, "Europe/Berlin")}, "2026-10-25T01:00:00Z", false, "2026-10-26T00:00:00Z",
		},
		"the next of several": {
			[]v1alpha1.UpgradeWindow{window("10:00", 1, "", "Friday"), window("09:00", 1, "", "Thursday")},
			"2026-11-30T12:00:00Z", false, "2026-12-03T09:00:00Z",
		},
		"any of several": {
			[]v1alpha1.UpgradeWindow{window("10:00", 1, "", "Friday"), window("12:00", 1, "", "Monday")}, "2026-11-30T12:00:00Z", true, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			at, err := time.Parse(time.RFC3339, c.at)
			g.Expect(err).NotTo(HaveOccurred())
			open, next := rollout.Open(windows(t, c.windows...), at)
			g.Expect(open).To(Equal(c.open))
			if c.next == "" {
				g.Expect(next).To(BeZero())
				return
			}
			g.Expect(next.UTC().Format(time.RFC3339)).To(Equal(c.next))
		})
	}
}

func TestAWindowOpensWhenItIsSaidToOpen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]v1alpha1.Weekday{"Monday", "Tuesday", "Friday", "Sunday"}), 0, 3,
			rapid.ID[v1alpha1.Weekday]).Draw(t, "days")
		one := v1alpha1.UpgradeWindow{
			Start: rapid.StringMatching(`([01][0-9]|2[0-3]):[0-5][0-9]`).Draw(t, "start"), Days: days,
			DurationSeconds: rapid.Int32Range(600, 86400).Draw(t, "duration"),
			TimeZone:        rapid.SampledFrom([]string{"", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}).Draw(t, "zone"),
		}
		policy, err := rollout.PolicyOf(&v1alpha1.Upgrade{Windows: []v1alpha1.UpgradeWindow{one}})
		if err != nil {
			t.Fatal(err)
		}
		at := start.Add(time.Duration(rapid.IntRange(0, 366*24*60).Draw(t, "minutes")) * time.Minute)
		open, next := rollout.Open(policy.Windows, at)
		if open {
			return
		}
		if wait := next.Sub(at); wait <= 0 || wait > 8*24*time.Hour {
			t.Fatalf("the next window opens in %s", wait)
		}
		if open, _ := rollout.Open(policy.Windows, next); !open {
			t.Fatalf("no window is open at %s", next)
		}
		if open, _ := rollout.Open(policy.Windows, next.Add(-time.Second)); open {
			t.Fatalf("a window is open before %s", next)
		}
	})
}

func TestWrongWindowsAreReportedAndNeverOpen(t *testing.T) {
	g := NewWithT(t)
	for wrong, message := range map[*v1alpha1.UpgradeWindow]string{
		{Start: "10:00", TimeZone: "Europe/Atlantis"}: `spec.upgrade.windows[1].timeZone: "Europe/Atlantis" is not in the time zone database`,
		{Start: "10:00", TimeZone: "Local"}:           `"Local" is not in the time zone database`,
		{Start: "10:00", TimeZone: "../etc/passwd"}:   `is not in the time zone database`,
		{Start: "24:00"}: `spec.upgrade.windows[1].start: "24:00" is not a time of day`,
		{Start: "10:00", Days: []v1alpha1.Weekday{"Caturday"}}:    `"Caturday" is not a day of the week`,
		{Start: "", Days: []v1alpha1.Weekday{"Monday", "Friday"}}: `"" is not a time of day`,
	} {
		policy, err := rollout.PolicyOf(&v1alpha1.Upgrade{Windows: []v1alpha1.UpgradeWindow{window("10:00", 1, ""), *wrong}})
		g.Expect(err).To(MatchError(ContainSubstring(message)))
		g.Expect(policy.Windows).To(HaveLen(1), "the others hold")

		policy, err = rollout.PolicyOf(&v1alpha1.Upgrade{Windows: []v1alpha1.UpgradeWindow{*wrong}})
		g.Expect(err).To(HaveOccurred())
		g.Expect(policy.Windows).NotTo(BeNil())
		open, next := rollout.Open(policy.Windows, start)
		g.Expect(open).To(BeFalse())
		g.Expect(next).To(BeZero())
	}
}

// images gives all components of a revision an image.
func images(r *rollout.Revision, image string) {
	r.Images = map[string]string{}
	for _, c := range components {
		r.Images[c.Name] = image
	}
}

// newWindowStack returns a stack whose revision b has other images, and whose window opens an hour later.
func newWindowStack(t *testing.T) *stack {
	s := newStack(t)
	images(&s.in.Revisions[0], "image:a")
	images(&s.in.Revisions[1], "image:b")
	s.in.Policy.Windows = windows(t, window("13:00", 1, ""))
	return s
}

func TestAnUpgradeWaitsForItsWindowAndGoesOnAfterIt(t *testing.T) {
	s := newWindowStack(t)
	s.in.Wanted = "b"
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.plan.Opens).To(BeTemporally("==", start.Add(time.Hour)))
	s.Expect(s.plan.Requeue).To(Equal(time.Hour))
	s.Expect(s.plan.NeedsSlot).To(BeFalse())
	s.Expect(s.at()).To(Equal("aaaaaa"))
	written := s.in.State
	s.wait(59 * time.Minute)
	s.next()
	s.Expect(s.in.State).To(Equal(written), "no write while it waits")
	s.Expect(s.plan.Requeue).To(Equal(time.Minute))
	s.wait(time.Minute)
	s.next()
	s.Expect(s.state()).To(Equal("Progressing 1"))
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.ready("auth", "user")
	s.wait(2 * time.Hour)
	s.next()
	s.Expect(s.at()).To(Equal("bbbaaa"), "what was started is ended")
	s.rollTo("b")
}

func TestAWindowThatClosesBeforeThereIsASlotIsWaitedForAgain(t *testing.T) {
	s := newWindowStack(t)
	s.in.Wanted, s.in.Slot = "b", false
	s.wait(time.Hour)
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForSlot 0"))
	s.wait(time.Hour)
	s.in.Slot = true
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.wait(23 * time.Hour)
	s.rollTo("b")
}

func TestWhatDoesNotWaitForAWindow(t *testing.T) {
	t.Run("a changed Secret or setting", func(t *testing.T) {
		s := newWindowStack(t)
		images(&s.in.Revisions[1], "image:a")
		s.rollTo("b")
	})
	t.Run("a first installation", func(t *testing.T) {
		s := newWindowStack(t)
		s.in.State, s.in.Observed, s.in.Revisions[0].RolledOut = rollout.State{}, map[string]rollout.Observation{}, false
		s.rollTo("a")
	})
	t.Run("the way back from an upgrade that is under way", func(t *testing.T) {
		s := newWindowStack(t)
		s.in.Wanted = "b"
		s.wait(time.Hour)
		s.next()
		s.Expect(s.at()).To(Equal("bbaaaa"))
		s.wait(time.Hour)
		s.rollTo("a")
	})
	t.Run("the repair of an upgrade that is held", func(t *testing.T) {
		s := newWindowStack(t)
		c := revision("c", 3, "v3.8.3-patch.16", nil)
		images(&c, "image:c")
		s.in.Revisions = append(s.in.Revisions, c)
		s.in.Wanted = "b"
		s.wait(time.Hour)
		s.next()
		s.wait(time.Hour)
		s.next()
		s.Expect(s.state()).To(Equal("Held 1"))
		s.rollTo("c")
	})
	t.Run("a retry that is asked for", func(t *testing.T) {
		s := newWindowStack(t)
		s.in.Policy.Rollback = true
		s.in.Wanted = "b"
		s.wait(time.Hour)
		s.next()
		s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
		s.wait(time.Hour)
		s.next()
		s.ready("auth", "user")
		s.next()
		s.Expect(s.state()).To(HavePrefix("RolledBack"))
		s.in.Retry = "now"
		s.rollTo("b")
	})
}

func TestAfterARollbackAnotherReleaseWaitsForAWindow(t *testing.T) {
	s := newWindowStack(t)
	c := revision("c", 3, "v3.8.3-patch.16", nil)
	images(&c, "image:c")
	s.in.Revisions = append(s.in.Revisions, c)
	s.in.Policy.Rollback = true
	s.in.Wanted = "b"
	s.wait(time.Hour)
	s.next()
	s.broken("auth", rollout.Observation{Reason: "CrashLoop", Failed: true, Class: rollout.Fault})
	s.wait(time.Hour)
	s.next()
	s.ready("auth", "user")
	s.next()
	s.Expect(s.state()).To(HavePrefix("RolledBack"))
	s.in.Wanted = "c"
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.wait(23 * time.Hour)
	s.rollTo("c")
}

func TestALostStatusOpensNoWindow(t *testing.T) {
	s := newWindowStack(t)
	s.in.Wanted = "b"
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.in.State = rollout.State{}
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.wait(time.Hour)
	s.next()
	s.Expect(s.at()).To(Equal("bbaaaa"))
	s.in.State = rollout.State{}
	s.wait(2 * time.Hour)
	s.rollTo("b") // what was started is ended, also outside the window
}

func TestAWindowIsToldAlsoWhileAPolicyIsNotInPlace(t *testing.T) {
	s := newWindowStack(t)
	s.in.Wanted = "b"
	s.next()
	s.in.Blocked = true
	s.next()
	s.Expect(s.state()).To(Equal("WaitingForWindow 0"))
	s.Expect(s.plan.Opens).To(BeTemporally("==", start.Add(time.Hour)))
	s.Expect(s.plan.Requeue).To(Equal(time.Hour))
	s.wait(time.Hour)
	s.next()
	s.Expect(s.at()).To(Equal("aaaaaa"))
	s.Expect(s.plan.Opens).NotTo(BeZero())
	s.in.Blocked = false
	s.rollTo("b")
}
