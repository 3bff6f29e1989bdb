package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

const assertionKey = "0123456789abcdef0123456789abcdef-of-the-test"

// roles runs gateway and backend as in a cluster: configuration files, mounted secrets, real listeners. Only OpenIM is a stand-in.
type roles struct {
	t        *testing.T
	dir      string
	key      authtest.Key
	openim   *openimtest.Fake
	gateway  *httpserver.App
	backend  *httpserver.App
	log      *lockedBuffer
	now      func() time.Time // the clock of both roles; nil: the machine's
	stop     context.CancelFunc
	finished chan error
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

func (h *roles) write(name, content string) string {
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// newRoles writes the configuration in the form that the operator renders, and starts both roles.
func newRoles(t *testing.T) *roles {
	t.Helper()
	h := &roles{t: t, dir: t.TempDir(), key: authtest.NewKey(t, "k1", jose.ES256), openim: openimtest.New(t), log: &lockedBuffer{},
		finished: make(chan error, 2)}
	log := slog.New(slog.NewJSONHandler(h.log, nil))
	keyFile := h.write("assertion", assertionKey+"\n")
	backendConfig := h.write("backend.yaml", fmt.Sprintf(`
listen: "127.0.0.1:0"
telemetry: {listen: "127.0.0.1:0"}
assertionKeyFile: %s
openim: {apiURL: %q, adminUserID: %s, secretFile: %s}
%s
shutdownGraceSeconds: 20
`, keyFile, h.openim.URL, openimtest.AdminUserID, h.write("secret", openimtest.Secret), h.issuers()))
	h.backend = h.load(log, "backend", backendConfig)
	gatewayConfig := h.write("gateway.yaml", fmt.Sprintf(`
admin: {listen: "127.0.0.1:0", tls: {certFile: "", keyFile: ""}}
telemetry: {listen: "127.0.0.1:0"}
backend: {url: "http://%s", assertionKeyFile: %s}
%s
shutdownGraceSeconds: 20
`, h.backend.Main.Address(), keyFile, h.issuers()))
	h.gateway = h.load(log, "gateway", gatewayConfig)

	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	for _, app := range []*httpserver.App{h.backend, h.gateway} {
		app.Notice = 0
		go func() { h.finished <- app.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-h.finished; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	return h
}

// issuers is the part of both configurations that identifies administrators.
func (h *roles) issuers() string {
	return fmt.Sprintf(`admins:
  issuers:
  - issuer: %s
    audiences: [%s]
    algorithms: [ES256]
    jwksFile: %s
    roles: {claim: groups, admin: [%s]}`, authtest.Issuer, authtest.Audience, h.write("jwks.json", string(authtest.JWKS(h.t, h.key))), authtest.Role)
}

func (h *roles) load(log *slog.Logger, role, path string) *httpserver.App {
	now := h.now
	if now == nil {
		now = time.Now
	}
	app, err := load([]string{role, "--config", path}, log, now)
	if err != nil {
		h.t.Fatal(err)
	}
	return app
}

func (h *roles) token(changes map[string]any) string {
	return h.key.Sign(h.t, nil, authtest.Claims(time.Now(), changes))
}

type answer struct {
	status int
	header http.Header
	body   string
	errs   struct {
		ErrCode int             `json:"errCode"`
		ErrMsg  string          `json:"errMsg"`
		ErrDlt  *string         `json:"errDlt"`
		Data    json.RawMessage `json:"data"`
	}
}

// do sends a request and reads the envelope. change may alter the request.
func (h *roles) do(path, token, body string, change ...func(*http.Request)) answer {
	h.t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+h.gateway.Main.Address()+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, c := range change {
		c(req)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(data)}
	if err := json.Unmarshal(data, &a.errs); err != nil {
		h.t.Fatalf("no envelope: %s", data)
	}
	return a
}

func TestAnAdministratorRegistersUsersAndSendsAMessage(t *testing.T) {
	g := NewWithT(t)
	h := newRoles(t)
	h.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/msg/send_msg"] = `{"errCode":0,"errMsg":"","errDlt":"","data":{"serverMsgID":"s1","clientMsgID":"c1","sendTime":1}}`
	})

	a := h.do("/admin/v1/user/user_register", h.token(nil),
		`{"users":[{"userID":"alice","nickname":"Alice"},{"userID":"bob","nickname":"Bob"}]}`)
	g.Expect(a.status).To(Equal(http.StatusOK), a.body)
	g.Expect(a.body).To(MatchJSON(`{"errCode":0,"errMsg":"","errDlt":""}`))

	a = h.do("/admin/v1/msg/send_msg", h.token(nil),
		`{"sendID":"alice","recvID":"bob","content":{"content":"the text"},"contentType":101,"sessionType":1}`)
	g.Expect(a.status).To(Equal(http.StatusOK), a.body)
	g.Expect(string(a.errs.Data)).To(MatchJSON(`{"serverMsgID":"s1","clientMsgID":"c1","sendTime":1}`))

	seen := h.openim.Seen("/msg/send_msg")
	g.Expect(seen).To(HaveLen(1))
	g.Expect(seen[0].Body).To(ContainSubstring(`"the text"`))
	g.Expect(seen[0].Header.Get("token")).To(Equal(openimtest.Token(1)), "OpenIM sees its administrator")
	g.Expect(seen[0].Header.Get("operationID")).To(Equal(a.header.Get("X-Request-Id")))
}

func TestReadyTellsTheTruthAboutOpenIM(t *testing.T) {
	g := NewWithT(t)
	h := newRoles(t)
	ready := func(app *httpserver.App) func() int {
		return func() int {
			resp, err := http.Get("http://" + app.Telemetry.Address() + "/readyz")
			if err != nil {
				return 0
			}
			_ = resp.Body.Close()
			return resp.StatusCode
		}
	}
	g.Eventually(ready(h.backend), patience).Should(Equal(200))
	g.Eventually(ready(h.gateway), patience).Should(Equal(200))
	h.openim.Set(func(f *openimtest.Fake) {
		f.Before = func(w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, `{"errCode":14,"errMsg":"produced zero addresses"}`)
			return true
		}
	})
	g.Eventually(ready(h.backend), patience).Should(Equal(503))
	g.Expect(ready(h.gateway)()).To(Equal(200), "its own backend still answers")
	h.openim.Set(func(f *openimtest.Fake) { f.Before = nil })
	g.Eventually(ready(h.backend), patience).Should(Equal(200))
}

func TestHalvesWithDifferentKeysDoNotWorkTogether(t *testing.T) {
	g := NewWithT(t)
	h := newRoles(t)
	h.write("assertion", "another-key-0123456789abcdef0123456789abcdef")
	other := h.load(slog.New(slog.DiscardHandler), "gateway", filepath.Join(h.dir, "gateway.yaml"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other.Notice = 0
	go func() { _ = other.Run(ctx) }()
	h.gateway = other
	a := h.do("/admin/v1/user/get_users_info", h.token(nil), `{}`)
	g.Expect(a.status).To(Equal(http.StatusBadGateway), a.body)
	g.Expect(h.openim.Seen("/user/get_users_info")).To(BeEmpty())
	g.Eventually(other.Ready.Err, patience).Should(MatchError(ContainSubstring("compare the assertion keys")))
}
