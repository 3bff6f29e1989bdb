package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func BenchmarkVerify(b *testing.B) {
	server := redistest.Start(b)
	for _, c := range []struct {
		name string
		turn func(*replica, *bounds)
	}{
		{"cached", func(*replica, *bounds) {}},
		{"asking Redis each time", func(_ *replica, b *bounds) { b.cache = 0 }},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := start(b, server, c.turn)
			tokens := make([]string, 1000)
			for i := range tokens {
				tokens[i], _ = r.login(b, fmt.Sprint("user", i), "phone")
			}
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if err := r.check(tokens[i%len(tokens)]); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkCreate(b *testing.B) {
	r := start(b, redistest.Start(b))
	for i := 0; b.Loop(); i++ {
		r.login(b, fmt.Sprint("user", i), "phone")
	}
}

// BenchmarkRevoke is from the call to the closed socket on another replica.
func BenchmarkRevoke(b *testing.B) {
	server := redistest.Start(b)
	here, there := start(b, server), start(b, server)
	closed := make(chan error, 1)
	for i := 0; b.Loop(); i++ {
		_, s := here.login(b, fmt.Sprint("user", i), "phone")
		there.Attach(s, func(cause error) { closed <- cause })
		if err := here.Revoke(b.Context(), Revocation{Scope: ScopeSession, ID: s.ID}); err != nil {
			b.Fatal(err)
		}
		select {
		case <-closed:
		case <-time.After(soon):
			b.Fatal("not closed")
		}
	}
}
