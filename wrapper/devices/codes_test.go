package devices_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

func TestACodeIsOpenedFiveTimesAtMost(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	id := b.issue(t, "alice")
	for n := range devices.MaxAttempts {
		opened, err := b.OpenCode(t.Context(), id)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(opened.OK).To(BeTrue(), "attempt %d", n+1)
	}
	opened, err := b.OpenCode(t.Context(), id)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opened.OK).To(BeFalse())
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: id, Key: newKey(t), PlatformID: 1}, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(BeEmpty(), "the fifth attempt is one that may succeed")
}

func TestAttemptsAreCountedAcrossReplicas(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	id := b.issue(t, "alice")
	replicas := []*devices.Registry{b.Registry, b.another(t)}
	var opened atomic.Int32
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			if code, err := replicas[i%2].OpenCode(t.Context(), id); err != nil {
				t.Error(err)
			} else if code.OK {
				opened.Add(1)
			}
		})
	}
	work.Wait()
	g.Expect(opened.Load()).To(BeEquivalentTo(devices.MaxAttempts))
}

// TestWhatIsNoCode: each is answered with a key of the right length, another one each time.
func TestWhatIsNoCode(t *testing.T) {
	b := newTestEnv(t)
	expired := b.issue(t, "bob")
	b.pass(devices.MaxCodeLifetime)
	used := b.issue(t, "alice")
	if out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: used, Key: newKey(t), PlatformID: 1}, allow); err != nil ||
		out.Refused != "" {
		t.Fatal(err, out.Refused)
	}
	tampered := b.issue(t, "carol")
	if _, err := b.database(t).Collection(devices.CollectionCodes).UpdateByID(t.Context(), tampered,
		bson.M{"$set": bson.M{"psk": []byte("sealed:elsewhere")}}); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{"unknown": handshake.NewCode().ID(), "used": used, "expired": expired,
		"sealed elsewhere": tampered, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			one, err := b.OpenCode(t.Context(), id)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(one.OK).To(BeFalse())
			two, err := b.OpenCode(t.Context(), id)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(one.PSK).To(HaveLen(handshake.PSKBytes))
			g.Expect(two.PSK).To(HaveLen(handshake.PSKBytes))
			g.Expect(one.PSK).NotTo(Equal(two.PSK))
		})
	}
	g := NewWithT(t)
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: expired, Key: newKey(t), PlatformID: 1}, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(Equal(devices.CodeGone))
}

func TestACodeLivesTenMinutesAtMost(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	_, expires, err := b.IssueCode(t.Context(), devices.Invitation{UserID: "alice"}, 24*time.Hour, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(expires).To(Equal(b.now().Add(10 * time.Minute)))
}

func TestAUserHasEightOpenCodesAtMostUnderAnyConcurrency(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	replicas := []*devices.Registry{b.Registry, b.another(t)}
	var issued, refused atomic.Int32
	var work sync.WaitGroup
	for i := range 20 {
		work.Go(func() {
			_, _, err := replicas[i%2].IssueCode(t.Context(), devices.Invitation{UserID: "alice"}, time.Minute, false)
			switch {
			case err == nil:
				issued.Add(1)
			case errors.Is(err, devices.ErrTooManyCodes):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	work.Wait()
	g.Expect(issued.Load()).To(BeEquivalentTo(devices.MaxCodes))
	g.Expect(refused.Load()).To(BeEquivalentTo(20 - devices.MaxCodes))
	b.issue(t, "bob")
	b.pass(time.Minute)
	b.issue(t, "alice")
	n, err := b.database(t).Collection(devices.CollectionCodes).CountDocuments(t.Context(), bson.M{"user": "alice"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(n).To(BeEquivalentTo(1), "expired ones are taken away when the next is issued")
}

func TestAUsedCodeFreesItsSlot(t *testing.T) {
	b := newTestEnv(t)
	for range devices.MaxCodes + 2 {
		b.enrol(t, "alice", newKey(t))
	}
}

func TestWhoMayHaveACode(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	ask := func(enrolled bool) error {
		_, _, err := b.IssueCode(t.Context(), devices.Invitation{UserID: "alice"}, time.Minute, enrolled)
		return err
	}
	g.Expect(ask(true)).To(MatchError(devices.ErrNoDevice), "a device's code needs a device")
	d := b.enrol(t, "alice", newKey(t))
	g.Expect(ask(true)).To(Succeed())
	_, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice", DeviceID: d.ID})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ask(true)).To(MatchError(devices.ErrNoDevice))
	disabled := true
	_, err = b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &disabled})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ask(false)).To(MatchError(devices.ErrDisabled))
}
