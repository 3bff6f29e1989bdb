package devices_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

// under makes a code one of a device's and a session's.
func under(device, session string) func(*devices.Invitation) {
	return func(in *devices.Invitation) {
		in.DeviceID, in.SessionID, in.Under, in.Issuer = device, session, "note of "+session, "device "+device
	}
}

func (b *testEnv) opens(t *testing.T, id string) bool {
	t.Helper()
	opened, err := b.OpenCode(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return opened.OK
}

func TestCodesGoWithWhoIssuedThem(t *testing.T) {
	yes := true
	for name, c := range map[string]struct {
		end   func(*testEnv) error
		holds []string
	}{
		"a session": {func(b *testEnv) error { return b.DropCodes(t.Context(), internalapi.DropCodes{SessionID: "s1"}) }, []string{"s2", "other",
			"admin", "bob"}},
		"a device": {func(b *testEnv) error { return b.DropCodes(t.Context(), internalapi.DropCodes{DeviceID: "d1"}) }, []string{"other",
			"admin", "bob"}},
		"a user": {func(b *testEnv) error { return b.DropCodes(t.Context(), internalapi.DropCodes{UserID: "alice"}) }, []string{"bob"}},
		"all":    {func(b *testEnv) error { return b.DropCodes(t.Context(), internalapi.DropCodes{All: true}) }, nil},
		"a disabled user": {func(b *testEnv) error {
			_, err := b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &yes, NextEpoch: true})
			return err
		}, []string{"bob"}},
		"a user's devices": {func(b *testEnv) error {
			_, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice"})
			return err
		}, []string{"bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newTestEnv(t)
			codes := map[string]string{
				"s1": b.issue(t, "alice", under("d1", "s1")), "s2": b.issue(t, "alice", under("d1", "s2")),
				"other": b.issue(t, "alice", under("d2", "s3")), "admin": b.issue(t, "alice"), "bob": b.issue(t, "bob", under("d3", "s4")),
			}
			g.Expect(c.end(b)).To(Succeed())
			for name, id := range codes {
				g.Expect(b.opens(t, id)).To(Equal(slices.Contains(c.holds, name)), name)
			}
			// Their places are free again, for as many as before.
			no := false
			_, err := b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &no})
			g.Expect(err).NotTo(HaveOccurred())
			for range devices.MaxCodes - len(c.holds) {
				b.issue(t, "alice")
			}
		})
	}
	t.Run("nobody's", func(t *testing.T) {
		g := NewWithT(t)
		b := newTestEnv(t)
		admins := b.issue(t, "alice")
		for _, which := range []internalapi.DropCodes{{}, {UserID: "alice", All: true}, {SessionID: "s", DeviceID: "d"}} {
			g.Expect(b.DropCodes(t.Context(), which)).To(MatchError(devices.ErrNoSelector))
		}
		g.Expect(b.opens(t, admins)).To(BeTrue())
	})
}

func TestARevokedDeviceLosesItsCodesAndAnEnrolmentUnderWay(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	first := b.enrol(t, "alice", newKey(t))
	waiting, used := b.issue(t, "alice", under(first.ID, "s1")), b.issue(t, "alice", under(first.ID, "s1"))
	admins := b.issue(t, "alice")
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: used, Key: newKey(t), PlatformID: 1}, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Under).To(Equal("note of s1"), "the gateway learns under what the code was issued")

	_, err = b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice", DeviceID: first.ID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.opens(t, waiting)).To(BeFalse())
	g.Expect(b.opens(t, admins)).To(BeTrue())
	out, err = b.Enrol(t.Context(), devices.Enrolment{CodeID: waiting, Key: newKey(t), PlatformID: 1}, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(Equal(devices.CodeGone))

	out, err = b.Enrol(t.Context(), devices.Enrolment{CodeID: admins, Key: newKey(t), PlatformID: 1}, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(BeEmpty(), "the user comes back by an administrator's code")
	b.pass(time.Second)
	again := b.issue(t, "alice", under(out.Device.ID, "s9"))
	g.Expect(b.opens(t, again)).To(BeTrue(), "and the new device issues codes")
}
