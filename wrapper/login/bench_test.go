package login

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// BenchmarkServer is what one login costs the gateway: both calls, without the client's share, Redis or the registry.
func BenchmarkServer(b *testing.B) {
	w := newTestEnv(b)
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
				reply, _, err := w.service.Start(b.Context(), request, netip.Addr{})
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

// BenchmarkRefusal is the wall clock's view of TestEveryRefusalIsTheSameAnswerAfterTheSameWork. Every way of not being let in
// is timed in turn, so that a busy machine is busy for all of them, and of each the quickest tenth counts. The registry is
// in memory, so that nothing hides a difference. It reports the quickest and the slowest way.
func BenchmarkRefusal(b *testing.B) {
	times := make([][]time.Duration, len(refusals))
	for b.Loop() {
		for i, r := range refusals {
			w := newTestEnv(b)
			request, current := r.prepare(w)
			began := time.Now()
			_, _, err := w.service.Finish(b.Context(), request, current)
			times[i] = append(times[i], time.Since(began))
			if !errors.Is(err, ErrRefused) {
				b.Fatal(err)
			}
		}
	}
	tenth := make([]time.Duration, len(refusals))
	for i, r := range refusals {
		slices.Sort(times[i])
		tenth[i] = times[i][len(times[i])/10]
		b.Logf("%8.1f us  %s", float64(tenth[i].Nanoseconds())/1e3, r.name)
	}
	b.ReportMetric(float64(slices.Min(tenth).Nanoseconds())/1e3, "us-quickest")
	b.ReportMetric(float64(slices.Max(tenth).Nanoseconds())/1e3, "us-slowest")
}

// BenchmarkWithRedis is a whole login with a real Redis on the same machine, the client's share included.
func BenchmarkWithRedis(b *testing.B) {
	w := newTestEnv(b)
	w.service.States = NewStates(redistest.Start(b).Open("bench:"), Limits{PerSource: 1 << 40, Overall: 1 << 40})
	key, _ := w.add("alice", 5)
	for b.Loop() {
		_, _, err := w.client(handshake.Login, key).run()
		w.must(err)
		w.calls.drain()
	}
}
