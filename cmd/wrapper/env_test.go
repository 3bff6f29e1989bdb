package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	audience   = "https://im.example.com"
	custodyKey = "custody-0123456789abcdef0123456789abcdef"
	// messageText is the text of all messages. The wrapper must store it nowhere.
	messageText = "the text that nobody may keep"
	// proxyAddress is the one address whose X-Forwarded-For is trusted.
	proxyAddress = "127.0.0.2"
)

// Routes and paths that many attacks aim at.
const (
	usersInfo      = wire.UserPrefix + "/user/get_users_info"
	adminUsersInfo = wire.AdminPrefix + "/user/get_users_info"
)

// testEnv is the whole wrapper with users: both roles, a real Redis, a server that speaks MongoDB's protocol, and a stand-in for OpenIM.
// A recorder between gateway and backend records the internal calls.
type testEnv struct {
	*roles
	redis     *redistest.Server
	openimWS  *msggatewaytest.Server
	tap       *recorder
	users     string // addresses
	admins    string
	auditPath string
	serverKey handshake.PublicKey
	server    *ecdh.PrivateKey

	mu      sync.Mutex
	replies bytes.Buffer // all replies to attackers
	secrets map[string]string
	people  map[string]*testUser
	counted map[string]int // cases by class
	number  int
}

// testUser is a user with a device and a session.
type testUser struct {
	*client.Session
	device client.Device
	client *client.Client
	openim string // the user's token at OpenIM
}

// rememberedBytes of each body are recorded. Complete bodies would hide the wrapper's own use of memory.
const rememberedBytes = 4 << 10

// recorder is a proxy that passes the gateway's requests to the backend and records them.
type recorder struct {
	*httptest.Server
	mu    sync.Mutex
	calls []openimtest.Call // Path is the whole target
}

func newRecorder(t *testing.T, backend func() string) *recorder {
	p := &recorder{}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.calls = append(p.calls, openimtest.Call{Method: r.Method, Path: r.RequestURI, Body: string(body[:min(len(body), rememberedBytes)]),
			Header: r.Header.Clone()})
		p.mu.Unlock()
		on, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+backend()+r.RequestURI, bytes.NewReader(body))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		on.Header = r.Header.Clone()
		resp, err := transport.RoundTrip(on)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	t.Cleanup(p.Close)
	return p
}

// holding returns the calls whose body or target contains a text.
func (p *recorder) holding(text string) (found []openimtest.Call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		if strings.Contains(c.Body, text) || strings.Contains(c.Path, text) {
			found = append(found, c)
		}
	}
	return found
}

// newTestEnv starts both roles, with the users alice, bob and mallory.
func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	n := &testEnv{
		roles: &roles{t: t, dir: t.TempDir(), key: authtest.NewKey(t, "k1", jose.ES256), openim: openimtest.New(t), log: &lockedBuffer{},
			finished: make(chan error, 2)},
		redis: redistest.Start(t), openimWS: msggatewaytest.New(t),
		secrets: map[string]string{}, people: map[string]*testUser{}, counted: map[string]int{},
	}
	n.auditPath = filepath.Join(n.dir, "audit.log")
	n.start(mongotest.Start(t))
	for i, user := range []string{"alice", "bob", "mallory"} {
		n.people[user] = n.enrol(t, user, int32(i+1))
	}
	n.openim.Set(func(f *openimtest.Fake) {
		f.State.Groups["chess"] = map[string]openimtest.User{"bob": {Nickname: "Bob", RoleLevel: 100}}
	})
	for user, p := range n.people {
		canary := n.canary()
		reply := n.send(t, n.users, post(usersInfo, whois(canary), "token: "+p.Token()))
		seen := n.openimSaw(canary)
		if len(reply) != 1 || reply[0].code != 0 || len(seen) != 1 {
			t.Fatalf("%s cannot call: %v", user, reply)
		}
		p.openim = seen[0].Header.Get("token")
		n.secrets["OpenIM's token of "+user] = p.openim
	}
	return n
}

func (n *testEnv) start(mongodb *mongotest.Server) {
	t := n.t
	log := slog.New(slog.NewJSONHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	static, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	n.server, n.serverKey = static, handshake.PublicOf(static)
	keys := filepath.Join(n.dir, "login")
	if err := os.Mkdir(keys, 0o700); err != nil {
		t.Fatal(err)
	}
	n.write("login/2026-01", base64.RawURLEncoding.EncodeToString(static.Bytes()))
	redis := fmt.Sprintf(`{addresses: [%q], passwordFile: %q, keyPrefix: "im/chat:"}`, n.redis.Address, n.redis.PasswordFile)
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
`, assertion, n.openim.URL, openimtest.AdminUserID, n.write("secret", openimtest.Secret), redis, n.write("uri", mongodb.URI()), n.write("custody", custodyKey), audience, keys, n.issuers())))
	n.tap = newRecorder(t, n.backend.Main.Address)
	n.gateway = n.load(log, "gateway", n.write("gateway.yaml", fmt.Sprintf(`
admin: {listen: "127.0.0.1:0", tls: {certFile: "", keyFile: ""}}
users:
  listen: "127.0.0.1:0"
  realtime: {url: %q, drainSeconds: 1}
hotFile: %s
redis: %s
telemetry: {listen: "127.0.0.1:0"}
backend: {url: %q, assertionKeyFile: %s}
audit: {path: %q}
%s
shutdownGraceSeconds: 5
`, n.openimWS.URL(), n.write("hot.yaml", hotConfiguration()), redis, n.tap.URL, assertion, n.auditPath, n.issuers())))
	n.admins, n.users = n.gateway.Main.Address(), n.gateway.More[0].Address()
	ctx, cancel := context.WithCancel(context.Background())
	for _, app := range []*httpserver.App{n.backend, n.gateway} {
		app.Notice = 0
		go func() { n.finished <- app.Run(ctx) }()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-n.finished; err != nil {
				t.Errorf("stop: %v", err)
			}
		}
	})
	for _, app := range []*httpserver.App{n.backend, n.gateway} {
		NewWithT(t).Eventually(app.Ready.Err, patience).Should(Succeed())
	}
}

// hotConfiguration returns limits that stop nothing: an attack that fails for its rate alone would prove nothing.
func hotConfiguration() string {
	var classes strings.Builder
	for _, name := range []string{"login", "refused", "self", "admin", "socket", "message", "read", "write", "bulk", "search"} {
		fmt.Fprintf(&classes, "\n    %s: {perSecond: 1000, burst: 10000, by: [ip]}", name)
	}
	return "trustedProxies: [" + proxyAddress + "/32]\nlimits:\n  classes:" + classes.String() + "\n"
}

// code gets an enrolment code as an administrator does.
func (n *testEnv) code(t *testing.T, user string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+n.admins+wire.PathAdminIssueCode,
		strings.NewReader(fmt.Sprintf(`{"userID":%q,"nickname":%q,"lifetimeSeconds":600}`, user, user)))
	if err != nil {
		t.Fatal(err)
	}
	token := n.token(nil)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var envelope struct{ Data struct{ Code string } }
	if err := json.NewDecoder(resp.Body).Decode(&envelope); err != nil || envelope.Data.Code == "" {
		t.Fatalf("no code for %s: %v", user, err)
	}
	parsed, err := handshake.ParseCode(envelope.Data.Code)
	if err != nil {
		t.Fatal(err)
	}
	n.secret("a code of "+user, strings.Split(envelope.Data.Code, ".")[2])
	n.secret("a pre-shared key of "+user, base64.RawURLEncoding.EncodeToString(parsed.PSK()))
	return envelope.Data.Code
}

// secret registers a value that must not appear in any output.
func (n *testEnv) secret(name, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	n.secrets[fmt.Sprintf("%s (%d)", name, n.number)] = value
}

func (n *testEnv) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{BaseURL: "http://" + n.users, Audience: audience, PinnedKeys: []string{n.serverKey.String()}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enrol enrols a user with one device.
func (n *testEnv) enrol(t *testing.T, user string, platform int32) *testUser {
	t.Helper()
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	p := &testUser{device: client.Device{Key: key, PlatformID: platform, Name: "phone"}, client: n.client(t)}
	if p.Session, err = p.client.Enrol(t.Context(), n.code(t, user), p.device); err != nil {
		t.Fatal(err)
	}
	n.secret("a session of "+user, p.Token())
	return p
}

// login opens one more session.
func (n *testEnv) login(t *testing.T, user string) *client.Session {
	t.Helper()
	s, err := n.people[user].client.Login(t.Context(), n.people[user].device)
	if err != nil {
		t.Fatal(err)
	}
	n.secret("a session of "+user, s.Token())
	return s
}

func (n *testEnv) ticket(t *testing.T, s *client.Session) client.Ticket {
	t.Helper()
	ticket, err := s.Ticket(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n.secret("a ticket", ticket.Text)
	return ticket
}

// canary returns a word that only one attack contains, so that its effects can be found.
func (n *testEnv) canary() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.number++
	return fmt.Sprintf("canary%dx", n.number)
}

// openimSaw returns the calls that OpenIM received and that contain a text.
func (n *testEnv) openimSaw(text string) (found []openimtest.Call) {
	n.openim.Lock()
	defer n.openim.Unlock()
	for _, c := range n.openim.Calls {
		if strings.Contains(c.Body, text) || strings.Contains(c.Path, text) {
			found = append(found, c)
		}
	}
	return found
}

// mark and since return the calls that OpenIM received in between, without the wrapper's own.
func (n *testEnv) mark() int {
	n.openim.Lock()
	defer n.openim.Unlock()
	return len(n.openim.Calls)
}

func (n *testEnv) since(mark int) (paths []string) {
	n.openim.Lock()
	defer n.openim.Unlock()
	for _, c := range n.openim.Calls[mark:] {
		if !slices.Contains([]string{"/auth/get_admin_token", "/auth/parse_token"}, c.Path) {
			paths = append(paths, c.Path)
		}
	}
	return paths
}

// reply is one HTTP reply.
type reply struct {
	status int
	code   int // errCode; -1 without an envelope
	header http.Header
	body   string
}

func (r reply) String() string { return fmt.Sprintf("HTTP %d %s", r.status, r.body) }

// granted reports whether the call was carried out.
func (r reply) granted() bool { return r.status < 300 && r.status >= 200 && r.code == 0 }

// quiet is how long an attacker waits for more bytes before closing its side; firstWait, for the first bytes.
const (
	quiet     = 150 * time.Millisecond
	firstWait = 5 * time.Second
	atMost    = 30 * time.Second
)

// send writes bytes to a listener as they are, reads until the other side closes, and parses the replies. When nothing more
// arrives, it closes its own side.
func (n *testEnv) send(t testing.TB, address, request string) []reply {
	t.Helper()
	return n.sendFrom(t, "127.0.0.1", address, request)
}

func (n *testEnv) sendFrom(t testing.TB, from, address, request string) []reply {
	t.Helper()
	return n.read(t, n.bytesFrom(t, from, address, request))
}

func (n *testEnv) bytesOf(t testing.TB, address, request string) []byte {
	t.Helper()
	return n.bytesFrom(t, "127.0.0.1", address, request)
}

func (n *testEnv) bytesFrom(t testing.TB, from, address, request string) []byte {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(atMost))
	chunks := make(chan []byte)
	go func() {
		defer close(chunks)
		for {
			chunk := make([]byte, 8<<10)
			read, err := conn.Read(chunk)
			if read > 0 {
				chunks <- chunk[:read]
			}
			if err != nil {
				return
			}
		}
	}()
	go func() { _, _ = io.WriteString(conn, request) }() // the server may answer and close before it has all
	var all []byte
	idle := time.NewTimer(firstWait)
	defer idle.Stop()
	for {
		select {
		case chunk, more := <-chunks:
			if !more {
				n.mu.Lock()
				n.replies.Write(all)
				n.mu.Unlock()
				return all
			}
			all = append(all, chunk...)
			idle.Reset(quiet)
		case <-idle.C:
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}
}

// read parses replies.
func (n *testEnv) read(t testing.TB, data []byte) (out []reply) {
	t.Helper()
	r := bufio.NewReader(bytes.NewReader(data))
	for {
		if _, err := r.Peek(1); err != nil {
			return out
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("no HTTP reply: %q", data)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatalf("a reply broke off: %q", data)
		}
		envelope := struct {
			ErrCode *int `json:"errCode"`
		}{}
		one := reply{status: resp.StatusCode, code: -1, header: resp.Header, body: string(body)}
		if json.Unmarshal(body, &envelope) == nil && envelope.ErrCode != nil {
			one.code = *envelope.ErrCode
		}
		if resp.StatusCode != http.StatusContinue {
			out = append(out, one)
		}
	}
}

// message writes a request: its first line, headers, and a body with its length. The connection ends with it unless a header
// says otherwise.
func message(line, body string, headers ...string) string {
	if !strings.Contains(strings.ToLower(strings.Join(headers, "\n")), "connection:") {
		headers = append(headers, "Connection: close")
	}
	headers = append([]string{line, "Host: im.example.com"}, headers...)
	if body != "" {
		headers = append(headers, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))
	}
	return strings.Join(headers, "\r\n") + "\r\n\r\n" + body
}

func post(target, body string, headers ...string) string {
	return message("POST "+target+" HTTP/1.1", body, headers...)
}

// whois returns a body of get_users_info that requests one user.
func whois(user string) string { return fmt.Sprintf(`{"userIDs":[%q]}`, user) }

// each runs one case of a class and counts it.
func (n *testEnv) each(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	class := strings.Split(t.Name(), "/")[1]
	n.mu.Lock()
	n.counted[class]++
	n.mu.Unlock()
	t.Run(name, f)
}

// nothingReached fails when a canary reached OpenIM, or the backend in a call for a user or an administrator.
func (n *testEnv) nothingReached(t testing.TB, canary string) {
	t.Helper()
	if seen := n.openimSaw(canary); len(seen) > 0 {
		t.Errorf("OpenIM got %s %s %s", seen[0].Method, seen[0].Path, seen[0].Body)
	}
	if passed := n.tap.holding(canary); len(passed) > 0 {
		t.Errorf("the backend got %s %s %s", passed[0].Method, passed[0].Path, passed[0].Body)
	}
}
