package backend

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/startup"
)

// New builds the backend and opens its listeners. It makes no outgoing connection before Run.
func New(c Config, version string, log *slog.Logger, now func() time.Time) (*httpserver.App, error) {
	reg := httpserver.NewRegistry("backend", version)
	assertionKey := auth.AssertionKeyFile(c.AssertionKeyFile)
	options, secrets := openimOptions(c, now)
	options.Observe = newTokenMetrics(log, reg)
	openim := openimclient.New(options)
	verifier := issuers.Open(&c.Admins, log, reg, now)
	h := &handler{
		assertions: auth.NewAssertions(assertionKey, now), proofs: proofVerifier{admins: verifier.Admins}, openim: openim,
		concurrency: newConcurrency(reg, slices.Concat(routes.Limits, internalLimits)),
	}
	sources := slices.Concat([]filewatch.Reloader{assertionKey}, secrets, verifier.Sources)
	var failed <-chan error
	background := append([]func(context.Context){func(ctx context.Context) { <-ctx.Done(); openim.Close() }}, verifier.Background...)
	checks := []httpserver.Check{
		{Name: "assertion key", Do: func(context.Context) error { _, err := assertionKey.Get(); return err }},
		{Name: "OpenIM", Do: openim.Prove},
	}
	if !c.servesUsers() { // with users, an outage of the administrators' identity provider must not take the backend out of service
		checks = append(checks, httpserver.Check{Name: "admins' keys", Do: func(context.Context) error { return verifier.Admins.Ready() }})
	}
	if c.servesUsers() {
		s, err := openStores(c, openim, log, reg, now)
		if err != nil {
			return nil, err
		}
		sources = append(sources, s.files...)
		gate := startup.New(log, now,
			startup.Store{Name: termination.WrapperRedis, Use: s.redis.Use, Reason: redisdb.Reason},
			startup.Store{Name: termination.MongoDB, Use: s.registry.Ping, Reason: devices.Reason})
		failed, background = gate.Failed(), append(background, gate.Run)
		checks = append(checks,
			httpserver.Check{Name: "login keys", Do: func(context.Context) error { _, err := s.keys.Get(); return err }},
			httpserver.Check{Name: "stores", Do: gate.Check})
		h.assertions.Share(s.replays)
		h.proofs.users = s.sessions
		h.internal = &internalAPI{devices: s.registry, tokens: s.vault, openim: openim, heads: newHeads(s.redis, now),
			sessions: s.sessions, login: s.logins, now: now, adminUserID: c.OpenIM.AdminUserID}
		h.users = newUsers(usersOptions(c.OpenIM, UsersOptions{
			OpenIM: openim, Tokens: userTokens{s.vault}, Members: userMembers{openim}, Concurrency: h.concurrency, Replies: newReplyMetrics(reg),
			Tickets: s.tickets,
		}))
		background = append(background, s.sessions.Run,
			watchDependencies(log, reg, []dependency{{"redis", s.redis.Ready}, {"mongodb", s.registry.Ping}}),
			func(ctx context.Context) { <-ctx.Done(); s.close() })
	}
	files := filewatch.NewWatcher(log, reg, sources...)
	files.Reload()
	ready := httpserver.NewReadiness(log, reg, now, checks...)
	tracer, err := httpserver.NewTracer(c.Tracing, "backend", version, log)
	if err != nil {
		return nil, err
	}
	recorder := httpserver.NewRecorder(log, reg, now)
	recorder.Trace(tracer, true)
	main, err := httpserver.Listen("backend", c.Listen, recorder.Wrap(h), routes.MaxDeadline(), nil, log)
	if err != nil {
		return nil, err
	}
	var more []*httpserver.Server
	if c.Debug.Listen != "" {
		debug, err := httpserver.ListenDebug(c.Debug, log)
		if err != nil {
			main.Close()
			return nil, err
		}
		more = append(more, debug)
	}
	telemetry, err := httpserver.ListenTelemetry(c.Telemetry.Listen, ready, reg, log)
	if err != nil {
		for _, s := range append(more, main) {
			s.Close()
		}
		return nil, err
	}
	return &httpserver.App{
		Main: main, More: more, Telemetry: telemetry, Ready: ready, Metrics: reg, Log: log, Failed: failed,
		Grace: c.grace(), Notice: httpserver.DefaultNotice,
		Background: append(background, ready.Run, tracer.Run, func(ctx context.Context) { files.Run(ctx, filewatch.Interval) }),
	}, nil
}

// openimOptions returns the address and the administrator of a configuration's OpenIM, and the files with the secrets, which are to be
// read.
func openimOptions(c Config, now func() time.Time) (openimclient.Options, []filewatch.Reloader) {
	secret := openimclient.SecretFile(c.OpenIM.SecretFile)
	options := openimclient.Options{
		BaseURL: c.OpenIM.APIURL, AdminUserID: c.OpenIM.AdminUserID, ExternalURL: c.OpenIM.ExternalURL, Secret: secret, Now: now,
	}
	secrets := []filewatch.Reloader{secret}
	if c.OpenIM.PreviousSecretFile != "" {
		previous := openimclient.PreviousSecretFile(c.OpenIM.PreviousSecretFile)
		options.Previous, secrets = previous, append(secrets, previous)
	}
	return options, secrets
}

// tokenMetrics counts and logs how OpenIM's admin token is renewed.
type tokenMetrics struct {
	log     *slog.Logger
	minted  *prometheus.CounterVec
	expires prometheus.Gauge
}

func newTokenMetrics(log *slog.Logger, reg prometheus.Registerer) *tokenMetrics {
	m := &tokenMetrics{log: log,
		minted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_openim_token_requests_total", Help: "Attempts to get OpenIM's admin token, by result: ok or failed.",
		}, []string{"result"}),
		expires: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_openim_token_expiry_timestamp_seconds", Help: "When the admin token in use ends.",
		}),
	}
	reg.MustRegister(m.minted, m.expires)
	return m
}

// TokenMinted implements openimclient.Observer.
func (m *tokenMetrics) TokenMinted(err error, expires time.Time) {
	if err != nil {
		m.minted.WithLabelValues("failed").Inc()
		m.log.Warn("getting OpenIM's admin token failed: administrators' calls fail until it succeeds", "error", err.Error())
		return
	}
	m.minted.WithLabelValues("ok").Inc()
	m.expires.Set(float64(expires.Unix()))
	m.log.Info("OpenIM's admin token was renewed", "expires", expires.UTC().Format(time.RFC3339))
}
