package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

type constant string

func (c constant) Get() ([]byte, error) { return []byte(c), nil }

const sharedKey = constant("0123456789abcdef0123456789abcdef")

type fixed struct{ set *auth.KeySet }

func (f fixed) Get() (*auth.KeySet, error) { return f.set, nil }

// newAdminHandlerForTest is the gateway's handler before a backend that is made up by the test.
func newAdminHandlerForTest(t *testing.T, backend http.HandlerFunc) (http.Handler, authtest.Key) {
	t.Helper()
	key := authtest.NewKey(t, "k1", jose.ES256)
	set, err := auth.ParseJWKS(authtest.JWKS(t, key))
	if err != nil {
		t.Fatal(err)
	}
	issuer := issuers.Issuer{Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"},
		Roles: issuers.Roles{Claim: "groups", Admin: []string{authtest.Role}}}
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	admins := auth.NewAdmins([]auth.Issuer{issuers.Rules(&issuer, fixed{set})}, time.Now)
	h := newAdminHandler(newServices(t, server.URL, nil), admins, nil, 0)
	return httpserver.NewRecorder(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now).Wrap(h), key
}

// newServices returns what both listeners share, with a backend and the hot configuration of the test, or the defaults.
func newServices(t *testing.T, backendURL string, configured *Hot) *services {
	t.Helper()
	if configured == nil {
		configured = &Hot{}
	}
	present, err := configured.compile()
	if err != nil {
		t.Fatal(err)
	}
	reg, log := prometheus.NewRegistry(), slog.New(slog.DiscardHandler)
	auditLog, err := auditlog.Open(auditlog.Options{Path: filepath.Join(t.TempDir(), "audit"), Log: log, Reg: reg, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &services{
		now: time.Now, hot: func() *hot { return present }, auditLog: auditLog,
		limiter: ratelimit.New(ratelimit.Options{Now: time.Now, Log: log, Registerer: reg}),
		backend: &backendClient{up: upstream.New(backendURL), key: sharedKey, now: time.Now, link: auth.PresentLink},
		logouts: newLogouts(log, reg), codeRemovals: newCodeRemovals(log, reg),
		unverified: newUnverifiedLimits(time.Now), proxies: newUntrustedProxies(log, reg, time.Now),
	}
}

func post(h http.Handler, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/admin/v1/user/get_users_info", http.NoBody)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestTheChallengeNamesAnErrorOnlyToThoseWhoSentAToken(t *testing.T) {
	g := NewWithT(t)
	h, _ := newAdminHandlerForTest(t, func(http.ResponseWriter, *http.Request) { t.Error("the backend was called") })
	g.Expect(post(h, "").Header().Get("WWW-Authenticate")).To(Equal(`Bearer realm="openim-admin"`))
	g.Expect(post(h, "x").Header().Get("WWW-Authenticate")).To(Equal(`Bearer realm="openim-admin", error="invalid_token"`))
}

// TestAStrangeBackend: what a reply becomes that is not the backend's. An administrator's good token is never answered 401.
func TestAStrangeBackend(t *testing.T) {
	say := func(status int, headers map[string]string, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for k, v := range headers {
				w.Header().Set(k, v)
			}
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	const json = "application/json"
	for _, c := range []struct {
		name    string
		backend http.HandlerFunc
		status  int
	}{
		{"as it should be", say(200, map[string]string{"Content-Type": json, "X-Openim-Err-Code": "0"}, `{"errCode":0}`), 200},
		{"a refusal of its own", say(429, map[string]string{"Content-Type": json, "X-Openim-Err-Code": "500", "X-Openim-Reason": "busy",
			"Retry-After": "1"}, `{"errCode":500}`), 429},
		{"it does not accept our assertion", say(401, map[string]string{"Content-Type": json, "X-Openim-Err-Code": "1502",
			"X-Openim-Reason": "unauthenticated"}, `{"errCode":1502}`), 502},
		{"401 of something else", say(401, map[string]string{"Content-Type": json}, `{}`), 502},
		{"a page", say(200, map[string]string{"Content-Type": "text/html"}, "<html>"), 502},
		{"no content type", say(200, map[string]string{"Content-Type": ""}, "{}"), 502},
		{"no errCode header", say(200, map[string]string{"Content-Type": json}, "{}"), 502},
		{"a redirect", say(307, map[string]string{"Content-Type": json, "Location": "/elsewhere", "X-Openim-Err-Code": "0"}, "{}"), 502},
		{"a reason that does not fit the status", say(404, map[string]string{"Content-Type": json, "X-Openim-Err-Code": "0",
			"X-Openim-Reason": "busy"}, "{}"), 502},
		{"a reason nobody knows", say(418, map[string]string{"Content-Type": json, "X-Openim-Err-Code": "0", "X-Openim-Reason": "teapot"}, "{}"),
			502},
		{"it hangs up", func(w http.ResponseWriter, _ *http.Request) {
			if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
				_ = conn.Close()
			}
		}, 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			h, key := newAdminHandlerForTest(t, func(w http.ResponseWriter, r *http.Request) {
				g.Expect(r.URL.Path).To(Equal("/admin/v1/user/get_users_info"), "no redirect is followed")
				w.Header().Set("Set-Cookie", "a=b")
				c.backend(w, r)
			})
			w := post(h, key.Sign(t, nil, authtest.Claims(time.Now(), nil)))
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			_, retry := w.Header()["Retry-After"]
			g.Expect(retry).To(Equal(c.status == 429))
			for name := range w.Header() {
				g.Expect([]string{"Content-Type", "Content-Length", "Cache-Control", "X-Content-Type-Options", "X-Request-Id",
					"Retry-After"}).To(ContainElement(name), "nothing else leaves")
			}
		})
	}
}

func TestTheHandshakeTellsWhyTheHalvesDoNotAgree(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { wire.WriteFailure(w, wire.Unauthenticated) }))
	defer server.Close()
	b := &backendClient{up: upstream.New(server.URL), key: sharedKey, now: time.Now, link: auth.PresentLink}
	g.Expect(b.ping(t.Context())).To(MatchError(ContainSubstring("compare the assertion keys")))
	server.Close()
	b.up.Close() // the connection that the server has closed might be reused
	g.Expect(b.ping(t.Context())).To(MatchError(upstream.ErrNotSent))
}

// writePair writes a self-signed certificate of a name, and its key.
func writePair(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"tls.crt": {Type: "CERTIFICATE", Bytes: der},
		"tls.key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheCertificateIsReloadedWithoutARestart(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	writePair(t, dir, "first.example")
	files := certificateFiles("tls", TLS{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key")})
	g.Expect(files.Reload()).To(BeTrue())
	log := slog.New(slog.DiscardHandler)
	server, err := httpserver.Listen("admin", "127.0.0.1:0", http.NotFoundHandler(), time.Second, serverTLS(files), log)
	g.Expect(err).NotTo(HaveOccurred())
	ready := httpserver.NewReadiness(log, prometheus.NewRegistry(), time.Now)
	telemetry, err := httpserver.ListenTelemetry("127.0.0.1:0", ready, prometheus.NewRegistry(), log)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		_ = (&httpserver.App{Main: server, Telemetry: telemetry, Ready: ready, Log: log, Grace: time.Second}).Run(ctx)
	}()

	shown := func(config *tls.Config) (string, error) {
		config.InsecureSkipVerify = true // the test looks at the name itself
		conn, err := tls.Dial("tcp", server.Address(), config)
		if err != nil {
			return "", err
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName, nil
	}
	g.Expect(shown(&tls.Config{})).To(Equal("first.example"))

	writePair(t, dir, "second.example")
	g.Expect(files.Reload()).To(BeTrue())
	g.Expect(shown(&tls.Config{})).To(Equal("second.example"))

	g.Expect(os.WriteFile(filepath.Join(dir, "tls.key"), []byte("half a key"), 0o600)).To(Succeed())
	_, err = files.Reload()
	g.Expect(err).To(MatchError(ContainSubstring("not a matching pair")))
	g.Expect(shown(&tls.Config{})).To(Equal("second.example"), "the last good pair stays")

	_, err = shown(&tls.Config{MaxVersion: tls.VersionTLS11})
	g.Expect(err).To(HaveOccurred(), "TLS 1.1")
	conn, err := tls.Dial("tcp", server.Address(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(conn.ConnectionState().NegotiatedProtocol).To(Equal("h2"))
	_ = conn.Close()
}

func TestWithoutItsFilesTheGatewayStartsAndIsNotReady(t *testing.T) {
	g := NewWithT(t)
	c, err := ParseConfig([]byte(fmt.Sprintf(`
admin: {listen: "127.0.0.1:0", tls: {certFile: /absent/tls.crt, keyFile: /absent/tls.key}}
telemetry: {listen: "127.0.0.1:0"}
backend: {url: "http://127.0.0.1:1", assertionKeyFile: /absent/key}
admins: {issuers: [{issuer: %s, audiences: [a], algorithms: [ES256], jwksFile: /absent/jwks.json, roles: {claim: groups, admin: [a]}}]}
shutdownGraceSeconds: 1
`, authtest.Issuer)))
	g.Expect(err).NotTo(HaveOccurred())
	app, err := New(c, "v1", slog.New(slog.DiscardHandler), time.Now)
	g.Expect(err).NotTo(HaveOccurred())
	app.Notice = 0
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	g.Eventually(app.Ready.Err).Should(MatchError(And(
		ContainSubstring("admins' keys: reading the mounted file"), ContainSubstring("backend: "), ContainSubstring("certificate: reading the "+
			"mounted file"))))
	cancel()
	g.Eventually(ended).Should(Receive(BeNil()))
}

var _ filewatch.Reloader = auth.AssertionKeyFile("") // the watcher takes every source
