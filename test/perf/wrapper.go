package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

const (
	adminUser = "imAdmin"
	keyPrefix = "perf:"
	lifetime  = 24 * time.Hour
)

const backendConfig = `
listen: {BACKEND}
telemetry: {listen: {TELEMETRY}}
assertionKeyFile: {DIR}/key
openim: {apiURL: "http://{STUB}", adminUserID: imAdmin, secretFile: {DIR}/key, release: v3.8.3, externalURL: "http://127.0.0.1/im/v1"}
redis: {addresses: ["{REDIS}"], passwordFile: {DIR}/password, keyPrefix: "perf:"}
mongodb: {uriFile: {DIR}/mongodb, database: perf}
custodyKeyFile: {DIR}/key
users: {audience: "http://{USERS}", serverKeysDir: {DIR}/login}
admins: {issuers: [{issuer: none, audiences: [none], algorithms: [ES256], jwksFile: {DIR}/jwks, roles: {claim: none, admin: [none]}}]}
shutdownGraceSeconds: 2
`

const gatewayConfig = `
admin: {listen: {ADMIN}}
telemetry: {listen: {TELEMETRY}}
backend: {url: "http://{BACKEND}", assertionKeyFile: {DIR}/key}
admins: {issuers: [{issuer: none, audiences: [none], algorithms: [ES256], jwksFile: {DIR}/jwks, roles: {claim: none, admin: [none]}}]}
users:
  listen: {USERS}
  realtime: {url: "ws://{STUB}"}
redis: {addresses: ["{REDIS}"], passwordFile: {DIR}/password, keyPrefix: "perf:"}
hotFile: {DIR}/{NAME}-hot.yaml
audit: {path: {DIR}/{NAME}.audit}
shutdownGraceSeconds: 20
`

// The limits are evaluated but never refuse here. A limit of the measured route's class by user and address uses two keys.
const (
	fullHot = `
limits: {classes: {read: {perSecond: 100000, burst: 1000000, by: [user, ip]}, socket: {perSecond: 100000, burst: 1000000, by: [device]}}}
rules: [{name: ios-only, expression: "identity.platformID == 1", message: "phones only"}]
`
	// Each replica counts by itself; sessions are still in Redis.
	authHot = `
limits: {local: true, classes: {read: {perSecond: 100000, burst: 1000000, by: [user]}}}
`
)

// binary returns the path of a wrapper.
type binary func(*bench) string

func startWrapper(full bool, gateway, back binary) func(context.Context, *bench) (*running, error) {
	return func(ctx context.Context, p *bench) (*running, error) {
		name, hot := "wrapper-auth", authHot
		if full {
			name, hot = "wrapper-full", fullHot
		}
		var addresses [7]string
		for i := range addresses {
			address, err := freeport.Take()
			if err != nil {
				return nil, err
			}
			addresses[i] = address
		}
		values := []string{"{NAME}", name, "{REDIS}", p.redis, "{BACKEND}", addresses[0], "{USERS}", addresses[1], "{ADMIN}", addresses[2]}
		if _, err := p.fill(name+"-hot.yaml", hot); err != nil {
			return nil, err
		}
		debug := ""
		if p.profiles != "" {
			debug = "debug: {listen: {DEBUG}}\n"
		}
		backendFile, err := p.fill(
			name+"-backend.yaml",
			strings.ReplaceAll(debug, "{DEBUG}", addresses[5])+backendConfig,
			append(values, "{TELEMETRY}", addresses[3])...)
		if err != nil {
			return nil, err
		}
		gatewayFile, err := p.fill(
			name+"-gateway.yaml",
			strings.ReplaceAll(debug, "{DEBUG}", addresses[6])+gatewayConfig,
			append(values, "{TELEMETRY}", addresses[4])...)
		if err != nil {
			return nil, err
		}
		r := &running{base: "http://" + addresses[1] + "/im/v1"}
		for _, role := range []struct{ name, program, config, address string }{
			{"backend", back(p), backendFile, addresses[0]}, {"gateway", gateway(p), gatewayFile, addresses[1]},
		} {
			one, err := start(
				ctx,
				p.dir,
				measured,
				name+"-"+role.name,
				role.address,
				[]string{"GOMAXPROCS=1"},
				role.program,
				role.name,
				"--config",
				role.config,
			)
			if err != nil {
				r.stop()
				return nil, err
			}
			r.processes = append(r.processes, one)
		}
		if p.profiles != "" {
			r.debug = map[string]string{"backend": addresses[5], "gateway": addresses[6]}
		}
		return r, nil
	}
}

// secrets writes the files that both roles mount.
func (p *bench) secrets() error {
	random := func() string {
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "login"), 0o700); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"key": random(), "password": p.password, "login/1": random(), "mongodb": "mongodb://127.0.0.1:1/perf", "jwks": `{"keys":[]}`,
	} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// caller is a session of the load.
type caller struct{ user, token string }

// sessions creates sessions of as many users, without logins, which are not measured.
func (p *bench) sessions(ctx context.Context, count int) ([]caller, error) {
	log := slog.New(slog.DiscardHandler)
	db, sources := redisdb.Open(
		redisdb.Config{Addresses: []string{p.redis}, PasswordFile: filepath.Join(p.dir, "password"), KeyPrefix: keyPrefix},
		log,
	)
	defer func() { _ = db.Close() }()
	keys := tokenvault.KeyFile(filepath.Join(p.dir, "key"))
	filewatch.NewWatcher(log, prometheus.NewRegistry(), append(sources, keys)...).Reload()
	store := session.New(session.Options{
		Redis: db, Lifetime: func() time.Duration { return lifetime }, Idle: func() time.Duration { return lifetime },
		Now: time.Now, Log: log, Registerer: prometheus.NewRegistry(), Seal: backend.SessionSealer(keys, time.Now),
	})
	callers := make([]caller, count)
	for i := range callers {
		user := fmt.Sprintf("user%d", i)
		token, _, err := store.Create(ctx, user, "device-of-"+user, 1, 1)
		if err != nil {
			return nil, fmt.Errorf("make a session: %w", err)
		}
		callers[i] = caller{user, token}
	}
	return callers, nil
}
