package websocket

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// soon is a generous bound for what takes milliseconds on an idle machine.
const soon = time.Minute

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		serveChild(mode, os.Getenv(childMode+"_UPSTREAM"))
	}
	goleak.VerifyTestMain(m)
}

// openIMToken is OpenIM's token, which no client may receive.
const openIMToken = "eyJhbGciOiJIUzI1NiJ9.eyJVc2VySUQiOiJhbGljZSIsIlBsYXRmb3JtSUQiOjF9.c2lnbmF0dXJl"

// testEnv is a relay with a stand-in for msggateway. It implements all interfaces that the relay uses.
type testEnv struct {
	t       testing.TB
	openIM  *msggatewaytest.Server
	relay   *Relay
	http    *httptest.Server
	options Options

	mu       sync.Mutex
	sessions map[string]Identity // by token or ticket
	tickets  map[string]bool
	ended    map[string]Cause // by session id
	attached map[string][]*func(Cause)
	member   func(user, conversation string) bool
	down     map[string]bool // "members", "tokens"
	refused  []string        // hashes of refused tokens
	judge    func(Identity, *Frame) *Refusal
	events   []Event
}

func newEnv(t testing.TB, change ...func(*testEnv)) *testEnv {
	t.Helper()
	w := &testEnv{
		t: t, openIM: msggatewaytest.New(t), sessions: map[string]Identity{}, tickets: map[string]bool{}, ended: map[string]Cause{},
		attached: map[string][]*func(Cause){}, down: map[string]bool{},
		member: func(user, conversation string) bool {
			return strings.Contains(conversation, user) || conversation == "sg_ours"
		},
	}
	timing := defaultTiming
	timing.closing = 300 * time.Millisecond
	w.options = Options{
		URL:        w.openIM.URL(),
		Sessions:   w,
		Upstream:   w,
		Members:    w,
		Authorizer: w,
		AuditLog:   w,
		Registry:   prometheus.NewRegistry(),
		Origin:     func(o string) bool { return o == "https://chat.example.com" },
		timing:     timing,
	}
	w.login("alice-token", "alice", 1)
	for _, c := range change {
		c(w)
	}
	var err error
	if w.relay, err = New(w.options); err != nil {
		t.Fatal(err)
	}
	w.http = httptest.NewUnstartedServer(w.relay)
	w.http.Config.MaxHeaderBytes = wire.MaxUserHeaderBytes
	w.http.Start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		if err := w.relay.Drain(ctx, 0); err != nil {
			t.Errorf("sockets are left: %v", err)
		}
		w.http.Close()
	})
	return w
}

func (w *testEnv) login(token, user string, platform int32) Identity {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := Identity{UserID: user, DeviceID: "device-" + token, PlatformID: platform, SessionID: "session-" + token,
		Expires: time.Now().Add(time.Hour)}
	w.sessions[token] = id
	return id
}

func (w *testEnv) find(credential string) (Identity, *wire.Failure) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id, ok := w.sessions[credential]
	if !ok {
		return Identity{}, &wire.Failure{Name: "unknown", Status: 200, ErrCode: wire.CodeTokenNotExist,
			Text: "this session is not known: log in again"}
	}
	switch w.ended[id.SessionID] {
	case CauseRevoked:
		return Identity{}, &wire.Failure{Name: "revoked", Status: 200, ErrCode: wire.CodeTokenKicked,
			Text: "this session was revoked: log in again"}
	case CauseExpired:
		return Identity{}, &wire.Failure{Name: "expired", Status: 200, ErrCode: wire.CodeTokenExpired,
			Text: "this session has expired: log in again"}
	}
	return id, nil
}

func (w *testEnv) Authenticate(_ context.Context, token string) (Identity, *wire.Failure) {
	return w.find(token)
}

func (w *testEnv) Redeem(_ context.Context, ticket string) (Identity, *wire.Failure) {
	w.mu.Lock()
	used := w.tickets[ticket]
	w.tickets[ticket] = true
	w.mu.Unlock()
	if used {
		return w.find("")
	}
	return w.find(ticket)
}

func (w *testEnv) Attach(id Identity, end func(Cause)) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cause, ended := w.ended[id.SessionID]; ended {
		end(cause)
		return func() {}
	}
	entry := &end
	w.attached[id.SessionID] = append(w.attached[id.SessionID], entry)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.attached[id.SessionID] = slices.DeleteFunc(w.attached[id.SessionID], func(e *func(Cause)) bool { return e == entry })
	}
}

func (w *testEnv) attachments() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, list := range w.attached {
		n += len(list)
	}
	return n
}

func (w *testEnv) endSession(session string, cause Cause) {
	w.mu.Lock()
	w.ended[session] = cause
	ends := slices.Clone(w.attached[session])
	w.mu.Unlock()
	for _, end := range ends {
		(*end)(cause)
	}
}

func (w *testEnv) Token(_ context.Context, _ Identity, refused string) (string, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down["tokens"] {
		return "", "", errors.New("the backend is unreachable")
	}
	if refused != "" {
		w.refused = append(w.refused, refused)
		return openIMToken + "2", "hash2", nil
	}
	return openIMToken, "hash1", nil
}

func (w *testEnv) Member(_ context.Context, id Identity, conversations []string) ([]bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down["members"] {
		return nil, errors.New("the backend is unreachable")
	}
	if len(conversations) > MaxConversationsPerCall {
		return nil, errors.New("too many at once")
	}
	out := make([]bool, len(conversations))
	for i, c := range conversations {
		out[i] = w.member(id.UserID, c)
	}
	return out, nil
}

func (w *testEnv) Frame(_ context.Context, id Identity, f *Frame) *Refusal {
	w.mu.Lock()
	judge := w.judge
	w.mu.Unlock()
	if judge == nil {
		return nil
	}
	return judge(id, f)
}

func (w *testEnv) Event(_ context.Context, e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Frame != nil {
		f := *e.Frame
		e.Frame = &f
	}
	w.events = append(w.events, e)
}

func (w *testEnv) eventsOf(kind Kind) []Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Event
	for _, e := range w.events {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

// peer is a client that uses the same libraries as the official Go SDK.
type peer struct {
	t    testing.TB
	ws   *websocket.Conn
	enc  frame.Encoding
	user string
	incr int

	operation string
}

func query(user, token string, platform int, enc frame.Encoding) string {
	q := fmt.Sprintf("?sendID=%s&token=%s&platformID=%d&operationID=op1&isBackground=false", user, token, platform)
	if enc.Gzip {
		q += "&compression=gzip"
	}
	if enc.JSON {
		q += "&sdkType=js"
	}
	return q
}

func (w *testEnv) url(q string) string {
	return "ws" + strings.TrimPrefix(w.http.URL, "http") + wire.SocketPath + q
}

func (w *testEnv) connect(user, token string, platform int, enc frame.Encoding) *peer {
	w.t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial(w.url(query(user, token, platform, enc)), nil)
	if err != nil {
		body := ""
		if resp != nil {
			b, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			body = string(b)
		}
		w.t.Fatalf("connect: %v %s", err, body)
	}
	w.t.Cleanup(func() { _ = ws.Close() })
	return &peer{t: w.t, ws: ws, enc: enc, user: user, operation: "op"}
}

func (w *testEnv) alice() *peer {
	return w.connect("alice", "alice-token", 1, frame.Encoding{Gzip: true})
}

// generalWsReq is the Go SDK's own struct.
type generalWsReq struct {
	ReqIdentifier                       int
	Token, SendID, OperationID, MsgIncr string
	Data                                []byte
}

func (p *peer) encode(id int, outer string, data []byte) []byte {
	p.incr++
	incr := strconv.Itoa(p.incr)
	var out bytes.Buffer
	if p.enc.JSON {
		_ = json.NewEncoder(&out).Encode(map[string]any{"reqIdentifier": id, "sendID": outer, "operationID": p.operation, "msgIncr": incr,
			"data": data})
	} else if err := gob.NewEncoder(&out).Encode(generalWsReq{ReqIdentifier: id, SendID: outer, OperationID: p.operation, MsgIncr: incr,
		Data: data}); err != nil {
		p.t.Fatal(err)
	}
	if !p.enc.Gzip {
		return out.Bytes()
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(out.Bytes())
	_ = w.Close()
	return packed.Bytes()
}

func (p *peer) send(id int, data []byte) { p.raw(p.encode(id, p.user, data)) }

func (p *peer) raw(data []byte) {
	p.t.Helper()
	_ = p.ws.SetWriteDeadline(time.Now().Add(soon))
	if err := p.ws.WriteMessage(websocket.BinaryMessage, data); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// read returns the next binary frame.
func (p *peer) read() (msggatewaytest.Resp, error) {
	_ = p.ws.SetReadDeadline(time.Now().Add(soon))
	for {
		kind, data, err := p.ws.ReadMessage()
		if err != nil {
			return msggatewaytest.Resp{}, err
		}
		if kind != websocket.BinaryMessage {
			continue
		}
		if p.enc.Gzip {
			r, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return msggatewaytest.Resp{}, err
			}
			if data, err = io.ReadAll(r); err != nil {
				return msggatewaytest.Resp{}, err
			}
		}
		var resp msggatewaytest.Resp
		if p.enc.JSON {
			return resp, json.Unmarshal(data, &resp)
		}
		return resp, gob.NewDecoder(bytes.NewReader(data)).Decode(&resp)
	}
}

func (p *peer) next() msggatewaytest.Resp {
	p.t.Helper()
	resp, err := p.read()
	if err != nil {
		p.t.Fatalf("read: %v", err)
	}
	return resp
}

// ask sends a request and returns its reply.
func (p *peer) ask(id int, data []byte) msggatewaytest.Resp {
	p.t.Helper()
	p.send(id, data)
	return p.next()
}

// closed waits for the close frame and returns its code.
func (p *peer) closed() int {
	p.t.Helper()
	for {
		_, err := p.read()
		if ce, ok := errors.AsType[*websocket.CloseError](err); ok {
			return ce.Code
		}
		if err != nil {
			p.t.Fatalf("no close frame: %v", err)
		}
	}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	NewWithT(t).Eventually(ok).WithTimeout(soon).WithPolling(5*time.Millisecond).Should(BeTrue(), what)
}
