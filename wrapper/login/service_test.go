package login

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestADeviceIsEnrolledWithACodeAndLogsInWithItsKey(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key := newKey(t)
	w.book.users["alice"] = internalapi.User{Epoch: 7}

	reply, outcome, err := w.enroller(w.book.issue("alice", 0), key).run()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply).To(Equal(handshake.Reply{
		Token: "v1.token-1", SessionID: "session-1", UserID: "alice", DeviceID: "device-0", PlatformID: 5,
		Expires: 1800000000, IdleSeconds: 3600, TicketPath: wire.PathTickets, WSPath: wire.SocketPath, APIPath: wire.UserPrefix,
		ServerKeys: []string{w.serverKey().String()},
	}))
	g.Expect(outcome.Purpose).To(Equal(handshake.Enrol))
	g.Expect(outcome.CodeID).NotTo(BeEmpty())
	g.Expect(w.calls.drain()).To(Equal([]string{"reserve", "put", "take", "spend", "open code", "enrol", "create"}))

	reply, outcome, err = w.client(handshake.Login, key).run()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.SessionID).To(Equal("session-2"))
	g.Expect(outcome).To(Equal(Outcome{
		Purpose: handshake.Login, ServerKeyID: w.serverKey().ID(), UserID: "alice", DeviceID: "device-0", PlatformID: 5, SessionID: "session-2",
	}))
	g.Expect(w.calls.drain()).To(Equal([]string{"reserve", "put", "take", "spend", "resolve", "create"}))
	g.Expect(w.desk.made).To(Equal([]string{"alice device-0 5 7", "alice device-0 5 7"}))
}

func TestBothCiphersServe(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	enrol := w.enroller(w.book.issue("alice", 5), newKey(t))
	enrol.terms.Protocol = handshake.XKpsk3ChaChaPoly
	_, _, err := enrol.run()
	g.Expect(err).NotTo(HaveOccurred())
	login := w.client(handshake.Login, enrol.key)
	login.terms.Protocol = handshake.XKChaChaPoly
	_, _, err = login.run()
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAKeyIsRotatedByALoginWithTheOldAndAProofOfTheNew(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	old, device := w.add("alice", 5)
	reply, _, err := w.client(handshake.Login, old).run()
	g.Expect(err).NotTo(HaveOccurred())
	current := &Caller{UserID: "alice", DeviceID: reply.DeviceID, SessionID: reply.SessionID, PlatformID: 5, LoggedIn: w.now}
	w.calls.drain()

	rotation := w.client(handshake.Rotate, newKey(t))
	reply, outcome, err := rotation.finish(rotation.begin(), current)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{reply.DeviceID, reply.SessionID}).To(Equal([]string{device.ID, "session-2"}))
	g.Expect(outcome.Ends).To(Equal("session-1"), "the session of the old key is to be revoked")
	g.Expect(w.calls.drain()).To(Equal([]string{"reserve", "put", "take", "spend", "rotate", "create"}))

	_, outcome, err = w.client(handshake.Login, old).run()
	g.Expect(err).To(Equal(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(UnknownKey))
	_, _, err = w.client(handshake.Login, rotation.key).run()
	g.Expect(err).NotTo(HaveOccurred())
}

func TestTheKeyDocumentSaysHowToLogInHere(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	document, err := w.service.WellKnown()
	g.Expect(err).NotTo(HaveOccurred())
	text, err := document.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	read, err := handshake.DecodeWellKnown(text)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.Audience).To(Equal(origin))
	g.Expect(read.Protocols).To(Equal(handshake.Protocols()))
	g.Expect(read.Keys).To(HaveLen(1))
	g.Expect(read.Paths).To(HaveKeyWithValue("start", wire.PathLoginStart))
	g.Expect(read.Paths).To(HaveKeyWithValue("ws", wire.SocketPath))
}

func TestARequestWithoutItsFormIsToldSoAndCostsNothing(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	_, outcome, err := w.service.Start(t.Context(), handshake.StartRequest{}, netip.Addr{})
	g.Expect(err).To(MatchError(ErrMalformed))
	g.Expect(outcome.Reason).To(Equal(Malformed))
	key, _ := w.add("alice", 5)
	request := w.client(handshake.Login, key).begin()
	w.calls.drain()
	for _, message := range []string{"", request.Message[:len(request.Message)-4], request.Message + "AAAA", request.Message + "="} {
		_, outcome, err = w.service.Finish(t.Context(), handshake.FinishRequest{HandshakeID: request.HandshakeID, Message: message}, nil)
		g.Expect(err).To(MatchError(ErrMalformed))
		g.Expect(outcome.Reason).To(Equal(Malformed))
	}
	g.Expect(w.calls.drain()).To(BeEmpty(), "the handshake is still there: nothing was taken")
}

// TestWhateverIsDownTheLoginFailsClosed: with ErrUnavailable, and without anything having been sealed.
func TestWhateverIsDownTheLoginFailsClosed(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	c := w.client(handshake.Login, key)

	w.shelf.down = true
	_, outcome, err := w.service.Start(t.Context(), c.request(), netip.Addr{})
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(StatesDown))
	w.shelf.down = false

	request := c.begin()
	w.shelf.down = true
	_, outcome, err = c.finish(request, nil)
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(StatesDown))
	w.shelf.down = false

	w.book.down = true
	for _, purpose := range handshake.Purposes {
		other := w.client(purpose, key)
		if purpose == handshake.Enrol {
			other = w.enroller(w.book.issue("alice", 5), newKey(t))
		}
		request := other.begin()
		_, outcome, err = other.finish(request, &Caller{UserID: "alice", DeviceID: "device-0", SessionID: "s", PlatformID: 5, LoggedIn: w.now})
		g.Expect(err).To(MatchError(ErrUnavailable), string(purpose))
		g.Expect(outcome.Reason).To(Equal(RegistryDown))
		_, outcome, err = other.finish(request, nil)
		g.Expect(err).To(MatchError(ErrUnavailable), "an unknown handshake looks the same while the registry is down")
		g.Expect(outcome.Reason).To(Equal(RegistryDown))
	}
	w.book.down = false

	w.desk.down = true
	_, outcome, err = c.run()
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(SessionsDown))

	empty, err := New(Options{Audience: origin, Keys: NewKeys(t.TempDir()), States: w.shelf, Registry: w.book, Sessions: w.desk})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = empty.WellKnown()
	g.Expect(err).To(MatchError(ErrUnavailable))
	_, outcome, err = empty.Start(t.Context(), c.request(), netip.Addr{})
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(KeysDown))
	_, outcome, err = empty.Finish(t.Context(), request, nil)
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(KeysDown))
}

// TestTheRegistryIsNotBelievedBlindly: an answer whose parts do not agree grants nothing.
func TestTheRegistryIsNotBelievedBlindly(t *testing.T) {
	for name, spoil := range map[string]func(*internalapi.Device){
		"a device without an id":      func(d *internalapi.Device) { d.ID = "" },
		"a device of nobody":          func(d *internalapi.Device) { d.UserID = "" },
		"a state that does not exist": func(d *internalapi.Device) { d.Status = "paused" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newTestEnv(t)
			key, device := w.add("alice", 5)
			spoil(device)
			_, _, err := w.client(handshake.Login, key).run()
			g.Expect(err).To(Equal(ErrRefused))
			g.Expect(w.desk.made).To(BeEmpty())
		})
	}
}

func TestAServiceNeedsAllItsParts(t *testing.T) {
	_, err := New(Options{Audience: origin})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("required")))
}

func TestAStateOlderThanItsTimeIsNotTaken(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	c := w.client(handshake.Login, key)
	request := c.begin()
	w.now = w.now.Add(stateTTL + time.Millisecond)
	_, outcome, err := c.finish(request, nil)
	g.Expect(errors.Is(err, ErrRefused)).To(BeTrue())
	g.Expect(outcome.Reason).To(Equal(NoHandshake))
}
