package websocket

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// answer is the reply to an upgrade.
type answer struct {
	StatusCode int
	Header     http.Header
}

// dial returns the socket, or the reply to the upgrade.
func (w *testEnv) dial(q string, header http.Header) (*websocket.Conn, *answer, wire.Envelope) {
	w.t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial(w.url(q), header)
	if err == nil {
		w.t.Cleanup(func() { _ = ws.Close() })
		return ws, &answer{resp.StatusCode, resp.Header}, wire.Envelope{}
	}
	if resp == nil {
		w.t.Fatalf("no answer: %v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	var e wire.Envelope
	if err := json.Unmarshal(body, &e); err != nil {
		w.t.Fatalf("no envelope: %q", body)
	}
	return nil, &answer{resp.StatusCode, resp.Header}, e
}

func packed(v map[string]any) string {
	text, _ := json.Marshal(v)
	return "?v=" + base64.RawURLEncoding.EncodeToString(text)
}

func TestBothFormsOfTheQuery(t *testing.T) {
	full := map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1, "operationID": "o", "compression": "gzip",
		"sdkType": "go", "sendResponse": false, "background": true}
	for name, c := range map[string]struct {
		query string
		code  int // 0: let in
	}{
		"the Go SDK's": {"?sendID=alice&token=alice-token&platformID=1&operationID=o&isBackground=false&compression=gzip", 0},
		"the JS client's": {"?sendID=alice&token=alice-token&platformID=1&operationID=o&isBackground=false&sdkType=js",
			0},
		"with a later SDK's version":         {"?sendID=alice&token=alice-token&platformID=1&operationID=o&isBackground=false&sdkVersion=x", 0},
		"v3.8.3's: nothing but what it asks": {"?sendID=alice&token=alice-token&platformID=1", 0},
		"v=":                                 {packed(full), 0},
		"v= with the least":                  {packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1}), 0},
		"v= and a parameter":                 {packed(full) + "&sendID=alice", wire.CodeArgs},
		"v= twice":                           {packed(full) + "&" + packed(full)[1:], wire.CodeArgs},
		"v= that is no base64":               {"?v=***", wire.CodeArgs},
		"v= with padding": {packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1}) + "=",
			wire.CodeArgs},
		"v= with an unknown member": {packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1,
			"sendID": "bob"}), wire.CodeArgs},
		"v= with a text for a number": {packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": "1"}),
			wire.CodeArgs},
		"v= with a member twice":       {"?v=" + base64.RawURLEncoding.EncodeToString([]byte(`{"token":"alice-token","userID":"bob","userID":"alice","platformID":1}`)), wire.CodeArgs},
		"a parameter twice":            {"?sendID=alice&sendID=bob&token=alice-token&platformID=1", wire.CodeArgs},
		"the token twice":              {"?sendID=alice&token=alice-token&token=alice-token&platformID=1", wire.CodeArgs},
		"an unknown parameter":         {"?sendID=alice&token=alice-token&platformID=1&admin=true", wire.CodeArgs},
		"another spelling":             {"?sendid=alice&token=alice-token&platformID=1", wire.CodeArgs},
		"a semicolon":                  {"?sendID=alice;sendID=bob&token=alice-token&platformID=1", wire.CodeArgs},
		"a platform that is no number": {"?sendID=alice&token=alice-token&platformID=one", wire.CodeArgs},
		"an unknown sdkType":           {"?sendID=alice&token=alice-token&platformID=1&sdkType=rust", wire.CodeArgs},
		"an unknown compression":       {"?sendID=alice&token=alice-token&platformID=1&compression=zstd", wire.CodeArgs},
		"isBackground that is no bool": {"?sendID=alice&token=alice-token&platformID=1&isBackground=perhaps", wire.CodeArgs},
		"no token":                     {"?sendID=alice&platformID=1", wire.CodeArgs},
		"no user":                      {"?token=alice-token&platformID=1", wire.CodeArgs},
		"nothing":                      {"", wire.CodeArgs},
		"an endless query": {"?sendID=alice&token=alice-token&platformID=1&operationID=" + strings.Repeat("x", maxQuery),
			wire.CodeArgs},
		"another user":     {"?sendID=bob&token=alice-token&platformID=1", wire.CodeTokenInvalid},
		"another platform": {"?sendID=alice&token=alice-token&platformID=2", wire.CodeTokenInvalid},
		"an unknown token": {"?sendID=alice&token=guess&platformID=1", wire.CodeTokenNotExist},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			ws, resp, e := w.dial(c.query, nil)
			if c.code == 0 {
				g.Expect(ws).NotTo(BeNil(), "%+v", e)
				return
			}
			g.Expect(ws).To(BeNil())
			g.Expect(resp.StatusCode).To(Equal(200), "SDKs look at the envelope alone")
			g.Expect(e.ErrCode).To(Equal(c.code))
			g.Expect(w.openIM.Queries()).To(BeEmpty(), "nothing reaches OpenIM")
			for _, ev := range w.eventsOf(KindOpened) {
				g.Expect(ev.Detail + ev.Reason).NotTo(ContainSubstring("alice-token"))
			}
		})
	}
}

func TestTheClientsBackgroundReachesOpenIM(t *testing.T) {
	w := newEnv(t)
	w.dial("?sendID=alice&token=alice-token&platformID=1&isBackground=true", nil)
	NewWithT(t).Expect(w.openIM.Queries()[0].Get("isBackground")).To(Equal("true"))
	NewWithT(t).Expect(w.openIM.Queries()[0].Get("operationID")).NotTo(BeEmpty(), "made up: some releases refuse a connection without")
}

func TestEndedSessionsReceiveTheReason(t *testing.T) {
	for cause, code := range map[Cause]int{CauseExpired: wire.CodeTokenExpired, CauseRevoked: wire.CodeTokenKicked} {
		w := newEnv(t)
		w.endSession("session-alice-token", cause)
		_, resp, e := w.dial(query("alice", "alice-token", 1, frame.Encoding{}), nil)
		NewWithT(t).Expect(e.ErrCode).To(Equal(code))
		NewWithT(t).Expect(resp.StatusCode).To(Equal(200))
	}
}

func TestClientsThatReadTheFirstTextFrame(t *testing.T) {
	for name, c := range map[string]struct {
		query string
		code  int
	}{
		"let in":          {query("alice", "alice-token", 1, frame.Encoding{JSON: true}) + "&isMsgResp=true", 0},
		"let in by v=":    {packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1, "sendResponse": true}), 0},
		"unknown token":   {query("alice", "guess", 1, frame.Encoding{}) + "&isMsgResp=true", wire.CodeTokenNotExist},
		"malformed":       {"?isMsgResp=true&admin=1", wire.CodeArgs},
		"malformed in v=": {packed(map[string]any{"sendResponse": true}), wire.CodeArgs},
		"somebody else's": {query("bob", "alice-token", 1, frame.Encoding{}) + "&isMsgResp=true", wire.CodeTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			ws, _, _ := w.dial(c.query, nil)
			g.Expect(ws).NotTo(BeNil(), "a browser cannot read a failed upgrade")
			kind, data, err := ws.ReadMessage()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(kind).To(Equal(websocket.TextMessage))
			var e wire.Envelope
			g.Expect(json.Unmarshal(data, &e)).To(Succeed())
			g.Expect(e.ErrCode).To(Equal(c.code))
			if c.code != 0 {
				_, _, err = ws.ReadMessage()
				g.Expect(err).To(HaveOccurred(), "and then it is closed")
				g.Expect(w.relay.Count()).To(BeZero())
			}
		})
	}
}

func TestTicketsInSubprotocols(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	w.login("single-use", "alice", 1)
	with := func(protocols string) http.Header { return http.Header{"Sec-Websocket-Protocol": {protocols}} }

	ws, resp, _ := w.dial("?sdkType=js", with("openim.v1, ticket.single-use"))
	g.Expect(ws).NotTo(BeNil())
	g.Expect(resp.Header.Get("Sec-WebSocket-Protocol")).To(Equal(Subprotocol), "the ticket is not repeated")
	_, _, e := w.dial("?sdkType=js", with("openim.v1, ticket.single-use"))
	g.Expect(e.ErrCode).To(Equal(wire.CodeTokenNotExist), "once")

	for name, c := range map[string]struct{ query, protocols string }{
		"a ticket and a token":          {"?sendID=alice&token=alice-token&platformID=1", "openim.v1, ticket.x"},
		"a ticket without the protocol": {"", "ticket.x"},
		"two tickets":                   {"", "openim.v1, ticket.x, ticket.y"},
		"an empty ticket":               {"", "openim.v1, ticket."},
		"neither":                       {"", "openim.v1"},
	} {
		_, _, e := w.dial(c.query, with(c.protocols))
		g.Expect(e.ErrCode).To(Equal(wire.CodeArgs), name)
	}
	w.login("other", "alice", 1)
	_, _, e = w.dial("?sendID=bob", with("openim.v1, ticket.other"))
	g.Expect(e.ErrCode).To(Equal(wire.CodeTokenInvalid))
}

func TestOnlyListedPagesMayOpenASocket(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	q := query("alice", "alice-token", 1, frame.Encoding{})
	for origin, ok := range map[string]bool{"https://chat.example.com": true, "https://evil.example.com": false, "null": false,
		"https://chat.example.com.evil.com": false} {
		ws, resp, _ := w.dial(q, http.Header{"Origin": {origin}})
		g.Expect(ws != nil).To(Equal(ok), origin)
		if !ok {
			g.Expect(resp.StatusCode).To(Equal(403))
		}
	}
}

func TestRequestsThatAreNotUpgrades(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	for _, change := range []func(*http.Request){
		func(*http.Request) {},
		func(r *http.Request) { r.Header.Set("Upgrade", "h2c"); r.Header.Set("Connection", "Upgrade") },
		func(r *http.Request) {
			r.Method = "POST"
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Connection", "Upgrade")
		},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.http.URL+query("alice", "alice-token", 1, frame.Encoding{}),
			nil)
		change(req)
		resp, err := http.DefaultClient.Do(req)
		g.Expect(err).NotTo(HaveOccurred())
		_ = resp.Body.Close()
		g.Expect(resp.StatusCode).To(Equal(400))
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestSocketsAreCounted(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t, func(w *testEnv) { w.options.MaxSockets, w.options.MaxPerUser, w.options.MaxPerDevice = 4, 3, 2 })
	w.openIM.SpareSameToken = true
	w.login("alice-2", "alice", 2)
	for _, name := range []string{"bob", "carol"} {
		w.login(name+"-token", name, 1)
	}
	try := func(user, token string, platform int) int {
		_, _, e := w.dial(query(user, token, platform, frame.Encoding{}), nil)
		return e.ErrCode
	}
	first := w.alice()
	w.alice()
	g.Expect(try("alice", "alice-token", 1)).To(Equal(codeTooMany), "the device has two")
	g.Expect(try("alice", "alice-2", 2)).To(BeZero())
	g.Expect(try("alice", "alice-2", 2)).To(Equal(codeTooMany), "the user has three")
	g.Expect(try("bob", "bob-token", 1)).To(BeZero())
	g.Expect(try("carol", "carol-token", 1)).To(Equal(codeTooMany), "the replica has four")
	_ = first.ws.Close()
	eventually(t, "a place is free again", func() bool { return w.relay.hub.checkCapacity() == nil })
	g.Expect(try("carol", "carol-token", 1)).To(BeZero())
}

func TestFailuresOfMsggateway(t *testing.T) {
	q := query("alice", "alice-token", 1, frame.Encoding{Gzip: true})
	for name, c := range map[string]struct {
		change func(*testEnv)
		status int
	}{
		"msggateway is down": {func(w *testEnv) { w.openIM.Stop() }, 503},
		"no token available": {func(w *testEnv) { w.down["tokens"] = true }, 503},
		"every token refused": {func(w *testEnv) {
			w.openIM.Check = func(url.Values) (int, string) { return wire.CodeTokenKicked, "kicked" }
		}, 502},
		"msggateway is full": {func(w *testEnv) { w.openIM.Check = func(url.Values) (int, string) { return codeTooMany, "full" } }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			c.change(w)
			_, resp, e := w.dial(q, nil)
			g.Expect(resp.StatusCode).To(Equal(c.status))
			g.Expect(wire.IsTokenError(e.ErrCode)).To(BeFalse(), "no SDK forgets its session over it")
			g.Expect(e.ErrMsg).NotTo(ContainSubstring("eyJ"))
			for _, ev := range w.eventsOf(KindOpened) {
				g.Expect(ev.Verdict).To(Equal(VerdictFailed))
				g.Expect(ev.Detail).NotTo(ContainSubstring("eyJ"))
				g.Expect(ev.Detail).NotTo(ContainSubstring("sendID="))
			}
			g.Expect(w.relay.hub.reserved).To(BeZero())
		})
	}
}
