package login

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

const origin = "https://im.example.com"

var errDown = errors.New("it is down")

// journal notes the calls that the service makes, in order.
type journal struct {
	mu    sync.Mutex
	calls []string
}

func (j *journal) note(call string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.calls = append(j.calls, call)
}

// drain returns what was noted since the last time.
func (j *journal) drain() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	calls := j.calls
	j.calls = nil
	return calls
}

// fakeRegistry is a device registry in memory that keeps link's promises: one key one device, a code once, no key ever comes back.
type fakeRegistry struct {
	*journal
	mu      sync.Mutex
	devices []*internalapi.Device
	past    []internalapi.Key // keys that were rotated away
	users   map[string]internalapi.User
	codes   map[string]issued
	spent   map[string]bool // handshakes
	down    bool
}

type issued struct {
	userID   string
	platform int32
	psk      []byte
}

func (b *fakeRegistry) holder(key internalapi.Key) int {
	return slices.IndexFunc(b.devices, func(d *internalapi.Device) bool { return d.Key == key })
}

func (b *fakeRegistry) user(id string) internalapi.User {
	u := b.users[id]
	u.ID = id
	return u
}

func (b *fakeRegistry) enter(call string) (func(), error) {
	b.note(call)
	b.mu.Lock()
	if b.down {
		b.mu.Unlock()
		return nil, errDown
	}
	return b.mu.Unlock, nil
}

func (b *fakeRegistry) Resolve(_ context.Context, key string) (devices.Holder, error) {
	leave, err := b.enter("resolve")
	if err != nil {
		return devices.Holder{}, err
	}
	defer leave()
	if _, err = handshake.ParsePublicKey(key); err != nil {
		return devices.Holder{}, err
	}
	i := b.holder(key)
	if i < 0 {
		return devices.Holder{}, nil
	}
	return devices.Holder{Found: true, Device: *b.devices[i], User: b.user(b.devices[i].UserID)}, nil
}

func (b *fakeRegistry) OpenCode(_ context.Context, codeID string) (psk []byte, found bool, err error) {
	leave, err := b.enter("open code")
	if err != nil {
		return nil, false, err
	}
	defer leave()
	code, found := b.codes[codeID]
	if !found {
		code.psk = ids.RandomBytes(handshake.PSKBytes)
	}
	return code.psk, found, nil
}

func (b *fakeRegistry) Enrol(_ context.Context, r devices.Enrolment) (devices.Enrolled, error) {
	leave, err := b.enter("enrol")
	if err != nil {
		return devices.Enrolled{}, err
	}
	defer leave()
	code, found := b.codes[r.CodeID]
	switch {
	case !found:
		return devices.Enrolled{Refused: devices.CodeGone}, nil
	case b.holder(r.Key) >= 0 || slices.Contains(b.past, r.Key):
		return devices.Enrolled{Refused: devices.KeyTaken}, nil
	case code.platform != 0 && code.platform != r.PlatformID:
		return devices.Enrolled{Refused: devices.WrongPlatform}, nil
	}
	delete(b.codes, r.CodeID)
	device := internalapi.Device{
		ID: fmt.Sprintf("device-%d", len(b.devices)), UserID: code.userID, PlatformID: r.PlatformID, Name: r.Name,
		Key: r.Key, Status: internalapi.DeviceActive,
	}
	b.devices = append(b.devices, &device)
	return devices.Enrolled{Device: device, User: b.user(code.userID)}, nil
}

func (b *fakeRegistry) SpendHandshake(_ context.Context, id string) (bool, error) {
	leave, err := b.enter("spend")
	if err != nil {
		return false, err
	}
	defer leave()
	first := !b.spent[id]
	b.spent[id] = true
	return first, nil
}

func (b *fakeRegistry) Rotate(_ context.Context, r devices.KeyRotation) (devices.Enrolled, error) {
	leave, err := b.enter("rotate")
	if err != nil {
		return devices.Enrolled{}, err
	}
	defer leave()
	if b.holder(r.Key) >= 0 || slices.Contains(b.past, r.Key) {
		return devices.Enrolled{Refused: devices.KeyTaken}, nil
	}
	for _, d := range b.devices {
		if d.ID == r.DeviceID && d.Status == internalapi.DeviceActive {
			b.past = append(b.past, d.Key)
			d.Key = r.Key
			return devices.Enrolled{Device: *d, User: b.user(d.UserID)}, nil
		}
	}
	return devices.Enrolled{Refused: devices.NoSuchDevice}, nil
}

// issue puts a code on record.
func (b *fakeRegistry) issue(userID string, platform int32) handshake.Code {
	code := handshake.NewCode()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.codes[code.ID()] = issued{userID, platform, code.PSK()}
	return code
}

// fakeSessions makes sessions and remembers for whom.
type fakeSessions struct {
	*journal
	mu   sync.Mutex
	made []string
	down bool
}

func (d *fakeSessions) Create(_ context.Context, userID, deviceID string, platformID int32, epoch int64) (string, string,
	time.Time, error) {
	d.note("create")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return "", "", time.Time{}, errDown
	}
	d.made = append(d.made, fmt.Sprintf("%s %s %d %d", userID, deviceID, platformID, epoch))
	n := len(d.made)
	return fmt.Sprintf("v1.token-%d", n), fmt.Sprintf("session-%d", n), time.Unix(1800000000, 0), nil
}

// fakeStates is States in memory.
type fakeStates struct {
	*journal
	mu   sync.Mutex
	held map[string][]byte
	busy bool
	down bool
}

func (s *fakeStates) Reserve(context.Context, netip.Addr, time.Duration) error {
	s.note("reserve")
	switch {
	case s.down:
		return errDown
	case s.busy:
		return ErrBusy
	}
	return nil
}

func (s *fakeStates) Put(_ context.Context, id string, sealed []byte, _ time.Duration) error {
	s.note("put")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[id] = sealed
	return nil
}

func (s *fakeStates) Take(_ context.Context, id string) ([]byte, bool, error) {
	s.note("take")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, false, errDown
	}
	sealed, found := s.held[id]
	delete(s.held, id)
	return sealed, found, nil
}

// testEnv is a gateway with everything around it.
type testEnv struct {
	t       testing.TB
	calls   *journal
	service *Service
	book    *fakeRegistry
	desk    *fakeSessions
	shelf   *fakeStates
	dir     string
	reload  func() (bool, error)
	now     time.Time
}

func newTestEnv(t testing.TB) *testEnv {
	t.Helper()
	j := &journal{}
	w := &testEnv{
		t: t, calls: j, dir: t.TempDir(), now: time.Unix(1700000000, 0),
		book:  &fakeRegistry{journal: j, users: map[string]internalapi.User{}, codes: map[string]issued{}, spent: map[string]bool{}},
		desk:  &fakeSessions{journal: j},
		shelf: &fakeStates{journal: j, held: map[string][]byte{}},
	}
	w.writeKey("2026-01", ids.RandomBytes(32))
	keys := NewKeys(w.dir)
	w.reload = keys.Reload
	w.mustReload()
	service, err := New(Options{
		Audience: origin, Keys: keys, States: w.shelf, Registry: w.book, Sessions: w.desk,
		Idle: time.Hour, Now: func() time.Time { return w.now },
	})
	w.must(err)
	w.service = service
	return w
}

func (w *testEnv) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *testEnv) writeKey(name string, key []byte) {
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(base64.RawURLEncoding.EncodeToString(key)+"\n"), 0o600))
}

func (w *testEnv) mustReload() {
	w.t.Helper()
	changed, err := w.reload()
	w.must(err)
	if !changed {
		w.t.Fatal("nothing was read anew")
	}
}

// serverKey is the one that is advertised first.
func (w *testEnv) serverKey() handshake.PublicKey {
	w.t.Helper()
	document, err := w.service.WellKnown()
	w.must(err)
	key, err := handshake.ParsePublicKey(document.Keys[0].Key)
	w.must(err)
	return key
}

func newKey(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// add puts a device on record without an enrolment.
func (w *testEnv) add(userID string, platform int32) (*ecdh.PrivateKey, *internalapi.Device) {
	key := newKey(w.t)
	w.book.mu.Lock()
	defer w.book.mu.Unlock()
	device := &internalapi.Device{
		ID: fmt.Sprintf("device-%d", len(w.book.devices)), UserID: userID, PlatformID: platform,
		Key: handshake.PublicOf(key).String(), Status: internalapi.DeviceActive,
	}
	w.book.devices = append(w.book.devices, device)
	return key, device
}

// client is one handshake as a client makes it.
type client struct {
	w         *testEnv
	terms     handshake.Terms
	code      *handshake.Code
	server    handshake.PublicKey
	key       *ecdh.PrivateKey
	hello     handshake.Hello
	source    netip.Addr
	initiator *handshake.Initiator
}

func (w *testEnv) client(purpose handshake.Purpose, key *ecdh.PrivateKey) *client {
	return &client{
		w: w, terms: handshake.Terms{Audience: origin, Purpose: purpose, Protocol: handshake.ProtocolFor(purpose)},
		server: w.serverKey(), key: key, hello: handshake.Hello{PlatformID: 5, DeviceName: "a browser"},
	}
}

func (w *testEnv) enroller(code handshake.Code, key *ecdh.PrivateKey) *client {
	c := w.client(handshake.Enrol, key)
	c.code = &code
	return c
}

// request is the first call's body.
func (c *client) request() handshake.StartRequest {
	c.w.t.Helper()
	r := handshake.StartRequest{Protocol: c.terms.Protocol, KeyID: c.server.ID(), Purpose: c.terms.Purpose}
	var psk []byte
	if c.code != nil {
		r.CodeID, psk = c.code.ID(), c.code.PSK()
	}
	var err error
	c.initiator, err = handshake.NewInitiator(c.terms, c.server, c.key, psk)
	c.w.must(err)
	m1, err := c.initiator.Start()
	c.w.must(err)
	r.Message = handshake.Text(m1)
	return r
}

// begin makes the first call and prepares the second.
func (c *client) begin() handshake.FinishRequest {
	c.w.t.Helper()
	reply, _, err := c.w.service.Start(c.w.t.Context(), c.request(), c.source)
	c.w.must(err)
	_, m3, err := c.initiator.Finish(reply.Bytes(), c.hello)
	c.w.must(err)
	return handshake.FinishRequest{HandshakeID: reply.HandshakeID, Message: handshake.Text(m3)}
}

// finish makes the second call and reads its reply.
func (c *client) finish(request handshake.FinishRequest, current *Caller) (handshake.Reply, Outcome, error) {
	c.w.t.Helper()
	answer, outcome, err := c.w.service.Finish(c.w.t.Context(), request, current)
	if err != nil {
		if answer != (handshake.FinishReply{}) {
			c.w.t.Fatal("something was sealed for one who was refused")
		}
		return handshake.Reply{}, outcome, err
	}
	reply, err := c.initiator.Open(answer.Bytes())
	c.w.must(err)
	return reply, outcome, nil
}

// run is a whole login.
func (c *client) run() (handshake.Reply, Outcome, error) {
	c.w.t.Helper()
	return c.finish(c.begin(), nil)
}
