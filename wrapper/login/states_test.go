package login

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestAStateIsKeptForItsTimeAndGivenAwayOnce(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	states := NewStates(slowRedis(server), DefaultLimits)
	g.Expect(states.Put(t.Context(), "id", []byte("sealed"), stateTTL)).To(Succeed())
	left, err := server.Client().TTL(t.Context(), "hs:id").Result()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(And(BeNumerically(">", stateTTL-5*time.Second), BeNumerically("<=", stateTTL)))
	g.Expect(states.Put(t.Context(), "id", []byte("other"), stateTTL)).NotTo(Succeed(), "an identifier is used once")

	var won, lost atomic.Int32
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() {
			sealed, found, err := states.Take(t.Context(), "id")
			switch {
			case err != nil:
				t.Errorf("take: %v", err)
			case found && bytes.Equal(sealed, []byte("sealed")):
				won.Add(1)
			default:
				lost.Add(1)
			}
		})
	}
	wait.Wait()
	g.Expect([]int32{won.Load(), lost.Load()}).To(Equal([]int32{1, 99}))
}

func TestAStateEndsByItself(t *testing.T) {
	g := NewWithT(t)
	states := NewStates(slowRedis(redistest.Start(t)), DefaultLimits)
	g.Expect(states.Put(t.Context(), "id", []byte("sealed"), 50*time.Millisecond)).To(Succeed())
	g.Eventually(func() error { return states.Put(t.Context(), "id", []byte("x"), stateTTL) }, time.Minute,
		10*time.Millisecond).Should(Succeed())
}

// TestRedisThatIsGoneOrHangsHoldsNobody: a login then fails within its bound, and says that it is not available.
func TestRedisThatIsGoneOrHangsHoldsNobody(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	w := newTestEnv(t)
	w.service.States = NewStates(server.Open("test:"), DefaultLimits)
	key, _ := w.add("alice", 5)
	c := w.client(handshake.Login, key)
	request := c.begin()

	server.Freeze()
	began := time.Now()
	_, outcome, err := w.service.Start(t.Context(), w.client(handshake.Login, key).request(), netip.Addr{})
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(StatesDown))
	_, outcome, err = c.finish(request, nil)
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(outcome.Reason).To(Equal(StatesDown))
	g.Expect(time.Since(began)).To(BeNumerically("<", callTimeout))
	server.Thaw()

	server.Stop()
	_, _, err = w.service.Start(t.Context(), w.client(handshake.Login, key).request(), netip.Addr{})
	g.Expect(err).To(MatchError(ErrUnavailable))
	g.Expect(w.desk.made).To(BeEmpty())

	server.Restart()
	g.Eventually(func() error { _, _, err := w.client(handshake.Login, key).run(); return err }, time.Minute,
		50*time.Millisecond).Should(Succeed())
}

// TestAChangedStateOpensNothing: each byte of what Redis holds, changed, moved or cut off.
func TestAChangedStateOpensNothing(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	keys, err := w.service.Keys.Get()
	g.Expect(err).NotTo(HaveOccurred())
	kept := state{Protocol: handshake.XKAESGCM, Purpose: handshake.Login, Ephemeral: ids.RandomBytes(32), Message1: ids.RandomBytes(48),
		Sum2: ids.RandomBytes(32), Time: 1}
	sealed, err := keys.keys[0].seal("id", kept)
	g.Expect(err).NotTo(HaveOccurred())
	_, read, err := keys.open("id", sealed)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(kept))
	again, err := keys.keys[0].seal("id", kept)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).NotTo(Equal(sealed))

	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		_, _, err = keys.open("id", changed)
		g.Expect(err).To(MatchError(errState), "byte %d", i)
		_, _, err = keys.open("id", sealed[:i])
		g.Expect(err).To(MatchError(errState), "cut at %d", i)
	}
	_, _, err = keys.open("id", append(sealed, 0))
	g.Expect(err).To(MatchError(errState))
	_, _, err = keys.open("di", sealed)
	g.Expect(err).To(MatchError(errState))
}

// TestAStateOfAnotherTimeIsNotResumed: authentic, but not what the second message was made from.
func TestAStateOfAnotherTimeIsNotResumed(t *testing.T) {
	for name, change := range map[string]func(*state){
		"another key of the handshake": func(s *state) { s.Ephemeral = ids.RandomBytes(32) },
		"another time":                 func(s *state) { s.Time-- },
		"another sum":                  func(s *state) { s.Sum2 = nil },
		"another first message":        func(s *state) { s.Message1 = ids.RandomBytes(48) },
		"another purpose":              func(s *state) { s.Purpose = handshake.Rotate },
		"no protocol":                  func(s *state) { s.Protocol = "" },
		"no key of the handshake":      func(s *state) { s.Ephemeral = nil },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newTestEnv(t)
			key, device := w.add("alice", 5)
			request := w.client(handshake.Login, key).begin()
			keys, err := w.service.Keys.Get()
			g.Expect(err).NotTo(HaveOccurred())
			_, kept, err := keys.open(request.HandshakeID, w.shelf.held[request.HandshakeID])
			g.Expect(err).NotTo(HaveOccurred())
			change(&kept)
			w.shelf.held[request.HandshakeID], err = keys.keys[0].seal(request.HandshakeID, kept)
			g.Expect(err).NotTo(HaveOccurred())
			_, outcome, err := w.service.Finish(t.Context(), request, w.caller(device))
			g.Expect(err).To(BeIdenticalTo(ErrRefused))
			g.Expect(outcome.Reason).To(Equal(BadState))
		})
	}
}

// TestEveryByteOfTheClientsMessagesCounts, through the whole service.
func TestEveryByteOfTheClientsMessagesCounts(t *testing.T) {
	g := NewWithT(t)
	w := newTestEnv(t)
	key, _ := w.add("alice", 5)
	for i := range handshake.Message1Bytes {
		request := w.client(handshake.Login, key).request()
		m1 := request.Bytes()
		m1[i] ^= 1 << (i % 8)
		request.Message = handshake.Text(m1)
		_, outcome, err := w.service.Start(t.Context(), request, netip.Addr{})
		g.Expect(err).To(BeIdenticalTo(ErrRefused), "m1[%d]", i)
		g.Expect(outcome.Reason).To(Equal(BadMessage))
	}
	for i := range handshake.Message3Bytes {
		request := w.client(handshake.Login, key).begin()
		_, outcome, err := w.service.Finish(t.Context(), spoil(request, i), nil)
		g.Expect(err).To(BeIdenticalTo(ErrRefused), "m3[%d]", i)
		g.Expect(outcome.Reason).To(Equal(BadMessage))
		_, outcome, err = w.service.Finish(t.Context(), request, nil)
		g.Expect(err).To(BeIdenticalTo(ErrRefused), "nor is there a second try with the right one")
		g.Expect(outcome.Reason).To(Equal(NoHandshake))
	}
	g.Expect(w.desk.made).To(BeEmpty())
}

// FuzzState: what Redis holds may be anything; only what was sealed here opens.
func FuzzState(f *testing.F) {
	w := newTestEnv(f)
	keys, err := w.service.Keys.Get()
	w.must(err)
	sealed, err := keys.keys[0].seal("id", state{Protocol: handshake.XKAESGCM, Purpose: handshake.Login, Ephemeral: ids.RandomBytes(32)})
	w.must(err)
	f.Add(sealed)
	f.Add(sealed[:8])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		if _, _, err := keys.open("id", blob); err == nil && !bytes.Equal(blob, sealed) {
			t.Fatal("a state that was not made here was opened")
		}
	})
}

// FuzzFinish: whatever the second call holds, nobody is let in and nothing falls over.
func FuzzFinish(f *testing.F) {
	w := newTestEnv(f)
	key, _ := w.add("alice", 5)
	honest := w.client(handshake.Login, key).begin()
	f.Add(honest.HandshakeID, make([]byte, handshake.Message3Bytes))
	f.Add("", []byte{})
	held := w.shelf.held[honest.HandshakeID]
	f.Fuzz(func(t *testing.T, id string, m3 []byte) {
		w.shelf.mu.Lock()
		w.shelf.held[honest.HandshakeID] = held
		w.shelf.mu.Unlock()
		request := handshake.FinishRequest{HandshakeID: id, Message: handshake.Text(m3)}
		if _, _, err := w.service.Finish(t.Context(), request, nil); err == nil && request != honest {
			t.Fatal("somebody was let in")
		}
		w.calls.drain()
	})
}

// A Redis Cluster refuses a script whose keys are in several slots: those of one handshake are an address, its networks and the total.
func TestHandshakesAreCountedAndKeptOnACluster(t *testing.T) {
	g := NewWithT(t)
	db := redistest.StartCluster(t).OpenCluster("im/chat:")
	g.Eventually(func() error { return db.Set(t.Context(), "up", 1, 0).Err() }, 5*time.Second, 10*time.Millisecond).Should(Succeed())
	states := NewStates(db, Limits{PerSource: 2, Overall: 40})
	for _, from := range []string{"192.0.2.1", "2001:db8::1"} {
		address := netip.MustParseAddr(from)
		for range 2 {
			g.Expect(states.Reserve(t.Context(), address, time.Hour)).To(Succeed(), from)
		}
		g.Expect(states.Reserve(t.Context(), address, time.Hour)).To(MatchError(ErrBusy), from)
	}
	g.Expect(states.Reserve(t.Context(), netip.MustParseAddr("198.51.100.7"), time.Hour)).To(Succeed(), "another address")
	for i := range 20 { // in slots all over the Cluster
		id := fmt.Sprintf("handshake-%d", i)
		g.Expect(states.Put(t.Context(), id, []byte("sealed"), stateTTL)).To(Succeed())
		_, found, err := states.Take(t.Context(), id)
		g.Expect([]any{found, err}).To(Equal([]any{true, nil}))
	}
}
