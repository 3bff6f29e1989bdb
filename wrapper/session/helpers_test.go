package session

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// soon is a generous bound for what takes milliseconds on an idle machine.
const soon = time.Minute

const prefix = "im/chat:"

// replica is one gateway's store with what a test may turn.
type replica struct {
	*Store
	lifetime, idle atomic.Int64 // time.Duration
	skew           atomic.Int64
	stop           func()
	db             *redisdb.DB
	seal           Sealer
}

// start runs a replica until the test ends.
func start(t testing.TB, server *redistest.Server, turn ...func(*replica, *bounds)) *replica {
	t.Helper()
	r := prepare(t, server, turn...)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	r.stop = func() { cancel(); running.Wait() }
	t.Cleanup(r.stop)
	NewWithT(t).Eventually(func() error { return r.Ready(ctx) }, soon, time.Millisecond).Should(Succeed())
	return r
}

// prepare makes one that does not run.
func prepare(t testing.TB, server *redistest.Server, turn ...func(*replica, *bounds)) *replica {
	t.Helper()
	r := &replica{}
	r.lifetime.Store(int64(time.Hour))
	b := defaultBounds()
	for _, f := range turn {
		f(r, &b)
	}
	if r.db == nil {
		r.db = server.Open(prefix)
	}
	r.Store = newStore(Options{Redis: r.db, Seal: r.seal, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		Lifetime: func() time.Duration { return time.Duration(r.lifetime.Load()) },
		Idle:     func() time.Duration { return time.Duration(r.idle.Load()) },
		Now:      func() time.Time { return time.Now().Add(time.Duration(r.skew.Load())) },
	}, b)
	return r
}

func (r *replica) login(t testing.TB, user, device string) (string, Session) {
	t.Helper()
	for range 5 {
		token, s, err := r.Create(context.Background(), user, device, 5, 1)
		switch {
		case err == nil:
			return token, s
		case !errors.Is(err, ErrUnavailable): // which a busy machine can be for a moment
			t.Fatal(err)
		}
	}
	t.Fatal("Redis takes no login")
	return "", Session{}
}

// check is Verify without its session.
func (r *replica) check(token string) error {
	_, err := r.Verify(context.Background(), token)
	return err
}

// ended is a socket that notes why it was closed, and how often.
type ended struct {
	causes chan error
	detach func()
}

func (r *replica) open(s Session) *ended {
	e := &ended{causes: make(chan error, 8)}
	e.detach = r.Attach(s, func(cause error) { e.causes <- cause })
	return e
}

func (e *ended) eventually(t testing.TB, want error) {
	t.Helper()
	g := NewWithT(t)
	var cause error
	g.Eventually(e.causes, soon).Should(Receive(&cause))
	g.Expect(cause).To(MatchError(want))
	g.Expect(errors.Is(cause, want)).To(BeTrue())
}

func eventuallyRefused(t testing.TB, r *replica, token string, want error) {
	t.Helper()
	NewWithT(t).Eventually(func() error { return r.check(token) }, soon, time.Millisecond).Should(MatchError(want))
}

// redeem is RedeemTicket without the grant.
func (r *replica) redeem(ctx context.Context, ticket string, purpose Purpose) (Session, error) {
	s, _, err := r.RedeemTicket(ctx, ticket, purpose)
	return s, err
}
