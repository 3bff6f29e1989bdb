package devices_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

func TestAKeyBelongsToOneDeviceForEver(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	first, second := newKey(t), newKey(t)
	d := b.enrol(t, "alice", first)
	out, err := b.Rotate(t.Context(), devices.KeyRotation{DeviceID: d.ID, Key: second})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Device.Key).To(Equal(second))
	g.Expect(out.User.ID).To(Equal("alice"))
	resolve := func(key internalapi.Key) devices.Holder {
		r, err := b.Resolve(t.Context(), key)
		g.Expect(err).NotTo(HaveOccurred())
		return r
	}
	g.Expect(resolve(first).Found).To(BeFalse(), "the old key is nobody's")
	g.Expect(resolve(second).Found).To(BeTrue())

	out, err = b.Rotate(t.Context(), devices.KeyRotation{DeviceID: d.ID, Key: second})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(BeEmpty(), "the same call again")
	out, err = b.Rotate(t.Context(), devices.KeyRotation{DeviceID: d.ID, Key: first})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(Equal(devices.KeyTaken), "there is no way back")

	other := b.enrol(t, "bob", newKey(t))
	_, err = b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice"})
	g.Expect(err).NotTo(HaveOccurred())
	for name, key := range map[string]internalapi.Key{"rotated away": first, "of a revoked device": second} {
		out, err = b.Rotate(t.Context(), devices.KeyRotation{DeviceID: other.ID, Key: key})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Refused).To(Equal(devices.KeyTaken), name)
		out, err = b.Enrol(t.Context(), devices.Enrolment{CodeID: b.issue(t, "carol"), Key: key, PlatformID: 1}, allow)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Refused).To(Equal(devices.KeyTaken), name)
	}
	for _, id := range []string{d.ID, "", "unknown"} {
		out, err = b.Rotate(t.Context(), devices.KeyRotation{DeviceID: id, Key: newKey(t)})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Refused).To(Equal(devices.NoSuchDevice))
	}
}

func TestOfManyWhoWantOneKeyOneGetsIt(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	key := newKey(t)
	var ids []string
	for i := range 6 {
		ids = append(ids, b.enrol(t, fmt.Sprintf("user%d", i), newKey(t)).ID)
	}
	results := make(chan devices.Refusal, len(ids))
	var work sync.WaitGroup
	for _, id := range ids {
		work.Go(func() {
			out, err := b.Rotate(t.Context(), devices.KeyRotation{DeviceID: id, Key: key})
			if err != nil {
				t.Error(err)
			}
			results <- out.Refused
		})
	}
	work.Wait()
	close(results)
	got := map[devices.Refusal]int{}
	for r := range results {
		got[r]++
	}
	g.Expect(got).To(Equal(map[devices.Refusal]int{"": 1, devices.KeyTaken: len(ids) - 1}))
}

// TestWhoMayNotLogInIsToldApartForTheAudit: the caller refuses both with one answer.
func TestWhoMayNotLogInIsToldApartForTheAudit(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	key := newKey(t)
	d := b.enrol(t, "alice", key)
	disabled := true
	_, err := b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &disabled})
	g.Expect(err).NotTo(HaveOccurred())
	r, err := b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r).To(Equal(devices.Holder{Found: true, Device: d, User: internalapi.User{ID: "alice", Disabled: true}}), "no login is noted")

	out, err := b.Rotate(t.Context(), devices.KeyRotation{DeviceID: d.ID, Key: newKey(t)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(Equal(devices.NoSuchUser))

	disabled = false
	_, err = b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &disabled})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice", DeviceID: d.ID})
	g.Expect(err).NotTo(HaveOccurred())
	r, err = b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Found).To(BeTrue())
	g.Expect(r.Device.Status).To(Equal(internalapi.DeviceRevoked))
	g.Expect(r.Device.LastLogin.IsZero()).To(BeTrue())
}

func TestWhoCanBeRevokedByWhom(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	alice := b.enrol(t, "alice", newKey(t))
	b.enrol(t, "bob", newKey(t))
	revoke := func(userID, deviceID string) []internalapi.Device {
		list, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: userID, DeviceID: deviceID})
		g.Expect(err).NotTo(HaveOccurred())
		return list
	}
	g.Expect(revoke("bob", alice.ID)).To(BeEmpty(), "another's device")
	g.Expect(revoke("nobody", "")).To(BeEmpty())
	_, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{})
	g.Expect(err).To(MatchError(devices.ErrNoSelector), "never everybody's")
	g.Expect(revoke("", alice.ID)).To(HaveLen(1), "an administrator may name the device alone")
	again := revoke("alice", alice.ID)
	g.Expect(again).To(HaveLen(1), "asked again, so that its sessions can be ended again")
	g.Expect(again[0].Revoked).To(Equal(b.now()))
	b.pass(time.Hour)
	g.Expect(revoke("alice", alice.ID)[0].Revoked).To(Equal(again[0].Revoked), "the first time counts")
	g.Expect(revoke("alice", "")).To(BeEmpty())
}

func TestAUserWithoutARecordIsEnabledInEpochZero(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	g.Expect(b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice"})).To(Equal(internalapi.User{ID: "alice"}))
	var work sync.WaitGroup
	for range 10 {
		work.Go(func() {
			if _, err := b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", NextEpoch: true}); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	yes, no := true, false
	g.Expect(b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &yes})).To(Equal(internalapi.User{ID: "alice",
		Disabled: true, Epoch: 10}))
	g.Expect(b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice", Disabled: &no,
		NextEpoch: true})).To(Equal(internalapi.User{ID: "alice", Epoch: 11}))
	g.Expect(b.SetUser(t.Context(), internalapi.SetUser{UserID: "alice"})).To(Equal(internalapi.User{ID: "alice", Epoch: 11}))
}

// TestTheDatabaseRestarts: what was confirmed is there.
func TestTheDatabaseRestarts(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	key := newKey(t)
	b.enrol(t, "alice", key)
	b.server.Restart()
	g.Eventually(func() (bool, error) {
		r, err := b.Resolve(t.Context(), key)
		return r.Found, err
	}, patience, 50*time.Millisecond).Should(BeTrue())
}

// atOutage is the promised bound of a call while the database is down (docs/token-vault.md). onSlowMachine is the bound in the code, and
// what a slow machine adds to it. No slow call is tried again: the driver would not wait a second time for a server that it knows is down.
const (
	atOutage      = 5 * time.Second
	onSlowMachine = devices.CallTimeout + 5*time.Second
)

// TestTheDatabaseIsDown is the registry's part of the failure table: an error within seconds, that names no address.
func TestTheDatabaseIsDown(t *testing.T) {
	NewWithT(t).Expect(devices.CallTimeout).To(BeNumerically("<", atOutage))
	for name, down := range map[string]func(*testEnv){
		"stopped":    func(b *testEnv) { b.server.Stop() },
		"frozen":     func(b *testEnv) { b.server.Freeze() },
		"no address": func(b *testEnv) { b.address.set("") },
		"malformed":  func(b *testEnv) { b.address.set("mongodb://user:pass-word@:::/") },
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestEnv(t)
			key := newKey(t)
			d := b.enrol(t, "alice", key)
			id := b.issue(t, "alice")
			fresh := newKey(t)
			r := b.asInProduction(t)
			down(b)
			var work sync.WaitGroup
			defer work.Wait()
			for call, do := range map[string]func(context.Context) error{
				"ping":    r.Ping,
				"resolve": func(ctx context.Context) error { _, err := r.Resolve(ctx, key); return err },
				"issue": func(ctx context.Context) error {
					_, _, err := r.IssueCode(ctx, devices.Invitation{UserID: "alice"}, time.Minute, false)
					return err
				},
				"open": func(ctx context.Context) error { _, err := r.OpenCode(ctx, id); return err },
				"enrol": func(ctx context.Context) error {
					_, err := r.Enrol(ctx, devices.Enrolment{CodeID: id, Key: fresh, PlatformID: 1}, allow)
					return err
				},
				"rotate": func(ctx context.Context) error {
					_, err := r.Rotate(ctx, devices.KeyRotation{DeviceID: d.ID, Key: fresh})
					return err
				},
				"list": func(ctx context.Context) error { _, err := r.ListDevices(ctx, "alice"); return err },
				"revoke": func(ctx context.Context) error {
					_, err := r.RevokeDevices(ctx, internalapi.RevokeDevices{UserID: "alice"})
					return err
				},
				"set": func(ctx context.Context) error {
					_, err := r.SetUser(ctx, internalapi.SetUser{UserID: "alice", NextEpoch: true})
					return err
				},
			} {
				work.Go(func() {
					began := time.Now()
					err := do(context.WithoutCancel(t.Context()))
					if took := time.Since(began); !errors.Is(err, devices.ErrUnavailable) || took > onSlowMachine {
						t.Errorf("%s: %v after %s", call, err, took)
						return
					}
					for _, secret := range []string{"127.0.0.1", b.server.Address, "pass-word", "mongodb://", "alice", key} {
						if strings.Contains(err.Error(), secret) {
							t.Errorf("%s: %v", call, err)
						}
					}
				})
			}
		})
	}
}

// TestADatabaseThatHangsFromTheStartDelaysNoCallLonger: the first callers wait for its indexes together, not one after the other.
func TestADatabaseThatHangsFromTheStartDelaysNoCallLonger(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	b.server.Freeze()
	r := devices.New(devices.Options{URI: b.address, Database: database, Sealer: box{}, Now: b.now})
	t.Cleanup(r.Close)
	began := time.Now()
	var work sync.WaitGroup
	for range 20 {
		work.Go(func() {
			if _, err := r.Resolve(t.Context(), newKey(t)); !errors.Is(err, devices.ErrUnavailable) {
				t.Error(err)
			}
		})
	}
	work.Wait()
	g.Expect(time.Since(began)).To(BeNumerically("<", onSlowMachine))
	b.server.Thaw()
	g.Eventually(func() error { return r.Ping(t.Context()) }, patience, 50*time.Millisecond).Should(Succeed())
}

func TestANewAddressIsTakenOver(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	key := newKey(t)
	b.enrol(t, "alice", key)
	other := newTestEnv(t)
	b.address.set(other.server.URI())
	r, err := b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Found).To(BeFalse(), "it is another database")
	b.address.set(b.server.URI())
	r, err = b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Found).To(BeTrue())
}
