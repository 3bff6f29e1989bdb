package login

import (
	"crypto/ecdh"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/flynn/noise"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

// refusal is one way of not being let in: it prepares a second call that must be refused.
type refusal struct {
	name    string
	reason  Reason
	prepare func(w *testEnv) (handshake.FinishRequest, *Caller)
	calls   []string // what the second call does
}

var (
	asLogin  = []string{"take", "spend", "resolve"}
	asEnrol  = []string{"take", "spend", "open code", "enrol"}
	asBadTag = []string{"take", "spend", "open code", "resolve"}
	asRotate = []string{"take", "spend", "rotate"}
)

// spoil changes a byte of the third message.
func spoil(r handshake.FinishRequest, i int) handshake.FinishRequest {
	m3 := r.Bytes()
	m3[i] ^= 0x20
	r.Message = handshake.Text(m3)
	return r
}

func (w *testEnv) caller(d *internalapi.Device) *Caller {
	return &Caller{UserID: d.UserID, DeviceID: d.ID, SessionID: "session-0", PlatformID: d.PlatformID, LoggedIn: w.now}
}

// refusals are all of them.
var refusals = []refusal{
	{"no such handshake", NoHandshake, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		r := w.client(handshake.Login, key).begin()
		r.HandshakeID = handshake.Text(ids.RandomBytes(handshake.HandshakeIDBytes))
		return r, nil
	}, asLogin},
	{"an expired one", NoHandshake, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		r := w.client(handshake.Login, key).begin()
		w.now = w.now.Add(stateTTL + time.Second)
		return r, nil
	}, asLogin},
	{"one that was used", NoHandshake, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		c := w.client(handshake.Login, key)
		r := c.begin()
		_, _, err := c.finish(r, nil)
		w.must(err)
		return r, nil
	}, asLogin},
	{"a wrong tag on the key", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		return spoil(w.client(handshake.Login, key).begin(), 0), nil
	}, asLogin},
	{"a wrong tag on the payload", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		return spoil(w.client(handshake.Login, key).begin(), handshake.Message3Bytes-1), nil
	}, asLogin},
	{"another handshake's message", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		one, two := w.client(handshake.Login, key).begin(), w.client(handshake.Login, key).begin()
		one.Message = two.Message
		return one, nil
	}, asLogin},
	{"a state that somebody wrote", BadState, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		r := w.client(handshake.Login, key).begin()
		w.shelf.held[r.HandshakeID] = ids.RandomBytes(400)
		return r, nil
	}, asLogin},
	{"another handshake's state", BadState, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		one, two := w.client(handshake.Login, key).begin(), w.client(handshake.Login, key).begin()
		w.shelf.held[one.HandshakeID] = w.shelf.held[two.HandshakeID]
		one.Message = two.Message
		return one, nil
	}, asLogin},
	{"a server key that has gone", BadState, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		r := w.client(handshake.Login, key).begin()
		w.writeKey("2026-01", ids.RandomBytes(32))
		w.mustReload()
		return r, nil
	}, asLogin},
	{"a key that nobody has", UnknownKey, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		return w.client(handshake.Login, newKey(w.t)).begin(), nil
	}, asLogin},
	{"a revoked device", DeviceRevoked, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, device := w.add("alice", 5)
		device.Status = internalapi.DeviceRevoked
		return w.client(handshake.Login, key).begin(), nil
	}, asLogin},
	{"a disabled user", UserDisabled, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		w.book.users["alice"] = internalapi.User{Disabled: true}
		return w.client(handshake.Login, key).begin(), nil
	}, asLogin},
	{"another platform", WrongPlatform, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 1)
		return w.client(handshake.Login, key).begin(), nil
	}, asLogin},
	{"a key of low order", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		return w.forge(handshake.Login, noise.DHKey{Private: ids.RandomBytes(32), Public: make([]byte, 32)}, hello(5)), nil
	}, asLogin},
	{"a key in another encoding", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		public := key.PublicKey().Bytes()
		public[31] |= 0x80
		return w.forge(handshake.Login, noise.DHKey{Private: key.Bytes(), Public: public}, hello(5)), nil
	}, asLogin},
	{"a victim's public key", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		return w.forge(handshake.Login, noise.DHKey{Private: ids.RandomBytes(32), Public: key.PublicKey().Bytes()}, hello(5)), nil
	}, asLogin},
	{"an invalid payload", BadPayload, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		return w.forge(handshake.Login, pairOf(key), make([]byte, 512)), nil
	}, asLogin},
	{"a platform that does not exist", BadPayload, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("alice", 5)
		return w.forge(handshake.Login, pairOf(key), hello(10)), nil
	}, asLogin},
	{"an unknown code", UnknownCode, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		return w.enroller(handshake.NewCode(), newKey(w.t)).begin(), nil
	}, asBadTag},
	{"a known code's id with another secret", BadMessage, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		c := w.enroller(handshake.NewCode(), newKey(w.t))
		w.book.codes[c.code.ID()] = issued{"alice", 0, ids.RandomBytes(32)}
		return c.begin(), nil
	}, asBadTag},
	{"a code that was used", UnknownCode, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		code := w.book.issue("alice", 0)
		_, _, err := w.enroller(code, newKey(w.t)).run()
		w.must(err)
		return w.enroller(code, newKey(w.t)).begin(), nil
	}, asBadTag},
	{"a code that another used just now", UnknownCode, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		code := w.book.issue("alice", 0)
		r := w.enroller(code, newKey(w.t)).begin()
		w.service.Registry = &gone{w.book}
		return r, nil
	}, asEnrol},
	{"a code for another platform", WrongPlatform, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		return w.enroller(w.book.issue("alice", 1), newKey(w.t)).begin(), nil
	}, asEnrol},
	{"enrolling another user's key", KeyTaken, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("bob", 5)
		return w.enroller(w.book.issue("alice", 0), key).begin(), nil
	}, asEnrol},
	{"enrolling a revoked device's key", KeyTaken, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, device := w.add("alice", 5)
		device.Status = internalapi.DeviceRevoked
		return w.enroller(w.book.issue("alice", 0), key).begin(), nil
	}, asEnrol},
	{"enrolling for a disabled user", UserDisabled, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		w.book.users["alice"] = internalapi.User{Disabled: true}
		return w.enroller(w.book.issue("alice", 0), newKey(w.t)).begin(), nil
	}, asEnrol},
	{"rotating without a session", NoSession, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		return w.client(handshake.Rotate, newKey(w.t)).begin(), nil
	}, asLogin},
	{"rotating long after the login", StaleSession, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		_, device := w.add("alice", 5)
		current := w.caller(device)
		current.LoggedIn = w.now.Add(-freshness - time.Second)
		return w.client(handshake.Rotate, newKey(w.t)).begin(), current
	}, asLogin},
	{"rotating on another platform", WrongPlatform, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		_, device := w.add("alice", 1)
		return w.client(handshake.Rotate, newKey(w.t)).begin(), w.caller(device)
	}, asLogin},
	{"rotating to another device's key", KeyTaken, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		key, _ := w.add("bob", 5)
		_, device := w.add("alice", 5)
		return w.client(handshake.Rotate, key).begin(), w.caller(device)
	}, asRotate},
	{"rotating a revoked device", DeviceRevoked, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		_, device := w.add("alice", 5)
		device.Status = internalapi.DeviceRevoked
		return w.client(handshake.Rotate, newKey(w.t)).begin(), w.caller(device)
	}, asRotate},
	{"rotating a device of somebody else", RegistryRefused, func(w *testEnv) (handshake.FinishRequest, *Caller) {
		_, device := w.add("bob", 5)
		current := w.caller(device)
		current.UserID = "alice"
		return w.client(handshake.Rotate, newKey(w.t)).begin(), current
	}, asRotate},
}

// gone is a registry whose code is used by another between its two calls.
type gone struct{ *fakeRegistry }

func pairOf(key *ecdh.PrivateKey) noise.DHKey {
	return noise.DHKey{Private: key.Bytes(), Public: key.PublicKey().Bytes()}
}

// TestEveryRefusalIsTheSameAnswerAfterTheSameWork is the distribution test of the answers: not by the clock, which lies on
// a busy machine, but by everything that costs time. The errors are one value, nothing is sealed, no session is
// made, the same calls go out, and as many operations on the curve are done as in a login that succeeds.
func TestEveryRefusalIsTheSameAnswerAfterTheSameWork(t *testing.T) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			g := NewWithT(t)
			w := newTestEnv(t)
			request, current := r.prepare(w)
			before := len(w.desk.made)
			w.calls.drain()

			answer, outcome, err := w.service.Finish(t.Context(), request, current)
			g.Expect(err).To(BeIdenticalTo(ErrRefused), "one value, so one text")
			g.Expect(answer).To(BeZero())
			g.Expect(outcome.Reason).To(Equal(r.reason))
			g.Expect(outcome.SessionID).To(BeEmpty())
			g.Expect(outcome.Ends).To(BeEmpty())
			g.Expect(w.calls.drain()).To(Equal(r.calls))
			g.Expect(w.desk.made).To(HaveLen(before))
		})
		t.Run(r.name+": work", func(t *testing.T) {
			g := NewWithT(t)
			w := newTestEnv(t)
			request, _ := r.prepare(w)
			keys, err := w.service.Keys.Get()
			g.Expect(err).NotTo(HaveOccurred())
			sealed, found, err := w.shelf.Take(t.Context(), request.HandshakeID)
			g.Expect(err).NotTo(HaveOccurred())
			a := w.service.resume(keys, request.HandshakeID, sealed, found)
			g.Expect(w.service.proveKey(t.Context(), a, request.Bytes())).To(Succeed())
			g.Expect(a.responder.Work()).To(Equal(handshake.WholeWork))
		})
	}
}

// TestEveryReasonToRefuseIsTried: a reason that no case reaches is one that nobody knows to be answered alike.
func TestEveryReasonToRefuseIsTried(t *testing.T) {
	var tried []Reason
	for _, r := range refusals {
		tried = append(tried, r.reason)
	}
	for _, reason := range []Reason{
		BadMessage, BadPayload, NoHandshake, BadState, UnknownCode, UnknownKey, DeviceRevoked, UserDisabled, WrongPlatform,
		KeyTaken, NoSession, StaleSession, RegistryRefused,
	} {
		NewWithT(t).Expect(slices.Contains(tried, reason)).To(BeTrue(), string(reason))
	}
	NewWithT(t).Expect(reflect.TypeFor[Outcome]().NumField()).To(Equal(9), "review a new field of the outcome here: may it be in a log?")
}
