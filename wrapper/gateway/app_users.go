package gateway

import (
	"context"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/websocket"
)

// users builds the handler of the users' listener.
func (w *wiring) users(h *services, sessions *session.Store) (http.Handler, error) {
	u := w.c.Users
	relay, err := w.relay(h, sessions)
	if err != nil {
		return nil, err
	}
	w.draining = append(w.draining, func(ctx context.Context) {
		if err := relay.Drain(ctx, seconds(u.Realtime.DrainSeconds)); err != nil {
			w.log.Warn("sockets were still open at the end of the grace period", "error", err.Error())
		}
	})
	return newUsersHandler(h, sessions, relay, u.CodeLifetimeSeconds), nil
}

func (w *wiring) relay(h *services, sessions *session.Store) (*websocket.Relay, error) {
	upstream := socketUpstream{h.backend}
	return websocket.New(websocket.Options{
		URL: w.c.Users.Realtime.URL, MaxSockets: int(w.c.Users.Realtime.MaxSockets), TicketOnly: w.c.Users.SocketToken == TicketOnly,
		Sessions: limitedSessions{socketSessions{sessions, h.backend}, h}, Upstream: upstream, Members: upstream, Profiles: upstream,
		Authorizer: frameChecks{h}, AuditLog: socketAudit{h},
		Origin:   func(origin string) bool { return h.hot().allows(origin) },
		RemoteIP: func(r *http.Request) string { return httpserver.ClientAddress(r, h.hot().proxies).String() },
		Log:      w.log, Registry: w.reg, Now: w.now,
	})
}

func (w *wiring) sessions(u *Users) *session.Store {
	store := session.New(session.Options{
		Redis:    w.redis,
		Lifetime: u.Session.Lifetime,
		Idle:     u.Session.Idle,
		Now:      w.now, Log: w.log, Registerer: w.reg,
	})
	w.background = append(w.background, store.Run)
	w.checks = append(w.checks, httpserver.Check{Name: "sessions", Do: store.Ready})
	return store
}

func (w *wiring) limiter(current func() *hot) *ratelimit.Limiter {
	return ratelimit.New(ratelimit.Options{
		Redis: w.redis, Replicas: func() int { return current().replicas }, LocalOnly: func() bool { return current().local },
		Now: w.now, Log: w.log, Registerer: w.reg,
	})
}
