package login

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/flynn/noise"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// The ten pitfalls of a login like this one, each with the test that would catch it. docs/login.md lists them.

// Pitfall 1: a handshake that can be finished twice seals two tokens with one key and one nonce, which gives AES-GCM away.
// A hundred clients on two replicas finish one handshake at once, through a real Redis: one is let in, once.
func TestPitfall1AHandshakeIsFinishedOnce(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	var replicas []*Service
	for range 2 {
		o := w.service.Options
		o.States = NewStates(slowRedis(server), DefaultLimits)
		replica, err := New(o)
		g.Expect(err).NotTo(HaveOccurred())
		replicas = append(replicas, replica)
	}
	w.service = replicas[0]
	for round := range 5 {
		c := w.client(handshake.Login, key)
		request := c.begin()
		before := len(w.desk.made)
		var wait sync.WaitGroup
		start := make(chan struct{})
		answers := make([]handshake.FinishReply, 100)
		failures := make([]error, len(answers))
		for i := range answers {
			wait.Go(func() {
				<-start
				answers[i], _, failures[i] = replicas[i%2].Finish(t.Context(), request, nil)
			})
		}
		close(start)
		wait.Wait()

		granted := 0
		for i, answer := range answers {
			if failures[i] != nil {
				g.Expect(failures[i]).To(BeIdenticalTo(ErrRefused), "round %d", round)
				continue
			}
			granted++
			_, err := c.initiator.Open(answer.Bytes())
			g.Expect(err).NotTo(HaveOccurred())
		}
		g.Expect(granted).To(Equal(1))
		g.Expect(w.desk.made).To(HaveLen(before + 1))
	}
}

// Pitfall 1 with an attacker who puts a state back into Redis: it is finished once all the same, and the service continues.
func TestPitfall1AStateThatIsPutBackIsWorthNothing(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	c := w.client(handshake.Login, key)
	request := c.begin()
	sealed := w.shelf.held[request.HandshakeID]
	_, _, err := w.service.Finish(t.Context(), request, nil)
	g.Expect(err).NotTo(HaveOccurred())
	made := len(w.desk.made)
	for range 3 {
		w.shelf.held[request.HandshakeID] = sealed
		reply, outcome, err := w.service.Finish(t.Context(), request, nil)
		g.Expect(err).To(BeIdenticalTo(ErrRefused))
		g.Expect(outcome.Reason).To(Equal(NoHandshake))
		g.Expect(reply).To(BeZero())
	}
	g.Expect(w.desk.made).To(HaveLen(made))
	_, _, err = w.service.Finish(t.Context(), w.client(handshake.Login, key).begin(), nil)
	g.Expect(err).NotTo(HaveOccurred())
}

// slowRedis is a client without the wrapper's short deadlines: a hundred calls at once on a busy machine are to be decided, not
// given up.
func slowRedis(server *redistest.Server) *redisdb.DB {
	return &redisdb.DB{UniversalClient: server.Client()}
}

// Pitfall 1, the order of things: nothing that could be repeated happens before the state is gone.
func TestPitfall1TheStateIsTakenBeforeAnythingElse(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	for _, purpose := range handshake.Purposes {
		key, device := w.add("alice", 5)
		c := w.client(purpose, key)
		switch purpose {
		case handshake.Enrol:
			c = w.enroller(w.book.issue("alice", 5), newKey(t))
		case handshake.Rotate:
			c.key = newKey(t)
		}
		request := c.begin()
		w.calls.drain()
		_, _, err := c.finish(request, w.caller(device))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(w.calls.drain()[0]).To(Equal("take"), string(purpose))
		g.Expect(w.shelf.held).To(BeEmpty())
	}
}

// lowOrder are the public keys of all 31 Wycheproof cases whose shared secret is zero.
func lowOrder(t *testing.T) (points [][]byte) {
	t.Helper()
	text, err := os.ReadFile("../handshake/testdata/wycheproof_x25519_zero.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []struct{ Public string } }
	if err = json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, c := range file.Cases {
		point, err := hex.DecodeString(c.Public)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, point)
	}
	return points
}

// Pitfall 2: with a point of low order every shared secret is zero. None is taken, as the handshake's own key or as a device's.
func TestPitfall2PointsOfLowOrder(t *testing.T) {
	g := NewWithT(t)
	points := lowOrder(t)
	g.Expect(points).To(HaveLen(31))
	w := newTestEnv(t)
	for i, point := range points {
		request := handshake.StartRequest{
			Protocol: handshake.XKAESGCM, KeyID: w.serverKey().ID(), Purpose: handshake.Login,
			Message: handshake.Text(append(bytes.Clone(point), make([]byte, 16)...)),
		}
		_, outcome, err := w.service.Start(t.Context(), request, netip.Addr{})
		g.Expect(err).To(BeIdenticalTo(ErrRefused), "case %d as the handshake's key", i)
		g.Expect(outcome.Reason).To(Equal(BadMessage))

		for _, purpose := range []handshake.Purpose{handshake.Login, handshake.Rotate} {
			_, device := w.add("alice", 5)
			finish := w.forge(purpose, noise.DHKey{Private: ids.RandomBytes(32), Public: point}, hello(5))
			w.calls.drain()
			_, outcome, err = w.service.Finish(t.Context(), finish, w.caller(device))
			g.Expect(err).To(BeIdenticalTo(ErrRefused), "case %d as a device's key, for %s", i, purpose)
			g.Expect(outcome.Reason).To(Equal(BadMessage))
			g.Expect(w.calls.drain()).To(Equal(asLogin), "the registry is asked for a random key, never for this one")
		}
	}
	g.Expect(w.desk.made).To(BeEmpty())
}

// Pitfall 3: public keys are no secrets. Who knows the server's and the victim's has nothing.
func TestPitfall3PublicKeysProveNothing(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	victim, _ := w.add("alice", 5)
	request := w.forge(handshake.Login, noise.DHKey{Private: newKey(t).Bytes(), Public: victim.PublicKey().Bytes()}, hello(5))
	_, outcome, err := w.service.Finish(t.Context(), request, nil)
	g.Expect(err).To(BeIdenticalTo(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(BadMessage))
}

// Pitfall 4: answers that differ reveal who is a user. All refusals are one answer after the same work: see
// TestEveryRefusalIsTheSameAnswerAfterTheSameWork. Here: the messages' lengths say nothing either.
func TestPitfall4LengthsSayNothing(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	for _, userID := range []string{"a", "a-user-with-a-name-of-sixty-four-characters-which-is-OpenIMs-most"} {
		key, _ := w.add(userID, 5)
		c := w.client(handshake.Login, key)
		c.hello.DeviceName = userID
		reply, _, err := w.service.Start(t.Context(), c.request(), netip.Addr{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.Bytes()).To(HaveLen(handshake.Message2Bytes))
		_, m3, err := c.initiator.Finish(reply.Bytes(), c.hello)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(m3).To(HaveLen(handshake.Message3Bytes))
		answer, _, err := w.service.Finish(t.Context(), handshake.FinishRequest{HandshakeID: reply.HandshakeID, Message: handshake.Text(m3)}, nil)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(answer.Bytes()).To(HaveLen(handshake.Message4Bytes))
	}
}

// Pitfall 5: one key under two users is an identity that can be mistaken for another. A key belongs to one device permanently.
func TestPitfall5OneKeyOneDevice(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	bobs, bob := w.add("bob", 5)
	_, alice := w.add("alice", 5)

	_, outcome, err := w.enroller(w.book.issue("mallory", 0), bobs).run()
	g.Expect(err).To(BeIdenticalTo(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(KeyTaken))
	rotation := w.client(handshake.Rotate, bobs)
	_, outcome, err = rotation.finish(rotation.begin(), w.caller(alice))
	g.Expect(err).To(BeIdenticalTo(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(KeyTaken))

	bob.Status = internalapi.DeviceRevoked
	_, outcome, err = w.enroller(w.book.issue("bob", 0), bobs).run()
	g.Expect(err).To(BeIdenticalTo(ErrRefused), "nor does it come back after it was revoked, not even to its owner")
	g.Expect(outcome.Reason).To(Equal(KeyTaken))
}

// Pitfall 6: a static key is used in Noise alone and with one hash. The key of the states is derived one way, for each
// handshake another, and nothing else is ever made from the static key.
func TestPitfall6StaticKeysHaveOneUse(t *testing.T) {
	g := NewWithT(t)
	for _, protocol := range handshake.Protocols() {
		g.Expect(string(protocol)).To(HaveSuffix("_SHA256"))
	}
	w := newTestEnv(t)
	keys, err := w.service.Keys.Get()
	g.Expect(err).NotTo(HaveOccurred())
	key := keys.keys[0]
	one, err := key.seal("one", state{Ephemeral: ids.RandomBytes(32)})
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = keys.open("one", one)
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = keys.open("two", one)
	g.Expect(err).To(MatchError(errState), "each handshake has a key of its own")
	g.Expect(bytes.Contains(one, key.private.Bytes())).To(BeFalse())
}

// Pitfall 7: what both sides take for granted must be in the prologue. Each difference is found at the first message.
func TestPitfall7TermsThatDiffer(t *testing.T) {
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	w.writeKey("2026-02", ids.RandomBytes(32))
	w.mustReload()
	keys, err := w.service.Keys.Get()
	w.must(err)
	for name, change := range map[string]func(c *client, r *handshake.StartRequest){
		"another origin": func(c *client, r *handshake.StartRequest) {
			c.terms.Audience = "https://im.example.org"
			*r = c.request()
		},
		"the other key alive":                   func(_ *client, r *handshake.StartRequest) { r.KeyID = keys.keys[1].id },
		"a login's message for a rotation":      func(_ *client, r *handshake.StartRequest) { r.Purpose = handshake.Rotate },
		"a message of the other cipher":         func(_ *client, r *handshake.StartRequest) { r.Protocol = handshake.XKChaChaPoly },
		"a login's message for an enrolment":    func(_ *client, r *handshake.StartRequest) { asEnrolment(w, r, handshake.XKpsk3AESGCM) },
		"the same with the other cipher":        func(_ *client, r *handshake.StartRequest) { asEnrolment(w, r, handshake.XKpsk3ChaChaPoly) },
		"a server key that has never been ours": func(_ *client, r *handshake.StartRequest) { r.KeyID = "0123456789abcdef" },
		"a key of ours with the id of another one": func(c *client, r *handshake.StartRequest) {
			c.server = keys.keys[1].public
			*r = c.request()
			r.KeyID = keys.keys[0].id
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := w.client(handshake.Login, key)
			request := c.request()
			change(c, &request)
			reply, outcome, err := w.service.Start(t.Context(), request, netip.Addr{})
			g.Expect(err).To(BeIdenticalTo(ErrRefused))
			g.Expect(reply).To(BeZero())
			g.Expect(outcome.Reason).To(BeElementOf(BadMessage, UnknownServer))
		})
	}
	NewWithT(t).Expect(w.shelf.held).To(BeEmpty())
}

func asEnrolment(w *testEnv, r *handshake.StartRequest, protocol handshake.Protocol) {
	r.Purpose, r.Protocol, r.CodeID = handshake.Enrol, protocol, w.book.issue("mallory", 0).ID()
}

// Pitfall 8: a first message costs the sender nothing. How many handshakes are outstanding is bounded, for each source and
// for all, across replicas.
func TestPitfall8OutstandingHandshakesAreBounded(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	limits := Limits{PerSource: 3, Overall: 4}
	var replicas []*Service
	for range 2 {
		o := w.service.Options
		states := NewStates(slowRedis(server), limits).(*redisStates)
		states.now = func() time.Time { return w.now }
		o.States = states
		replica, err := New(o)
		g.Expect(err).NotTo(HaveOccurred())
		replicas = append(replicas, replica)
	}
	begin := func(replica int, source string) error {
		_, outcome, err := replicas[replica].Start(t.Context(), w.client(handshake.Login, key).request(), netip.MustParseAddr(source))
		if err != nil {
			g.Expect(outcome.Reason).To(Equal(Busy))
		}
		return err
	}
	for i := range 3 {
		g.Expect(begin(i%2, "192.0.2.1")).To(Succeed())
	}
	g.Expect(begin(0, "192.0.2.1")).To(BeIdenticalTo(ErrBusy), "one source has its share")
	g.Expect(begin(1, "192.0.2.2")).To(Succeed(), "which is not another's")
	g.Expect(begin(0, "192.0.2.3")).To(BeIdenticalTo(ErrBusy), "but all share the whole")
	g.Expect(begin(0, "2001:db8::1")).To(BeIdenticalTo(ErrBusy), "whatever the address is")
	w.now = w.now.Add(stateTTL)
	g.Expect(begin(0, "192.0.2.1")).To(Succeed(), "the next window is open")

	c := server.Client()
	names, err := c.Keys(t.Context(), "*").Result()
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range names {
		left, err := c.TTL(t.Context(), name).Result()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(left).To(And(BeNumerically(">", 0), BeNumerically("<=", 2*stateTTL)), name+" goes by itself")
		g.Expect(name).NotTo(ContainSubstring("192.0.2"), "addresses are not written down")
	}
}

// An IPv6 site has 65,536 networks of a customer's size, which cost it nothing. It cannot use up what all share, and neither can what is
// refused; others log in meanwhile, and the site again afterwards.
func TestPitfall8AnIPv6SiteIsOneSource(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	states := NewStates(slowRedis(redistest.Start(t)), Limits{PerSource: 2, Overall: 40}).(*redisStates)
	states.now = func() time.Time { return w.now }
	begin := func(from string) error { return states.Reserve(t.Context(), netip.MustParseAddr(from), stateTTL) }
	begun := map[string]int{}
	for subnet := range 300 {
		for host := range 3 {
			if err := begin(fmt.Sprintf("2001:db8:1:%x::%x", subnet, host+1)); err != nil {
				g.Expect(err).To(BeIdenticalTo(ErrBusy))
				continue
			}
			begun["48"]++
			if subnet < 256 {
				begun["56"]++
			}
			if subnet == 0 {
				begun["64"]++
			}
		}
	}
	g.Expect(begun).To(Equal(map[string]int{"64": 2, "56": 8, "48": 16}))
	g.Expect(begin("2001:db8:2::1")).To(Succeed(), "another site")
	g.Expect(begin("192.0.2.1")).To(Succeed(), "IPv4")
	g.Expect(begin("2001:db8:1::1")).To(BeIdenticalTo(ErrBusy))
	w.now = w.now.Add(stateTTL)
	g.Expect(begin("2001:db8:1::1")).To(Succeed(), "the site again, in the next window")
}

// Pitfall 9: a server key must be replaceable without a gap. Two serve at once; when the old one is taken out, handshakes
// under it end, and its states open no more.
func TestPitfall9ServerKeysRotate(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	old := w.client(handshake.Login, key)
	before := old.begin()

	w.writeKey("2026-02", ids.RandomBytes(32))
	w.mustReload()
	_, _, err := old.finish(before, nil)
	g.Expect(err).NotTo(HaveOccurred(), "a handshake on its way is not disturbed by a new key")
	reply, _, err := w.client(handshake.Login, key).run()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.ServerKeys).To(HaveLen(2), "a client of the old key learns the new one under the old one's protection")
	next, err := handshake.ParsePublicKey(reply.ServerKeys[1])
	g.Expect(err).NotTo(HaveOccurred())
	c := w.client(handshake.Login, key)
	c.server = next
	_, _, err = c.run()
	g.Expect(err).NotTo(HaveOccurred(), "and is served with it")

	late := w.client(handshake.Login, key)
	pending := late.begin()
	g.Expect(os.Remove(w.dir + "/2026-01")).To(Succeed())
	w.mustReload()
	_, outcome, err := late.finish(pending, nil)
	g.Expect(err).To(BeIdenticalTo(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(BadState))
	_, outcome, err = w.service.Start(t.Context(), old.request(), netip.Addr{})
	g.Expect(err).To(BeIdenticalTo(ErrRefused))
	g.Expect(outcome.Reason).To(Equal(UnknownServer))

	w.writeKey("2026-02", bytes.Repeat([]byte{1}, 32))
	_, err = w.reload()
	g.Expect(err).To(HaveOccurred())
	_, _, err = c.run()
	g.Expect(err).NotTo(HaveOccurred(), "a bad file changes nothing")
}

// Pitfall 10: a script in the page can use a key that it cannot read. A session that it holds does not make it the owner of the
// device: the key is replaced right after a login alone.
func TestPitfall10AStolenSessionDoesNotTakeTheDeviceOver(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	_, device := w.add("alice", 5)
	for age, want := range map[time.Duration]error{
		0: nil, freshness: nil, freshness + time.Second: ErrRefused, time.Hour: ErrRefused, -freshness - time.Second: ErrRefused,
	} {
		stolen := w.caller(device)
		stolen.LoggedIn = w.now.Add(-age)
		c := w.client(handshake.Rotate, newKey(t))
		_, _, err := c.finish(c.begin(), stolen)
		if want == nil {
			g.Expect(err).NotTo(HaveOccurred(), age.String())
			continue
		}
		g.Expect(err).To(BeIdenticalTo(want), age.String())
	}
}
