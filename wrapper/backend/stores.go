package backend

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

// stores holds what the users' calls need besides OpenIM: the wrapper's Redis, MongoDB and the token vault.
type stores struct {
	redis    *redisdb.DB
	registry *devices.Registry
	vault    *tokenvault.Vault
	replays  *replays
	sessions *session.Store
	logins   *login.Service
	tickets  routes.Tickets
	keys     *filewatch.Source[*login.ServerKeys] // of the login
	// files are the watched files. They must be read once before the first call.
	files []filewatch.Reloader
}

func openStores(c Config, openim *openimclient.Client, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) (*stores, error) {
	db, files := redisdb.Open(*c.Redis, log)
	keys := tokenvault.KeyFile(c.CustodyKeyFile)
	uri := devices.Source(c.MongoDB)
	serverKeys := login.NewKeys(c.Users.ServerKeysDir)
	files = append(files, keys, serverKeys)
	if uri != nil {
		files = append(files, uri)
	}
	minted := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_wrapper_openim_user_tokens_total", Help: "Users' OpenIM tokens requested from the token vault, by result.",
	}, []string{"result"})
	reg.MustRegister(minted)
	s := &stores{
		redis: db,
		registry: devices.New(devices.Options{
			URI: devices.Address(
				c.MongoDB,
				uri,
			), Database: c.MongoDB.Database, Now: now, Sealer: tokenvault.NewKeyring(keys, "enrolment codes", now),
		}),
		vault: tokenvault.New(tokenvault.Options{
			Store: db, Keys: keys, Now: now, Mint: mintOf(openim), Observe: func(result string) { minted.WithLabelValues(result).Inc() },
		}),
		replays: &replays{db: db, breaker: redisdb.NewBreaker(3, time.Second, now)},
		sessions: session.New(session.Options{
			Redis: db, Lifetime: c.Users.Session.Lifetime, Idle: c.Users.Session.Idle, Now: now, Log: log, Registerer: reg,
			Seal: SessionSealer(keys, now),
		}),
		tickets: UploadTickets(keys, now),
		keys:    serverKeys,
		files:   files,
	}
	var err error
	if s.logins, err = login.New(login.Options{
		Audience: c.Users.Audience, Keys: serverKeys, States: login.NewStates(db, login.DefaultLimits),
		Registry: loginRegistry{devices: s.registry, openim: openim, sessions: s.sessions}, Sessions: sessionCreator{s.sessions},
		Idle: c.Users.Session.Idle(), Now: now,
	}); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// SessionSealer returns a Sealer of sessions and tickets that uses the custody key.
func SessionSealer(keys tokenvault.KeySource, now func() time.Time) session.Sealer {
	return sessionSealer{tokenvault.NewKeyring(keys, "sessions", now)}
}

// sessionSealer maps the token vault's errors to the sessions' errors: sealed under an unknown key, or not sealed by the wrapper.
type sessionSealer struct{ ring *tokenvault.Keyring }

// Seal implements session.Sealer.
func (s sessionSealer) Seal(content, place []byte) ([]byte, error) {
	return s.ring.Seal(content, place)
}

// Open implements session.Sealer.
func (s sessionSealer) Open(sealed, place []byte) ([]byte, error) {
	content, err := s.ring.Open(sealed, place)
	switch {
	case errors.Is(err, tokenvault.ErrUnknownKey):
		return nil, session.ErrKeyUnknown
	case errors.Is(err, tokenvault.ErrNotSealed):
		return nil, session.ErrUnknown
	}
	return content, err
}

// close closes the connections.
func (s *stores) close() {
	s.registry.Close()
	_ = s.redis.Close()
}

func mintOf(openim *openimclient.Client) tokenvault.Mint {
	return func(ctx context.Context, userID string, platformID int32) (string, time.Time, error) {
		t, err := openim.MintUserToken(ctx, userID, platformID)
		return t.Token, t.Expires, err
	}
}

// dependency is a store that users' calls need. An outage of it does not make a running backend unready: administrators are still served,
// and users' calls fail by themselves. Only a backend that never had an answer of it is not ready (package startup).
type dependency struct {
	name  string
	check func(context.Context) error
}

const (
	dependencyInterval = 5 * time.Second
	dependencyTimeout  = 4 * time.Second
)

// watchDependencies checks each dependency until ctx ends, and reports changes in metrics and log.
func watchDependencies(log *slog.Logger, reg prometheus.Registerer, all []dependency) func(context.Context) {
	up := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "openim_wrapper_dependency_up",
		Help: "1 when the store answered the last check, 0 when it did not. It is not part of readiness.",
	}, []string{"dependency"})
	reg.MustRegister(up)
	return func(ctx context.Context) {
		var work sync.WaitGroup
		for _, d := range all {
			work.Go(func() { d.watch(ctx, log, up.WithLabelValues(d.name)) })
		}
		work.Wait()
	}
}

func (d dependency) watch(ctx context.Context, log *slog.Logger, up prometheus.Gauge) {
	tick := time.NewTicker(dependencyInterval)
	defer tick.Stop()
	last := "not checked yet"
	for {
		checking, cancel := context.WithTimeout(ctx, dependencyTimeout)
		err := d.check(checking)
		cancel()
		if ctx.Err() != nil {
			return
		}
		now := ""
		if err != nil {
			now = err.Error()
		}
		switch {
		case now == "" && last != "":
			log.Info("dependency answers", "dependency", d.name)
		case now != "" && now != last:
			log.Warn("dependency does not answer: users' calls that need it fail", "dependency", d.name, "error", now)
		}
		last = now
		up.Set(map[bool]float64{true: 1}[now == ""])
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
