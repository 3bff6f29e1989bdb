package websocket

import (
	"encoding/json"
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const page = "https://chat.example.com"

// explained sends a plain GET to the socket's URL.
func (w *testEnv) explained(query, origin string) (*http.Response, wire.Envelope) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.http.URL+wire.SocketPath+query, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := w.http.Client().Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	var e wire.Envelope
	err = json.NewDecoder(resp.Body).Decode(&e)
	_ = resp.Body.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	return resp, e
}

// TestAPlainGETReturnsTheReason: a page cannot read the reply to a failed upgrade, so that newer SDKs request the URL by a plain GET.
func TestAPlainGETReturnsTheReason(t *testing.T) {
	none := frame.Encoding{}
	for name, c := range map[string]struct {
		query  string
		change func(*testEnv)
		code   int
	}{
		"expired": {query("alice", "alice-token", 1, none), func(w *testEnv) { w.ended["session-alice-token"] = CauseExpired },
			wire.CodeTokenExpired},
		"revoked": {query("alice", "alice-token", 1, none), func(w *testEnv) { w.ended["session-alice-token"] = CauseRevoked },
			wire.CodeTokenKicked},
		"unknown":      {query("alice", "no-token", 1, none) + "&isMsgResp=true", func(*testEnv) {}, wire.CodeTokenNotExist},
		"another user": {query("bob", "alice-token", 1, none), func(*testEnv) {}, wire.CodeTokenInvalid},
		"a pattern": {query("a.b", "pattern-token", 1, none), func(w *testEnv) { w.login("pattern-token", "a.b", 1) },
			wire.CodeNoPermission},
		"another platform": {query("alice", "alice-token", 2, none), func(*testEnv) {}, wire.CodeTokenInvalid},
		"malformed":        {"?sendID=alice&sendID=bob", func(*testEnv) {}, wire.CodeArgs},
		"limited": {query("alice", "alice-token", 1, none), func(w *testEnv) {
			w.judge = func(Identity, *Frame) *Refusal { return &Refusal{ErrCode: wire.Limited.ErrCode, Reason: "limited"} }
		}, wire.Limited.ErrCode},
		"too many": {query("alice", "alice-token", 1, none), func(w *testEnv) { w.relay.hub.perUser = 0 }, codeTooMany},
		"nothing":  {query("alice", "alice-token", 1, none), func(*testEnv) {}, wire.CodeArgs},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			c.change(w)
			for _, origin := range []string{page, ""} {
				resp, e := w.explained(c.query, origin) //nolint:bodyclose // explained has closed it
				g.Expect(e.ErrCode).To(Equal(c.code))
				g.Expect(e.ErrMsg != "" || name == "limited").To(BeTrue())
				g.Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal(origin))
				if wire.IsTokenError(e.ErrCode) {
					g.Expect(resp.StatusCode).To(Equal(http.StatusOK), "SDKs read the envelope of no other")
				}
			}
			g.Expect(w.relay.hub.reserved).To(BeZero(), "no socket is spent")
			g.Expect(w.openIM.Queries()).To(BeEmpty())
		})
	}
}

func TestAPlainGETOfAnotherPageLearnsNothing(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	resp, e := w.explained(query("alice", "alice-token", 1, frame.Encoding{}),
		"https://evil.example.com") //nolint:bodyclose // explained has closed it
	g.Expect(resp.StatusCode).To(Equal(http.StatusForbidden))
	g.Expect(e.ErrCode).To(Equal(wire.CodeNoPermission))
	g.Expect(resp.Header).NotTo(HaveKey("Access-Control-Allow-Origin"))
}

func TestAPlainGETRedeemsNoTicket(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	w.login("once", "alice", 1)
	protocols := http.Header{"Sec-Websocket-Protocol": {"openim.v1, ticket.once"}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, w.http.URL+wire.SocketPath+"?sdkType=js", nil)
	req.Header = protocols.Clone()
	resp, err := w.http.Client().Do(req)
	g.Expect(err).NotTo(HaveOccurred())
	_ = resp.Body.Close()
	g.Expect(resp.StatusCode).To(Equal(http.StatusBadRequest))
	ws, _, _ := w.dial("?sdkType=js", protocols)
	g.Expect(ws).NotTo(BeNil(), "it is good still")
}
