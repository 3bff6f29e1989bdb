package devices_test

import (
	"context"
	"encoding/base64"
	"errors"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

func TestOfManyWhoHaveOneCodeOneEnrols(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	id := b.issue(t, "alice")
	replicas := []*devices.Registry{b.Registry, b.another(t)}
	results := make(chan devices.Enrolled, 16)
	var work sync.WaitGroup
	for i := range cap(results) {
		work.Go(func() {
			out, err := replicas[i%2].Enrol(t.Context(), devices.Enrolment{CodeID: id, Key: newKey(t), PlatformID: 1}, allow)
			if err != nil {
				t.Error(err)
			}
			results <- out
		})
	}
	work.Wait()
	close(results)
	enrolled := 0
	for out := range results {
		if out.Refused == "" {
			enrolled++
		} else {
			g.Expect(out.Refused).To(Equal(devices.CodeGone))
		}
	}
	g.Expect(enrolled).To(Equal(1))
	g.Expect(b.ListDevices(t.Context(), "alice")).To(HaveLen(1))
}

func TestTheSameEnrolmentMadeAgainGivesTheSameDevice(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	req := devices.Enrolment{CodeID: b.issue(t, "alice"), Key: newKey(t), PlatformID: 1, Name: "phone"}
	results := make(chan devices.Enrolled, 8)
	var work sync.WaitGroup
	for range cap(results) {
		work.Go(func() {
			out, err := b.Enrol(t.Context(), req, allow)
			if err != nil {
				t.Error(err)
			}
			results <- out
		})
	}
	work.Wait()
	first, err := b.Enrol(t.Context(), req, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.Refused).To(BeEmpty())
	close(results)
	for out := range results {
		g.Expect(out.Device.ID).To(BeElementOf(first.Device.ID, ""))
		g.Expect(out.Refused).To(BeElementOf(devices.Refusal(""), devices.CodeGone), "it lost a race, and its next try succeeds")
	}
	g.Expect(b.ListDevices(t.Context(), "alice")).To(HaveLen(1))
}

func TestWhatIsRefusedLeavesTheCodeGood(t *testing.T) {
	b := newTestEnv(t)
	taken := newKey(t)
	b.enrol(t, "bob", taken)
	down := errors.New("OpenIM cannot be reached")
	for _, c := range []struct {
		name    string
		change  func(*devices.Enrolment)
		prepare func(context.Context, devices.Invitation) error
		refused devices.Refusal
		err     error
	}{
		{"another platform", func(r *devices.Enrolment) { r.PlatformID = 5 }, allow, devices.WrongPlatform, nil},
		{"a key that bob has", func(r *devices.Enrolment) { r.Key = taken }, allow, devices.KeyTaken, nil},
		{"a key of low order", func(r *devices.Enrolment) { r.Key = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) }, allow,
			devices.KeyTaken, nil},
		{"a key in another spelling", func(r *devices.Enrolment) { r.Key += "=" }, allow, devices.KeyTaken, nil},
		{"no key", func(r *devices.Enrolment) { r.Key = "" }, allow, devices.KeyTaken, nil},
		{"OpenIM down", func(*devices.Enrolment) {}, func(context.Context, devices.Invitation) error { return down }, "", down},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			id := b.issue(t, "alice", func(in *devices.Invitation) { in.PlatformID = 1 })
			good := devices.Enrolment{CodeID: id, Key: newKey(t), PlatformID: 1}
			req := good
			c.change(&req)
			out, err := b.Enrol(t.Context(), req, c.prepare)
			if c.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(c.err))
			}
			g.Expect(out).To(Equal(devices.Enrolled{Refused: c.refused}))
			out, err = b.Enrol(t.Context(), good, allow)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Refused).To(BeEmpty())
		})
	}
}

// TestPointsOfLowOrder: each of them is a key that anybody "has" (RFC 7748 section 6.1).
func TestPointsOfLowOrder(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	id := b.issue(t, "alice")
	for _, point := range lowOrder {
		out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: id, Key: point, PlatformID: 1},
			func(context.Context, devices.Invitation) error {
				t.Error("OpenIM must not be asked")
				return nil
			})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Refused).To(Equal(devices.KeyTaken))
	}
	d := b.enrol(t, "bob", newKey(t))
	for _, point := range lowOrder {
		out, err := b.Rotate(t.Context(), devices.KeyRotation{DeviceID: d.ID, Key: point})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.Refused).To(Equal(devices.KeyTaken))
	}
}

// lowOrder are the canonical points of small order on the curve and its twist (cr.yp.to/ecdh.html#validate).
var lowOrder = func() []internalapi.Key {
	one := make([]byte, 32)
	one[0] = 1
	minusOne := make([]byte, 32)
	for i := range minusOne {
		minusOne[i] = 0xff
	}
	minusOne[0], minusOne[31] = 0xec, 0x7f
	var out []internalapi.Key
	for _, raw := range [][]byte{
		make([]byte, 32), one, minusOne,
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1,
			0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e,
			0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	} {
		out = append(out, base64.RawURLEncoding.EncodeToString(raw))
	}
	return out
}()

// TestACrashLeavesNothingUsable: the state after each write of an enrolment is made by hand. Nobody can log in, and the same
// enrolment made again finishes.
func TestACrashLeavesNothingUsable(t *testing.T) {
	b := newTestEnv(t)
	db := b.database(t)
	for _, c := range []struct {
		name   string
		writes int
	}{{"after the code was taken", 1}, {"after the key was taken", 2}, {"before the device is active", 3}} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			req := devices.Enrolment{CodeID: b.issue(t, "alice"), Key: newKey(t), PlatformID: 1}
			deviceID := handshake.NewCode().ID()
			_, err := db.Collection(devices.CollectionCodes).UpdateByID(t.Context(), req.CodeID,
				bson.M{"$set": bson.M{"claimed": deviceID, "claimedKey": req.Key, "seat": req.CodeID}})
			g.Expect(err).NotTo(HaveOccurred())
			if c.writes > 1 {
				_, err = db.Collection(devices.CollectionKeys).InsertOne(t.Context(), bson.M{"_id": req.Key, "device": deviceID, "taken": b.now()})
				g.Expect(err).NotTo(HaveOccurred())
			}
			if c.writes > 2 {
				_, err = db.Collection(devices.CollectionDevices).InsertOne(t.Context(),
					bson.M{"_id": deviceID, "user": "alice", "seat": "5:alice:" + deviceID,
						"platform": int32(1), "name": "", "key": req.Key, "keys": bson.A{req.Key}, "status": "pending", "created": b.now()})
				g.Expect(err).NotTo(HaveOccurred())
			}
			before, err := b.ListDevices(t.Context(), "alice")
			g.Expect(err).NotTo(HaveOccurred())
			found, err := b.Resolve(t.Context(), req.Key)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found.Found).To(BeFalse())
			opened, err := b.OpenCode(t.Context(), req.CodeID)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(opened.OK).To(BeFalse(), "nobody else can use the code")
			other, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: req.CodeID, Key: newKey(t), PlatformID: 1}, allow)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(other.Refused).To(Equal(devices.CodeGone))

			out, err := b.Enrol(t.Context(), req, allow)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(out.Refused).To(BeEmpty())
			g.Expect(out.Device.ID).To(Equal(deviceID))
			g.Expect(b.ListDevices(t.Context(), "alice")).To(HaveLen(len(before) + 1))
		})
	}
}

// TestRevokingAllAfterTheCodeWasTakenEndsTheEnrolmentToo: there is no device yet that could be revoked, so the enrolment itself must
// notice. It asks for the time after each step, which is where the test steps in.
func TestRevokingAllAfterTheCodeWasTakenEndsTheEnrolmentToo(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	req := devices.Enrolment{CodeID: b.issue(t, "alice"), Key: newKey(t), PlatformID: 1}
	codes := b.database(t).Collection(devices.CollectionCodes)
	other, revoked := b.another(t), false
	interrupted := devices.NewPatient(devices.Options{URI: b.address, Database: database, Sealer: box{}, Now: func() time.Time {
		n, err := codes.CountDocuments(t.Context(), bson.M{"_id": req.CodeID, "claimedKey": req.Key})
		if err != nil {
			t.Error(err)
		}
		if n == 1 {
			if _, err := other.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice"}); err != nil {
				t.Error(err)
			}
			revoked = true
		}
		return b.now()
	}})
	t.Cleanup(interrupted.Close)
	out, err := interrupted.Enrol(t.Context(), req, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(revoked).To(BeTrue())
	g.Expect(out.Refused).To(Equal(devices.CodeGone))
	found, err := b.Resolve(t.Context(), req.Key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Found && found.Device.Status == internalapi.DeviceActive).To(BeFalse())
	list, err := b.ListDevices(t.Context(), "alice")
	g.Expect(err).NotTo(HaveOccurred())
	for _, d := range list {
		g.Expect(d.Status).To(Equal(internalapi.DeviceRevoked))
	}
}

// TestRevokingAllAlsoEndsAnEnrolmentThatIsUnderWay: it comes between the preparation and the use of the code.
func TestRevokingAllAlsoEndsAnEnrolmentThatIsUnderWay(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	old := b.enrol(t, "alice", newKey(t))
	key := newKey(t)
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: b.issue(t, "alice"), Key: key, PlatformID: 1},
		func(ctx context.Context, _ devices.Invitation) error {
			gone, err := b.RevokeDevices(ctx, internalapi.RevokeDevices{UserID: "alice"})
			g.Expect(gone).To(HaveLen(1))
			g.Expect(gone[0].ID).To(Equal(old.ID))
			return err
		})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(Equal(devices.CodeGone))
	found, err := b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found.Found).To(BeFalse())
}

func TestAPendingDeviceWhoseCodeIsGoneIsNotActivated(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	req := devices.Enrolment{CodeID: b.issue(t, "alice"), Key: newKey(t), PlatformID: 1}
	out, err := b.Enrol(t.Context(), req, allow)
	g.Expect(err).NotTo(HaveOccurred())
	known := b.database(t).Collection(devices.CollectionDevices)
	_, err = known.UpdateByID(t.Context(), out.Device.ID, bson.M{"$set": bson.M{"status": "pending"}})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice"})
	g.Expect(err).NotTo(HaveOccurred())
	again, err := b.Enrol(t.Context(), req, allow)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Refused).To(Equal(devices.CodeGone))
}

func TestAUserHasThirtyTwoDevicesAtMost(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	for range devices.MaxDevices - 1 {
		b.enrol(t, "alice", newKey(t))
	}
	ids := []string{b.issue(t, "alice"), b.issue(t, "alice"), b.issue(t, "alice")}
	results := make(chan devices.Enrolled, len(ids))
	var work sync.WaitGroup
	for _, id := range ids {
		work.Go(func() {
			out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: id, Key: newKey(t), PlatformID: 1}, allow)
			if err != nil {
				t.Error(err)
			}
			results <- out
		})
	}
	work.Wait()
	close(results)
	enrolled := 0
	for out := range results {
		if out.Refused == "" {
			enrolled++
		}
	}
	g.Expect(enrolled).To(Equal(1), "one seat was left")
	_, _, err := b.IssueCode(t.Context(), devices.Invitation{UserID: "alice"}, time.Minute, false)
	g.Expect(err).To(MatchError(devices.ErrTooManyDevices))
	gone, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(gone).To(HaveLen(devices.MaxDevices))
	b.enrol(t, "alice", newKey(t))
	list, err := b.ListDevices(t.Context(), "alice")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(1 + 32))
	g.Expect(list[0].Status).To(Equal(internalapi.DeviceActive))
}
