package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/openimstack/openim-operator/wrapper/limit"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/realtime"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// users wires the users' door up.
func (w *wiring) users(h *hall, sessions *session.Store) (http.Handler, error) {
	u := w.c.Users
	keys := login.NewKeys(u.ServerKeysDir)
	w.sources = append(w.sources, keys)
	w.checks = append(w.checks, serve.Check{Name: "login keys", Do: func(context.Context) error { _, err := keys.Get(); return err }})
	logins, err := login.New(login.Options{
		Audience: u.Audience, Keys: keys, States: login.NewStates(w.redis, login.DefaultLimits),
		Registry: registry{h.backend, sessions}, Sessions: newSessions{sessions}, Idle: seconds(u.Session.IdleSeconds), Now: w.now,
	})
	if err != nil {
		return nil, err
	}
	relay, err := w.relay(h, sessions)
	if err != nil {
		return nil, err
	}
	w.draining = append(w.draining, func(ctx context.Context) {
		if err := relay.Drain(ctx, seconds(u.Realtime.DrainSeconds)); err != nil {
			w.log.Warn("sockets were still open at the end of the grace period", "error", err.Error())
		}
	})
	return newUsersDoor(h, logins, sessions, relay, u.CodeLifetimeSeconds), nil
}

func (w *wiring) relay(h *hall, sessions *session.Store) (*realtime.Relay, error) {
	upstream := socketUpstream{h.backend}
	return realtime.New(realtime.Options{
		URL: w.c.Users.Realtime.URL, MaxSockets: int(w.c.Users.Realtime.MaxSockets), TicketOnly: w.c.Users.SocketToken == TicketOnly,
		Sessions: lookedAt{socketSessions{sessions}, h}, Upstream: upstream, Members: upstream, Profiles: upstream,
		Judge: socketJudge{h}, Trail: socketTrail{h},
		Origin:   func(origin string) bool { return h.hot().allows(origin) },
		RemoteIP: func(r *http.Request) string { return serve.ClientAddress(r, h.hot().proxies).String() },
		Log:      w.log, Registry: w.reg, Now: w.now,
	})
}

func (w *wiring) sessions(u *Users) *session.Store {
	store := session.New(session.Options{
		Redis:    w.redis,
		Lifetime: func() time.Duration { return seconds(u.Session.LifetimeSeconds) },
		Idle:     func() time.Duration { return seconds(u.Session.IdleSeconds) },
		Now:      w.now, Log: w.log, Registerer: w.reg,
	})
	w.background = append(w.background, store.Run)
	w.checks = append(w.checks, serve.Check{Name: "sessions", Do: store.Ready})
	return store
}

func (w *wiring) limiter(present func() *hot) *limit.Limiter {
	return limit.New(limit.Options{
		Redis: w.redis, Replicas: func() int { return present().share }, Alone: func() bool { return present().alone },
		Now: w.now, Log: w.log, Registerer: w.reg,
	})
}

// newSessions is how the login makes sessions.
type newSessions struct{ store *session.Store }

// Create implements login.Sessions.
func (n newSessions) Create(ctx context.Context, userID, deviceID string, platformID int32, epoch int64) (string, string, time.Time, error) {
	token, s, err := n.store.Create(ctx, userID, deviceID, platformID, epoch)
	return token, s.ID, s.Expires, err
}
