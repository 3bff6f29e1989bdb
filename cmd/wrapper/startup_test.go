package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/startup"
)

// startingEnv is a backend and a gateway that start with a wrong password for Redis, and the backend with one for MongoDB.
type startingEnv struct {
	*roles
	redis   *redistest.Server
	mongodb *mongotest.Users
}

func newStartingEnv(t *testing.T, now func() time.Time) *startingEnv {
	t.Helper()
	n := &startingEnv{
		roles: &roles{t: t, dir: t.TempDir(), key: authtest.NewKey(t, "k1", jose.ES256), openim: openimtest.New(t), log: &lockedBuffer{},
			now: now},
		redis: redistest.Start(t), mongodb: mongotest.StartUsers(t),
	}
	if err := os.Mkdir(filepath.Join(n.dir, "login"), 0o700); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	n.write("login/2026-01", base64.RawURLEncoding.EncodeToString(key))
	log := slog.New(slog.NewJSONHandler(n.log, nil))
	n.wrongPasswords()
	redis := fmt.Sprintf(`{addresses: [%q], passwordFile: %q, keyPrefix: "im/chat:"}`, n.redis.Address, filepath.Join(n.dir, "redis"))
	assertion := n.write("assertion", assertionKey+"\n")
	n.backend = n.load(log, "backend", n.write("backend.yaml", fmt.Sprintf(`
listen: "127.0.0.1:0"
telemetry: {listen: "127.0.0.1:0"}
assertionKeyFile: %s
openim: {apiURL: %q, adminUserID: %s, secretFile: %s, release: v3.8.3, externalURL: "https://im.example.com/im/v1"}
redis: %s
mongodb: {uriFile: %s, database: openim_v3}
custodyKeyFile: %s
users: {audience: %q, serverKeysDir: %s}
%s
shutdownGraceSeconds: 5
`, assertion, n.openim.URL, openimtest.AdminUserID, n.write("secret", openimtest.Secret), redis, filepath.Join(n.dir, "uri"),
		n.write("custody", custodyKey), audience, filepath.Join(n.dir, "login"), n.issuers())))
	n.gateway = n.load(log, "gateway", n.write("gateway.yaml", fmt.Sprintf(`
admin: {listen: "127.0.0.1:0", tls: {certFile: "", keyFile: ""}}
users:
  listen: "127.0.0.1:0"
  realtime: {url: "ws://127.0.0.1:1", drainSeconds: 1}
redis: %s
telemetry: {listen: "127.0.0.1:0"}
backend: {url: "http://%s", assertionKeyFile: %s}
audit: {path: %q}
%s
shutdownGraceSeconds: 5
`, redis, n.backend.Main.Address(), assertion, filepath.Join(n.dir, "audit.log"), n.issuers())))
	return n
}

func (n *startingEnv) wrongPasswords() {
	n.write("redis", "a wrong password")
	n.write("uri", "mongodb://openim:wrong@"+n.mongodb.Address+"/?authSource=admin")
}

func (n *startingEnv) rightPassword() { n.write("redis", n.redis.Password) }
func (n *startingEnv) rightURI() {
	n.write("uri", "mongodb://openim:"+mongotest.UsersPassword+"@"+n.mongodb.Address+"/?authSource=admin")
}

// run runs a role until the test ends or the role does.
func (n *startingEnv) run(app *httpserver.App) <-chan error {
	ctx, cancel := context.WithCancel(context.Background())
	app.Notice = 0
	ended, stopped := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(stopped)
		ended <- app.Run(ctx)
	}()
	n.t.Cleanup(func() { cancel(); <-stopped })
	return ended
}

// pausedClock stands still until a test starts it. From then on it runs as the machine's clock does, behind it.
type pausedClock struct {
	mu      sync.Mutex
	start   time.Time
	running time.Time // when the clock was started; zero: it stands still
}

func (c *pausedClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running.IsZero() {
		return c.start
	}
	return c.start.Add(time.Since(c.running))
}

func (c *pausedClock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = time.Now()
}

// patience bounds what takes a few seconds on an idle machine.
const patience = time.Minute

// TestANewReplicaIsNotReadyBeforeItsStoresHaveAnswered: otherwise a wrong password would replace every replica that works. The roles' clock
// stands still until the passwords are right: on a slow machine their patience could be over before.
func TestANewReplicaIsNotReadyBeforeItsStoresHaveAnswered(t *testing.T) {
	g := NewWithT(t)
	clock := &pausedClock{start: time.Now()}
	n := newStartingEnv(t, clock.now)
	backendEnded, gatewayEnded := n.run(n.backend), n.run(n.gateway)
	for app, want := range map[*httpserver.App][]string{
		n.backend: {"stores: no answer since the start from wrapper-redis (AuthenticationFailed)", "mongodb (AuthenticationFailed)"},
		n.gateway: {"stores: no answer since the start from wrapper-redis (AuthenticationFailed)"},
	} {
		for _, text := range want {
			g.Eventually(app.Ready.Err, patience, 50*time.Millisecond).Should(MatchError(ContainSubstring(text)))
		}
	}
	n.rightPassword()
	g.Eventually(n.backend.Ready.Err, patience, 50*time.Millisecond).Should(
		MatchError(ContainSubstring("no answer since the start from mongodb (AuthenticationFailed)")), "each store is needed")
	n.rightURI()
	g.Eventually(n.backend.Ready.Err, patience, 50*time.Millisecond).Should(Succeed())
	g.Eventually(n.gateway.Ready.Err, patience, 50*time.Millisecond).Should(Succeed())

	// A running replica stays as it was: it serves what needs no store.
	clock.run()
	n.redis.Stop()
	n.wrongPasswords()
	g.Consistently(n.backend.Ready.Err, 2*startup.RefusalPatience, 500*time.Millisecond).Should(Succeed())
	g.Expect(backendEnded).NotTo(Receive())
	g.Expect(gatewayEnded).NotTo(Receive())
	n.redis.Restart()
	n.rightPassword()
	g.Eventually(n.gateway.Ready.Err, patience, 50*time.Millisecond).Should(Succeed())
}

// TestAReplicaWhoseStoresRefuseItEnds: the operator learns the reason from a container that has ended.
func TestAReplicaWhoseStoresRefuseItEnds(t *testing.T) {
	g := NewWithT(t)
	n := newStartingEnv(t, time.Now)
	backendEnded, gatewayEnded := n.run(n.backend), n.run(n.gateway)
	bound := startup.RefusalPatience + patience
	for _, ended := range []<-chan error{backendEnded, gatewayEnded} {
		g.Eventually(ended, bound).Should(Receive(MatchError(ContainSubstring("starting: no answer from wrapper-redis"))))
	}
	g.Expect(n.log.String()).NotTo(ContainSubstring("a wrong password"))
}
