package devices_test

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const database = "openim_v3"

// address is a connection string that can be exchanged.
type address struct {
	mu  sync.Mutex
	uri string
}

func (a *address) Get() (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.uri == "" {
		return "", errors.New("the mounted file has not been read yet")
	}
	return a.uri, nil
}

func (a *address) set(uri string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.uri = uri
}

// box seals with a visible mark, so that a test sees whether a stored value is sealed.
type box struct{}

func (box) Seal(content, place []byte) ([]byte, error) {
	out := append([]byte("sealed:"), place...)
	for _, b := range content {
		out = append(out, b^0x5a)
	}
	return out, nil
}

func (box) Open(sealed, place []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, append([]byte("sealed:"), place...))
	if !ok {
		return nil, errors.New("sealed elsewhere")
	}
	out := bytes.Clone(rest)
	for i := range out {
		out[i] ^= 0x5a
	}
	return out, nil
}

// testEnv is a registry on a server of its own, with a clock set by hand.
type testEnv struct {
	*devices.Registry
	server  *mongotest.Server
	address *address
	mu      sync.Mutex
	at      time.Time
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	b := &testEnv{server: mongotest.Start(t), at: time.Date(2036, 6, 1, 12, 0, 0, 0, time.UTC)}
	b.address = &address{uri: b.server.URI()}
	b.Registry = b.another(t)
	return b
}

// another replica of the same registry.
func (b *testEnv) another(t *testing.T) *devices.Registry {
	r := devices.NewPatient(devices.Options{URI: b.address, Database: database, Sealer: box{}, Now: b.now})
	t.Cleanup(r.Close)
	return r
}

// asInProduction returns another replica, with the bounds of production, for outages. It is connected.
func (b *testEnv) asInProduction(t *testing.T) *devices.Registry {
	t.Helper()
	r := devices.New(devices.Options{URI: b.address, Database: database, Sealer: box{}, Now: b.now})
	t.Cleanup(r.Close)
	NewWithT(t).Eventually(func() error { return r.Ping(t.Context()) }, patience, 50*time.Millisecond).Should(Succeed())
	return r
}

// patience bounds what takes milliseconds on an idle machine.
const patience = time.Minute

func (b *testEnv) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *testEnv) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

// database gives the test direct access to the stored documents.
func (b *testEnv) database(t *testing.T) *mongo.Database {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(b.server.URI()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.WithoutCancel(t.Context())) })
	return c.Database(database)
}

func newKey(t *testing.T) internalapi.Key {
	t.Helper()
	k, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return handshake.PublicOf(k).String()
}

// issue makes a code for a user by an administrator, and gives its id.
func (b *testEnv) issue(t *testing.T, userID string, change ...func(*devices.Invitation)) string {
	t.Helper()
	in := devices.Invitation{UserID: userID, Nickname: strings.ToUpper(userID), Issuer: "admin root"}
	for _, f := range change {
		f(&in)
	}
	text, _, err := b.IssueCode(t.Context(), in, devices.MaxCodeLifetime, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := handshake.ParseCode(text)
	if err != nil {
		t.Fatal(err)
	}
	return c.ID()
}

func allow(context.Context, devices.Invitation) error { return nil }

// enrol goes all the way for a new device.
func (b *testEnv) enrol(t *testing.T, userID string, key internalapi.Key) internalapi.Device {
	t.Helper()
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: b.issue(t, userID), Key: key, PlatformID: 1, Name: "phone"}, allow)
	if err != nil || out.Refused != "" {
		t.Fatalf("enrol %s: %v %s", userID, err, out.Refused)
	}
	return out.Device
}

func TestAUserEnrolsLogsInAndIsRevoked(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	text, expires, err := b.IssueCode(t.Context(), devices.Invitation{UserID: "alice", Nickname: "Alice", FaceURL: "http://face",
		Issuer: "admin root"}, 5*time.Minute, false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(expires).To(Equal(b.now().Add(5 * time.Minute)))
	code, err := handshake.ParseCode(text)
	g.Expect(err).NotTo(HaveOccurred())

	opened, err := b.OpenCode(t.Context(), code.ID())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(opened.OK).To(BeTrue())
	g.Expect(opened.PSK).To(Equal(code.PSK()), "both sides of the handshake derive the same key")

	key := newKey(t)
	var invited devices.Invitation
	out, err := b.Enrol(t.Context(), devices.Enrolment{CodeID: code.ID(), Key: key, PlatformID: 2, Name: "Alice's phone"},
		func(_ context.Context, in devices.Invitation) error {
			r, err := b.Resolve(t.Context(), key)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(r.Found).To(BeFalse(), "nothing is active before OpenIM knows the user")
			invited = in
			return nil
		})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Refused).To(BeEmpty())
	g.Expect(invited).To(Equal(devices.Invitation{UserID: "alice", Nickname: "Alice", FaceURL: "http://face", Issuer: "admin root"}))
	g.Expect(out.User).To(Equal(internalapi.User{ID: "alice"}))
	d := out.Device
	g.Expect(d).To(Equal(internalapi.Device{ID: d.ID, UserID: "alice", PlatformID: 2, Name: "Alice's phone", Key: key,
		Status: internalapi.DeviceActive, Created: b.now()}))
	g.Expect(d.ID).To(HaveLen(22))

	b.pass(time.Minute)
	r, err := b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	d.LastLogin = b.now()
	g.Expect(r).To(Equal(devices.Holder{Found: true, Device: d, User: internalapi.User{ID: "alice"}}))

	b.pass(time.Minute)
	gone, err := b.RevokeDevices(t.Context(), internalapi.RevokeDevices{UserID: "alice", DeviceID: d.ID})
	g.Expect(err).NotTo(HaveOccurred())
	d.Status, d.Revoked = internalapi.DeviceRevoked, b.now()
	g.Expect(gone).To(Equal([]internalapi.Device{d}))
	r, err = b.Resolve(t.Context(), key)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Device).To(Equal(d), "it is known, and known to be revoked")
	list, err := b.ListDevices(t.Context(), "alice")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(Equal([]internalapi.Device{d}))
}

func TestWhatIsStoredOfACodeDoesNotOpenIt(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	text, _, err := b.IssueCode(t.Context(), devices.Invitation{UserID: "alice"}, time.Minute, false)
	g.Expect(err).NotTo(HaveOccurred())
	code, err := handshake.ParseCode(text)
	g.Expect(err).NotTo(HaveOccurred())
	var doc bson.M
	g.Expect(b.database(t).Collection(devices.CollectionCodes).FindOne(t.Context(), bson.D{}).Decode(&doc)).To(Succeed())
	raw, err := bson.Marshal(doc)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(raw)).To(ContainSubstring("sealed:enrolment code " + code.ID()))
	g.Expect(raw).NotTo(ContainElement(code.PSK()))
	g.Expect(bytes.Contains(raw, code.PSK())).To(BeFalse())
	g.Expect(string(raw)).NotTo(ContainSubstring(strings.Split(text, ".")[2]))
}
