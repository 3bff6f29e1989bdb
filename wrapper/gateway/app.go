package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/mounted"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/upstream"
)

// New wires the gateway up and opens its listeners. It calls nobody before Run.
func New(c Config, version string, log *slog.Logger, now func() time.Time) (*serve.App, error) {
	reg := serve.NewRegistry("gateway", version)
	assertionKey := auth.AssertionKeyFile(c.Backend.AssertionKeyFile)
	sources := []mounted.Reloader{assertionKey}
	issuers := make([]auth.Issuer, len(c.Admins.Issuers))
	for i, issuer := range c.Admins.Issuers {
		keys := auth.JWKSFile(fmt.Sprintf("jwks-%d", i), issuer.JWKSFile)
		sources = append(sources, keys)
		issuers[i] = issuer.rules(keys)
	}
	admins := auth.NewAdmins(issuers, now)
	back := &backendClient{up: upstream.New(c.Backend.URL), key: assertionKey, now: now}
	checks := []serve.Check{
		{Name: "admins' keys", Do: func(context.Context) error { return admins.Ready() }},
		{Name: "backend", Do: back.handshake},
	}

	var tlsConfig *tls.Config
	if files := c.Admin.TLS; files != (TLS{}) {
		certificate := certificateFiles(files)
		sources = append(sources, certificate)
		checks = append(checks, serve.Check{Name: "certificate", Do: func(context.Context) error { _, err := certificate.Get(); return err }})
		tlsConfig = serverTLS(certificate)
	}
	files := mounted.NewWatcher(log, reg, sources...)
	files.Look()

	ready := serve.NewReadiness(log, reg, now, checks...)
	handler := serve.NewRecorder(log, reg, now).Wrap(&adminHandler{admins: admins, backend: back})
	main, err := serve.Listen("admin", c.Admin.Listen, handler, policy.MaxDeadline()+extraWait, tlsConfig, log)
	if err != nil {
		return nil, err
	}
	telemetry, err := serve.ListenTelemetry(c.Telemetry.Listen, ready, reg, log)
	if err != nil {
		main.Close()
		return nil, err
	}
	return &serve.App{
		Main: main, Telemetry: telemetry, Ready: ready, Log: log, Grace: c.grace(), Notice: serve.DefaultNotice,
		Background: []func(context.Context){
			ready.Run,
			func(ctx context.Context) { files.Run(ctx, mounted.Interval) },
			func(ctx context.Context) { <-ctx.Done(); back.up.Close() },
		},
	}, nil
}

// certificateFiles reads chain and key together: a pair that does not match is refused, and the last good one stays.
func certificateFiles(files TLS) *mounted.Source[*tls.Certificate] {
	return mounted.New("tls", func(contents [][]byte) (*tls.Certificate, error) {
		pair, err := tls.X509KeyPair(contents[0], contents[1])
		if err != nil {
			return nil, errors.New("certificate and key are not a matching pair of PEM files")
		}
		return &pair, nil
	}, files.CertFile, files.KeyFile)
}

// serverTLS takes the present certificate for each connection. Curves and ciphers are Go's defaults, which put the
// post-quantum X25519MLKEM768 first.
func serverTLS(certificate *mounted.Source[*tls.Certificate]) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return certificate.Get() },
	}
}
