package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/startup"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// New builds the gateway and opens its listeners. It makes no outgoing connection before Run.
func New(c Config, version string, log *slog.Logger, now func() time.Time) (*httpserver.App, error) {
	w := &wiring{c: c, log: log, now: now, reg: httpserver.NewRegistry("gateway", version)}
	app, err := w.build(version)
	if err != nil {
		w.close()
		return nil, err
	}
	return app, nil
}

// wiring builds the parts of the gateway and holds what must be closed when that fails.
type wiring struct {
	c   Config
	log *slog.Logger
	now func() time.Time
	reg *prometheus.Registry

	sources    []filewatch.Reloader
	checks     []httpserver.Check
	background []func(context.Context)
	draining   []func(context.Context)
	servers    []*httpserver.Server
	auditLog   *auditlog.Log
	redis      *redisdb.DB
	failed     <-chan error // gets an error when Redis has not answered in time after the start
}

func (w *wiring) build(version string) (*httpserver.App, error) {
	shared, err := w.services(version)
	if err != nil {
		return nil, err
	}
	admins := w.admins()
	tracer, err := httpserver.NewTracer(w.c.Tracing, "gateway", version, w.log)
	if err != nil {
		return nil, err
	}
	w.background = append(w.background, tracer.Run)
	recorder := httpserver.NewRecorder(w.log, w.reg, w.now).Trace(tracer, false)
	var (
		sessions    *session.Store
		codeSeconds int32
	)
	var users http.Handler
	if u := w.c.Users; u != nil {
		sessions, codeSeconds = w.sessions(u), u.CodeLifetimeSeconds
		if users, err = w.users(shared, sessions); err != nil {
			return nil, err
		}
	}
	w.checks = append(w.checks, httpserver.Check{Name: "backend", Do: shared.backend.ping})
	adminTLS := w.certificate("tls", w.c.Admin.TLS)
	admin := recorder.Wrap(newAdminHandler(shared, admins, sessions, codeSeconds))
	if err := w.listen("admin", w.c.Admin.Listen, admin, adminTLS); err != nil {
		return nil, err
	}
	refusedConnections, each := w.connectionLimits(), adminsPerAddress(&w.c.Admin)
	w.servers[0].LimitPerAddress(connectionLimit(shared.hot, each, each), refusedConnections.WithLabelValues("admin").Inc)
	if users != nil {
		usersTLS := adminTLS
		if w.c.Users.TLS != w.c.Admin.TLS {
			usersTLS = w.certificate("users-tls", w.c.Users.TLS)
		}
		if err := w.listen("users", w.c.Users.Listen, recorder.Wrap(users), usersTLS); err != nil {
			return nil, err
		}
		w.servers[1].SetMaxConnections(userCapacity(w.c.Users))
		w.servers[1].SetMaxHeaderBytes(wire.MaxUserHeaderBytes)
		each, private := usersPerAddress(w.c.Users)
		w.servers[1].LimitPerAddress(connectionLimit(shared.hot, each, private), refusedConnections.WithLabelValues("users").Inc)
	}
	if w.c.Debug.Listen != "" {
		debug, err := httpserver.ListenDebug(w.c.Debug, w.log)
		if err != nil {
			return nil, err
		}
		w.servers = append(w.servers, debug)
	}
	files := filewatch.NewWatcher(w.log, w.reg, w.sources...)
	files.Reload()
	ready := httpserver.NewReadiness(w.log, w.reg, w.now, w.checks...)
	telemetry, err := httpserver.ListenTelemetry(w.c.Telemetry.Listen, ready, w.reg, w.log)
	if err != nil {
		return nil, err
	}
	w.background = append(w.background, ready.Run,
		func(ctx context.Context) { files.Run(ctx, filewatch.Interval) },
		func(ctx context.Context) { <-ctx.Done(); shared.backend.up.Close() },
	)
	return &httpserver.App{
		Main: w.servers[0], More: w.servers[1:], Telemetry: telemetry, Ready: ready, Metrics: w.reg, Log: w.log,
		Grace: w.c.grace(), Notice: httpserver.DefaultNotice,
		Background: w.background, Draining: w.draining, Failed: w.failed,
	}, nil
}

// services builds what the administrators' and the users' listener share.
func (w *wiring) services(version string) (*services, error) {
	assertionKey := auth.AssertionKeyFile(w.c.Backend.AssertionKeyFile)
	w.sources = append(w.sources, assertionKey)
	source, defaults, err := hotSource(w.c.HotFile)
	if err != nil {
		return nil, err
	}
	current := func() *hot { return defaults }
	if source != nil {
		w.sources = append(w.sources, source)
		current = func() *hot {
			if h, err := source.Get(); err == nil {
				return h
			}
			return defaults
		}
		// Not ready without this file: its limits and rules may be stricter than the defaults.
		w.checks = append(w.checks, httpserver.Check{Name: "hot configuration", Do: loaded(source)})
	}
	w.auditLog, err = auditlog.Open(auditlog.Options{
		Path: w.c.Audit.Path, Stdout: os.Stdout, Program: "gateway " + version, Log: w.log, Reg: w.reg, Now: w.now,
	})
	if err != nil {
		return nil, err
	}
	if w.c.Redis != nil {
		db, sources := redisdb.Open(*w.c.Redis, w.log)
		w.redis = db
		w.sources = append(w.sources, sources...)
		gate := startup.New(w.log, w.now, startup.Store{Name: termination.WrapperRedis, Use: db.Use, Reason: redisdb.Reason})
		w.failed = gate.Failed()
		w.checks = append(w.checks, httpserver.Check{Name: "stores", Do: gate.Check})
		w.background = append(w.background, gate.Run, func(ctx context.Context) { <-ctx.Done(); _ = db.Close() })
	}
	back := &backendClient{up: upstream.New(w.c.Backend.URL).Propagate(), key: assertionKey, now: w.now, link: auth.PresentLink}
	if w.c.Users != nil { // without users the backend has no Redis, so that it cannot store heads
		heads := newHeadRegistrar(w.auditLog, "gateway "+version, back.registerHead, w.log, w.reg, w.now)
		w.background = append(w.background, heads.run)
	} else {
		w.background = append(w.background, w.auditLog.Run)
	}
	logouts, codeRemovals := newLogouts(w.log, w.reg), newCodeRemovals(w.log, w.reg)
	w.background = append(w.background, logouts.Run, codeRemovals.Run)
	return &services{
		now: w.now, hot: current, limiter: w.limiter(current), auditLog: w.auditLog, backend: back, logouts: logouts, codeRemovals: codeRemovals,
		unverified: newUnverifiedLimits(w.now), proxies: newUntrustedProxies(w.log, w.reg, w.now),
	}, nil
}

func (w *wiring) admins() *auth.Admins {
	keys := issuers.Open(&w.c.Admins, w.log, w.reg, w.now)
	w.sources = append(w.sources, keys.Sources...)
	w.background = append(w.background, keys.Background...)
	if w.c.Users == nil { // with users, an outage of the administrators' identity provider must not take the gateway out of service
		w.checks = append(w.checks, httpserver.Check{Name: "admins' keys", Do: func(context.Context) error { return keys.Admins.Ready() }})
	}
	return keys.Admins
}

// certificate watches a listener's certificate. It returns nil for the zero value, which means plain HTTP.
func (w *wiring) certificate(name string, files TLS) *tls.Config {
	if files == (TLS{}) {
		return nil
	}
	certificate := certificateFiles(name, files)
	w.sources = append(w.sources, certificate)
	w.checks = append(w.checks, httpserver.Check{Name: name + " certificate", Do: loaded(certificate)})
	return serverTLS(certificate)
}

func (w *wiring) listen(name, address string, handler http.Handler, certificate *tls.Config) error {
	server, err := httpserver.Listen(name, address, handler, routes.MaxDeadline()+replyMargin, certificate, w.log)
	if err != nil {
		return err
	}
	w.servers = append(w.servers, server)
	return nil
}

func (w *wiring) close() {
	for _, s := range w.servers {
		s.Close()
	}
	if w.redis != nil {
		_ = w.redis.Close()
	}
	if w.auditLog != nil {
		w.auditLog.Close()
	}
}

// loaded returns the readiness check of a watched file: it fails until the file was read successfully once.
func loaded[T any](source *filewatch.Source[T]) func(context.Context) error {
	return func(context.Context) error {
		_, err := source.Get()
		return err
	}
}

// certificateFiles reads chain and key together. A pair that does not match is rejected and the last good pair stays in use.
func certificateFiles(name string, files TLS) *filewatch.Source[*tls.Certificate] {
	return filewatch.New(name, func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, errors.New("certificate and key are not a matching pair of PEM files")
		}
		return &pair, nil
	}, files.CertFile, files.KeyFile)
}

// serverTLS returns a configuration that reads the current certificate for each connection. Curves and ciphers are Go's defaults,
// which put the post-quantum X25519MLKEM768 first.
func serverTLS(certificate *filewatch.Source[*tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Get() },
	}
}
