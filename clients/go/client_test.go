package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// start starts a gateway over TLS, which stops at the end of the test.
func start(t *testing.T) *gateway {
	t.Helper()
	g, err := newGateway(httptest.NewTLSServer, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) client(t *testing.T, change ...func(*client.Options)) *client.Client {
	t.Helper()
	o := client.Options{BaseURL: g.URL, PinnedKeys: g.publicKeys(), HTTPClient: g.Client(), Version: "1.0"}
	for _, f := range change {
		f(&o)
	}
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func device(t *testing.T) client.Device {
	t.Helper()
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return client.Device{Key: key, PlatformID: 7, Name: "a laptop"}
}

func enrolled(t *testing.T, g *gateway, c *client.Client, userID string) (client.Device, *client.Session) {
	t.Helper()
	d := device(t)
	s, err := c.Enrol(t.Context(), g.issue(userID), d)
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func TestADeviceEnrolsAndLogsIn(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	c := gw.client(t)
	d, first := enrolled(t, gw, c, "alice")
	g.Expect(first.UserID).To(Equal("alice"))
	g.Expect(first.PlatformID).To(BeEquivalentTo(7))
	g.Expect(first.Idle).To(Equal(time.Hour))
	g.Expect(first.Expires).To(BeTemporally("~", time.Now().Add(24*time.Hour), time.Minute))

	second, err := c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.DeviceID).To(Equal(first.DeviceID))
	g.Expect(second.Token()).NotTo(Equal(first.Token()))
	g.Expect(second.Check(t.Context())).To(Succeed())
	g.Expect(gw.called(wire.WellKnownPath)).To(Equal(1), "the key document is kept for a while")

	_, err = c.Login(t.Context(), device(t))
	g.Expect(err).To(MatchError(client.ErrRefused), "a key that is not enrolled")
	_, err = c.Enrol(t.Context(), handshake.NewCode().Reveal(), device(t))
	g.Expect(err).To(MatchError(client.ErrRefused), "a code that was not issued")
	_, err = c.Enrol(t.Context(), "not a code", device(t))
	g.Expect(err).To(MatchError(handshake.ErrCode))
	_, err = c.Login(t.Context(), client.Device{PlatformID: 7})
	g.Expect(err).To(MatchError(ContainSubstring("GenerateKey")))
	bad := d
	bad.Name = strings.Repeat("x", 129)
	_, err = c.Login(t.Context(), bad)
	g.Expect(err).To(MatchError(ContainSubstring("128 bytes")))
}

func TestWhatASessionCanDo(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	c := gw.client(t)
	d, s := enrolled(t, gw, c, "alice")

	ticket, err := s.Ticket(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(ticket.Subprotocols()).To(Equal([]string{websocket.Subprotocol, "ticket.single-use"}))
	g.Expect(ticket.Expires).To(BeTemporally("~", time.Now(), time.Minute))

	code, err := s.IssueCode(t.Context(), 7)
	g.Expect(err).NotTo(HaveOccurred())
	other := device(t)
	further, err := c.Enrol(t.Context(), code.Code, other)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(further.UserID).To(Equal("alice"))

	devices, err := s.Devices(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(devices).To(HaveLen(2))
	g.Expect(devices[0].Key).To(Equal(d.Key.Public()))

	g.Expect(s.RevokeDevice(t.Context(), further.DeviceID)).To(Succeed())
	g.Expect(further.Check(t.Context())).To(MatchError(client.ErrRevoked))
	_, err = c.Login(t.Context(), other)
	g.Expect(err).To(MatchError(client.ErrRefused))
	devices, err = s.Devices(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(devices[1].Status).To(Equal(internalapi.DeviceRevoked))

	second, err := c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Revoke(t.Context(), client.ThisSession)).To(Succeed())
	g.Expect(s.Check(t.Context())).To(MatchError(client.ErrRevoked))
	g.Expect(second.Check(t.Context())).To(Succeed(), "another session of the device stays valid")
	third, err := c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third.Revoke(t.Context(), client.Everywhere)).To(Succeed())
	g.Expect(second.Check(t.Context())).To(MatchError(client.ErrRevoked))
}

func TestAKeyIsRotated(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	c := gw.client(t)
	d, first := enrolled(t, gw, c, "alice")
	next, err := client.GenerateKey()
	g.Expect(err).NotTo(HaveOccurred())
	s, err := c.Rotate(t.Context(), d, next)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.DeviceID).To(Equal(first.DeviceID))
	_, err = c.Login(t.Context(), d)
	g.Expect(err).To(MatchError(client.ErrRefused))
	d.Key = next
	_, err = c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAGatewayIsKnownByItsKey(t *testing.T) {
	t.Run("without a pin the first document needs https", func(t *testing.T) {
		_, err := client.New(client.Options{BaseURL: "http://im.example.com"})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("https")))
	})
	t.Run("without a pin the keys of the first document are pinned", func(t *testing.T) {
		g := NewWithT(t)
		gw := start(t)
		c := gw.client(t, func(o *client.Options) { o.PinnedKeys = nil })
		g.Expect(c.PinnedKeys()).To(BeEmpty())
		enrolled(t, gw, c, "alice")
		g.Expect(c.PinnedKeys()).To(Equal(gw.publicKeys()))
	})
	t.Run("with a pin the proof works over plain http", func(t *testing.T) {
		g := NewWithT(t)
		gw, err := newGateway(httptest.NewServer, "https://im.example.com")
		g.Expect(err).NotTo(HaveOccurred())
		defer gw.Close()
		c := gw.client(t, func(o *client.Options) { o.Audience = "https://im.example.com" })
		enrolled(t, gw, c, "alice")
	})
	t.Run("a gateway without the pinned key receives no login", func(t *testing.T) {
		g := NewWithT(t)
		gw, other := start(t), start(t)
		c := gw.client(t, func(o *client.Options) { o.PinnedKeys = other.publicKeys() })
		_, err := c.Login(t.Context(), device(t))
		g.Expect(err).To(MatchError(client.ErrServerKey))
		g.Expect(gw.called(wire.AuthPrefix)).To(BeZero())
	})
	t.Run("a server without the private key of its document is refused", func(t *testing.T) {
		g := NewWithT(t)
		gw, relay := start(t), start(t)
		document, err := gw.service.WellKnown()
		g.Expect(err).NotTo(HaveOccurred())
		document.Audience = relay.URL
		text, err := document.Encode()
		g.Expect(err).NotTo(HaveOccurred())
		relay.fail[wire.WellKnownPath] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }
		// It answers the first call with a forged second message.
		relay.fail[wire.PathLoginStart] = func(w http.ResponseWriter, _ *http.Request) {
			reply, _ := json.Marshal(handshake.StartReply{
				HandshakeID: handshake.Text(make([]byte, 16)), Message: handshake.Text(make([]byte, handshake.Message2Bytes)),
			})
			wire.WriteEnvelope(w, 200, wire.Envelope{Data: reply})
		}
		c := relay.client(t, func(o *client.Options) { o.PinnedKeys = gw.publicKeys() })
		_, err = c.Login(t.Context(), device(t))
		g.Expect(err).To(MatchError(client.ErrServerProof))
		g.Expect(relay.called(wire.PathLoginFinish)).To(BeZero(), "and does not learn the caller's key")
	})
	t.Run("a relay to the real gateway is refused", func(t *testing.T) {
		g := NewWithT(t)
		gw, relay := start(t), start(t)
		document, err := gw.service.WellKnown()
		g.Expect(err).NotTo(HaveOccurred())
		document.Audience = relay.URL // BaseURL is the relay's address
		text, err := document.Encode()
		g.Expect(err).NotTo(HaveOccurred())
		relay.fail[wire.WellKnownPath] = func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }
		relay.fail[wire.PathLoginStart] = gw.ServeHTTP
		relay.fail[wire.PathLoginFinish] = gw.ServeHTTP
		c := relay.client(t, func(o *client.Options) { o.PinnedKeys = gw.publicKeys() })
		_, err = c.Login(t.Context(), device(t))
		g.Expect(err).To(MatchError(client.ErrRefused), "the origins in the two prologues differ")
	})
	t.Run("a gateway of another origin is refused", func(t *testing.T) {
		g := NewWithT(t)
		gw := start(t)
		c := gw.client(t, func(o *client.Options) { o.Audience = "https://elsewhere.example.com" })
		_, err := c.Login(t.Context(), device(t))
		g.Expect(err).To(MatchError(client.ErrAudience))
		g.Expect(err).To(MatchError(ContainSubstring(gw.URL)))
	})
}

func TestTheGatewaysKeysRotateWhileTheClientRuns(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	c := gw.client(t)
	stopped := gw.client(t)
	d, _ := enrolled(t, gw, c, "alice")
	_, err := stopped.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())

	g.Expect(gw.addKey("2")).To(Succeed())
	_, err = c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.PinnedKeys()).To(Equal(gw.publicKeys()), "the reply that the old key authenticated names the new key")

	g.Expect(gw.removeKey("1")).To(Succeed())
	before := gw.called(wire.WellKnownPath)
	_, err = c.Login(t.Context(), d)
	g.Expect(err).NotTo(HaveOccurred(), "the gateway refuses the key of the cached document, and the client fetches the document again")
	g.Expect(gw.called(wire.WellKnownPath)).To(Equal(before + 1))

	_, err = stopped.Login(t.Context(), d)
	g.Expect(err).To(MatchError(client.ErrServerKey), "a client that missed the rotation knows no key of the gateway")
}

func TestARefusedLoginIsNotRepeatedWithTheSameKey(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	c := gw.client(t)
	_, err := c.Login(t.Context(), device(t))
	g.Expect(err).To(MatchError(client.ErrRefused))
	calls := []int{gw.called(wire.PathLoginStart), gw.called(wire.PathLoginFinish), gw.called(wire.WellKnownPath)}
	g.Expect(calls).To(Equal([]int{1, 1, 1}))
}

func TestErrorsAreDistinguishable(t *testing.T) {
	for _, c := range []struct {
		name  string
		path  string
		reply http.HandlerFunc
		want  error
		also  string
	}{
		{"expired", wire.PathSession, envelope(200, wire.CodeTokenExpired), client.ErrExpired, "errCode 1501"},
		{"revoked", wire.PathSession, envelope(200, wire.CodeTokenKicked), client.ErrRevoked, ""},
		{"replaced", wire.PathSession, func(w http.ResponseWriter, _ *http.Request) {
			wire.WriteEnvelope(w, 200, wire.Envelope{ErrCode: wire.CodeTokenKicked, ErrMsg: wire.ReplacedText})
		}, client.ErrReplaced, "only when the user asks"},
		{"replaced, for programs that know it not", wire.PathSession, func(w http.ResponseWriter, _ *http.Request) {
			wire.WriteEnvelope(w, 200, wire.Envelope{ErrCode: wire.CodeTokenKicked, ErrMsg: wire.ReplacedText})
		}, client.ErrRevoked, ""},
		{"unknown", wire.PathSession, envelope(200, wire.CodeTokenNotExist), client.ErrNoSession, ""},
		{"malformed", wire.PathSession, envelope(200, wire.CodeTokenMalformed), client.ErrNoSession, ""},
		{"invalid, of a session", wire.PathSession, envelope(200, wire.CodeTokenInvalid), client.ErrNoSession, ""},
		{"forbidden", wire.PathSession, envelope(200, wire.CodeNoPermission), client.ErrForbidden, ""},
		{"busy", wire.PathSession, envelope(429, 500), client.ErrBusy, "HTTP 429"},
		{"unavailable", wire.PathSession, envelope(503, 500), client.ErrUnavailable, ""},
		{"an error page of a proxy", wire.PathSession, raw(502, "<html>"), client.ErrUnavailable, "Bad Gateway"},
		{"no envelope", wire.PathSession, raw(200, "<html>"), client.ErrReply, ""},
		{"endless", wire.PathSession, raw(200, strings.Repeat(" ", 1<<20+1)), client.ErrReply, "larger"},
		{"a redirect", wire.PathSession, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.com/", http.StatusTemporaryRedirect)
		}, nil, "HTTP 307"},
		{"arguments", wire.PathSession, envelope(200, wire.CodeArgs), nil, "errCode 1001"},
		{"data that is not an object", wire.PathTickets, raw(200, `{"errCode":0,"data":[]}`), client.ErrReply, ""},
		{"no data", wire.PathTickets, raw(200, `{"errCode":0}`), client.ErrReply, ""},
		{"a login that is refused", wire.PathLoginStart, envelope(200, wire.CodeTokenInvalid), client.ErrRefused, ""},
		{"an empty start reply", wire.PathLoginStart, raw(200, `{"errCode":0,"data":{}}`), client.ErrServerProof, ""},
		{"an empty finish reply", wire.PathLoginFinish, raw(200, `{"errCode":0,"data":{}}`), client.ErrServerProof, ""},
		{"an empty document", wire.WellKnownPath, raw(200, `{}`), handshake.ErrWellKnown, ""},
		{"no document", wire.WellKnownPath, raw(404, `not found`), nil, "HTTP 404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			gw := start(t)
			d, s := enrolled(t, gw, gw.client(t), "alice")
			gw.mu.Lock()
			gw.fail[c.path] = c.reply
			gw.mu.Unlock()
			var err error
			switch c.path {
			case wire.PathSession:
				err = s.Check(t.Context())
			case wire.PathTickets:
				_, err = s.Ticket(t.Context())
			default:
				_, err = gw.client(t).Login(t.Context(), d)
			}
			g.Expect(err).To(MatchError(ContainSubstring(c.also)))
			if c.want != nil {
				g.Expect(err).To(MatchError(c.want))
			}
			g.Expect(err.Error()).NotTo(ContainSubstring(s.Token()))
		})
	}
}

func envelope(status, code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		wire.WriteEnvelope(w, status, wire.Envelope{ErrCode: code, ErrMsg: "no"})
	}
}

func raw(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	_, s := enrolled(t, gw, gw.client(t), "alice")
	gw.mu.Lock()
	gw.fail[wire.PathSession] = func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the server notices a closed connection only after the body is read
		<-r.Context().Done()
	}
	gw.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Check(ctx)
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(err).To(MatchError(client.ErrUnavailable))
}

func TestAddressesForSDKs(t *testing.T) {
	for base, want := range map[string][2]string{
		"https://im.example.com":       {"https://im.example.com/im/v1", "wss://im.example.com/im/v1/ws"},
		"https://im.example.com/":      {"https://im.example.com/im/v1", "wss://im.example.com/im/v1/ws"},
		"http://127.0.0.1:8082":        {"http://127.0.0.1:8082/im/v1", "ws://127.0.0.1:8082/im/v1/ws"},
		"https://example.com/chat/one": {"https://example.com/chat/one/im/v1", "wss://example.com/chat/one/im/v1/ws"},
	} {
		g := NewWithT(t)
		key, err := client.GenerateKey()
		g.Expect(err).NotTo(HaveOccurred())
		c, err := client.New(client.Options{BaseURL: base, PinnedKeys: []string{key.Public()}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect([2]string{c.APIAddr(), c.WSAddr()}).To(Equal(want))
	}
	for _, base := range []string{
		"", "im.example.com", "ftp://im.example.com", "https://", "https://u:p@im.example.com", "https://a?b", "https://a#b", "https://a b",
	} {
		_, err := client.New(client.Options{BaseURL: base})
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("BaseURL")), base)
	}
	_, err := client.New(client.Options{BaseURL: "https://im.example.com", PinnedKeys: []string{"short"}})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("PinnedKeys")))
	_, err = client.New(client.Options{BaseURL: "https://im.example.com", PinnedKeys: []string{strings.Repeat("A", 43)}})
	NewWithT(t).Expect(err).To(MatchError(handshake.ErrKeyPoint))
}

func TestSecretsAreNotPrinted(t *testing.T) {
	g := NewWithT(t)
	gw := start(t)
	d, s := enrolled(t, gw, gw.client(t), "alice")
	ticket, err := s.Ticket(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", d.Key, "session", s)
	printed := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %#v", d.Key, d.Key, d.Key, d.Key, s, s, s, ticket, ticket) + log.String()
	for _, secret := range []string{d.Key.Reveal(), s.Token(), ticket.Text} {
		g.Expect(printed).NotTo(ContainSubstring(secret))
	}
	g.Expect(printed).To(And(ContainSubstring(d.Key.Public()), ContainSubstring("alice")))

	again, err := client.ParseKey(d.Key.Reveal())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Public()).To(Equal(d.Key.Public()))
	for _, text := range []string{"", "short", d.Key.Reveal() + "=", strings.Repeat("!", 43)} {
		_, err = client.ParseKey(text)
		g.Expect(err).To(MatchError(ContainSubstring("base64url")))
	}
}
