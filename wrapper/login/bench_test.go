package login

import (
	"testing"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// BenchmarkServer is what one login costs the gateway: both calls, without the client's share, Redis or the registry.
func BenchmarkServer(b *testing.B) {
	w := newWorld(b)
	key, _ := w.add("alice", 5)
	for _, protocol := range []handshake.Protocol{handshake.XKAESGCM, handshake.XKChaChaPoly} {
		b.Run(string(protocol), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				c := w.client(handshake.Login, key)
				c.terms.Protocol = protocol
				request := c.request()
				b.StartTimer()
				reply, _, err := w.service.Start(b.Context(), request, "")
				b.StopTimer()
				w.must(err)
				_, m3, err := c.initiator.Finish(reply.Bytes(), c.hello)
				w.must(err)
				finish := handshake.FinishRequest{HandshakeID: reply.HandshakeID, Message: handshake.Text(m3)}
				b.StartTimer()
				_, _, err = w.service.Finish(b.Context(), finish, nil)
				w.must(err)
			}
			w.calls.drain()
		})
	}
}

// BenchmarkRefusal is the wall clock's view of TestEveryRefusalIsTheSameAnswerAfterTheSameWork: the second call for each
// way of not being let in. The registry is in memory, so that nothing hides a difference.
func BenchmarkRefusal(b *testing.B) {
	for _, r := range refusals {
		b.Run(r.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := newWorld(b)
				request, current := r.prepare(w)
				b.StartTimer()
				if _, _, err := w.service.Finish(b.Context(), request, current); err != ErrRefused { //nolint:errorlint // the one value
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkWithRedis is a whole login with a real Redis on the same machine, the client's share included.
func BenchmarkWithRedis(b *testing.B) {
	w := newWorld(b)
	w.service.States = NewStates(redistest.Start(b).Open("bench:"), Limits{PerSource: 1 << 40, Overall: 1 << 40})
	key, _ := w.add("alice", 5)
	for b.Loop() {
		_, _, err := w.client(handshake.Login, key).run()
		w.must(err)
		w.calls.drain()
	}
}
