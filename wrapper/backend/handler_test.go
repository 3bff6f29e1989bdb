package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

type constant string

func (c constant) Get() ([]byte, error) { return []byte(c), nil }

const key = constant("0123456789abcdef0123456789abcdef")

// openIM answers calls with a function.
type openIM func(context.Context, openimclient.Request) (wire.Envelope, error)

func (f openIM) Call(ctx context.Context, r openimclient.Request) (wire.Envelope, error) {
	return f(ctx, r)
}

func unasked(context.Context, openimclient.Request) (wire.Envelope, error) {
	panic("OpenIM must not be asked")
}

// known believes the proofs of the tests: the role, before the name.
type known struct{}

func proofOf(p auth.Principal) string { return string(p.Role) + " " + p.Subject + " " + p.Session }

func (known) Verify(token string) (auth.Principal, *auth.Refusal) {
	if token != "admin root " {
		return auth.Principal{}, auth.NoToken(true)
	}
	return auth.Principal{Subject: "root", Issuer: "https://id", Role: auth.RoleAdmin}, nil
}

func (known) VerifyProof(_ context.Context, text string) (session.Proof, error) {
	if text != "user alice s" {
		return session.Proof{}, session.ErrUnknown
	}
	return session.Proof{Session: session.Session{ID: "s", UserID: "alice", DeviceID: "d", PlatformID: 5}}, nil
}

func newHandler(openim openIM, log ...io.Writer) http.Handler {
	reg := prometheus.NewRegistry()
	h := &handler{assertions: auth.NewAssertions(key, time.Now), proofs: proofVerifier{admins: known{}}, openim: openim,
		concurrency: newConcurrency(reg, routes.Limits)}
	return httpserver.NewRecorder(slog.New(slog.NewJSONHandler(io.MultiWriter(log...), nil)), reg, time.Now).Wrap(h)
}

// request is one of the gateway's, with a good assertion for it.
func request(t *testing.T, method, target, body string, role auth.Role) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "r-1")
	call := auth.Call{Principal: auth.Principal{Subject: "root", Issuer: "https://id", Role: role}, Method: method, Path: target,
		RequestID: "r-1", Body: []byte(body)}
	call.Proof = proofOf(call.Principal)
	r.Header.Set(wire.HeaderProof, call.Proof)
	token, err := auth.Assert(key, call, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func serveOne(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const infoPath = "/admin/v1/user/get_users_info"

func TestACallReachesOpenIMAsTheTableSays(t *testing.T) {
	g := NewWithT(t)
	var seen openimclient.Request
	var left time.Duration
	w := serveOne(newHandler(func(ctx context.Context, r openimclient.Request) (wire.Envelope, error) {
		deadline, _ := ctx.Deadline()
		seen, left = r, time.Until(deadline)
		return wire.Envelope{ErrCode: 1004, ErrMsg: "RecordNotFoundError"}, nil
	}), request(t, "POST", infoPath, `{"userIDs":["alice"]}`, auth.RoleAdmin))
	g.Expect(seen).To(Equal(openimclient.Request{Path: "/user/get_users_info", Body: []byte(`{"userIDs":["alice"]}`), RequestID: "r-1",
		Repeatable: true}))
	g.Expect(left).To(And(BeNumerically(">", 0), BeNumerically("<=", routes.Read.Deadline)))
	g.Expect(w.Code).To(Equal(200), "an error of OpenIM's is a reply of OpenIM's")
	g.Expect(w.Body.String()).To(MatchJSON(`{"errCode":1004,"errMsg":"RecordNotFoundError","errDlt":""}`))
	g.Expect(w.Header().Get("X-Openim-Err-Code")).To(Equal("1004"))
}

func TestWhatTheBackendRefusesByItself(t *testing.T) {
	const good = `{"userIDs":["alice"]}`
	for _, c := range []struct {
		name   string
		make   func(*testing.T) *http.Request
		status int
		reason string
	}{
		{"no assertion", func(t *testing.T) *http.Request {
			r := request(t, "POST", infoPath, good, auth.RoleAdmin)
			r.Header.Del("Authorization")
			return r
		}, 401, "unauthenticated"},
		{"an assertion for another path", func(t *testing.T) *http.Request {
			r := request(t, "POST", "/admin/v1/auth/force_logout", good, auth.RoleAdmin)
			r.RequestURI = infoPath
			return r
		}, 401, "unauthenticated"},
		{"an assertion for another body", func(t *testing.T) *http.Request {
			r := request(t, "POST", infoPath, good, auth.RoleAdmin)
			r.Body, r.ContentLength = http.NoBody, 0
			return r
		}, 401, "unauthenticated"},
		{"a caller without role", func(t *testing.T) *http.Request { return request(t, "POST", infoPath, good, "") }, 403, "forbidden"},
		{"a role nobody knows", func(t *testing.T) *http.Request { return request(t, "POST", infoPath, good, "superadmin") }, 403, "forbidden"},
		{"a route for nobody", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/auth/get_user_token", `{}`, auth.RoleAdmin)
		}, 403, "nobody"},
		{"no route", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/object/no_such_route", `{}`, auth.RoleAdmin)
		}, 404, "unknown_route"},
		{"OpenIM's path without our prefix", func(t *testing.T) *http.Request {
			return request(t, "POST", "/user/get_users_info", good, auth.RoleAdmin)
		}, 404, "unknown_route"},
		{"an escaped path", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/user%2fget_users_info", good, auth.RoleAdmin)
		}, 404, "unknown_route"},
		{"another method", func(t *testing.T) *http.Request { return request(t, "PUT", infoPath, good, auth.RoleAdmin) }, 405, "wrong_method"},
		{"a member twice", func(t *testing.T) *http.Request {
			return request(t, "POST", infoPath, `{"userIDs":["alice"],"userIDs":["bob"]}`, auth.RoleAdmin)
		}, 400, "bad_request"},
		{"no object", func(t *testing.T) *http.Request { return request(t, "POST", infoPath, `["alice"]`, auth.RoleAdmin) }, 400, "bad_request"},
		{"no body", func(t *testing.T) *http.Request { return request(t, "POST", infoPath, "", auth.RoleAdmin) }, 400, "bad_request"},
		{"an invalid user id", func(t *testing.T) *http.Request {
			return request(t, "POST", infoPath, `{"userIDs":[{"$ne":1}]}`, auth.RoleAdmin)
		}, 400, "bad_request"},
		{"a user whose id is a pattern", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/user/user_register", `{"users":[{"userID":"alice"},{"userID":"a.b","nickname":"x"}]}`,
				auth.RoleAdmin)
		}, 400, "bad_request"},
		{"a group whose id is a pattern", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/group/create_group", `{"groupInfo":{"GROUPID":"$|^si.bob.carol:"}}`, auth.RoleAdmin)
		}, 400, "bad_request"},
		{"a body beyond the route's bound", func(t *testing.T) *http.Request {
			return request(t, "POST", "/admin/v1/auth/force_logout", `{"userID":"`+strings.Repeat("x", routes.Small)+`"}`, auth.RoleAdmin)
		}, 413, "body_too_large"},
		{"another media type", func(t *testing.T) *http.Request {
			r := request(t, "POST", infoPath, good, auth.RoleAdmin)
			r.Header.Set("Content-Type", "text/plain")
			return r
		}, 415, "wrong_media_type"},
		{"a handshake by POST", func(t *testing.T) *http.Request { return request(t, "POST", wire.HandshakePath, `{}`, auth.RoleAdmin) }, 404, "unknown_route"},
		{"a handshake without assertion", func(*testing.T) *http.Request {
			r := httptest.NewRequest(http.MethodGet, wire.HandshakePath, nil)
			return r
		}, 401, "unauthenticated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			w := serveOne(newHandler(unasked), c.make(t))
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			g.Expect(w.Header().Get("X-Openim-Reason")).To(Equal(c.reason))
			g.Expect(w.Body.String()).To(ContainSubstring(`"errDlt":""`))
		})
	}
}

func TestAnAssertionIsSpentOnce(t *testing.T) {
	g := NewWithT(t)
	calls := 0
	h := newHandler(func(context.Context, openimclient.Request) (wire.Envelope, error) {
		calls++
		return wire.Envelope{}, nil
	})
	first := request(t, "POST", infoPath, `{}`, auth.RoleAdmin)
	again := first.Clone(t.Context())
	again.Body = first.Body
	g.Expect(serveOne(h, first).Code).To(Equal(200))
	again.Body = http.NoBody
	again = request(t, "POST", infoPath, `{}`, auth.RoleAdmin)
	again.Header.Set("Authorization", first.Header.Get("Authorization"))
	g.Expect(serveOne(h, again).Code).To(Equal(401))
	g.Expect(calls).To(Equal(1))
}

// TestWhatBecomesOfOpenIMsFailures is the failure table of docs/wrapper.md, the part behind the backend.
func TestWhatBecomesOfOpenIMsFailures(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		reason string
		says   string
	}{
		{openimclient.ErrUnavailable, 503, "unavailable", "OpenIM cannot be reached"},
		{fmt.Errorf("%w (errCode 1501)", openimclient.ErrNoToken), 503, "unavailable", "the wrapper's own credentials"},
		{openimclient.ErrTimeout, 504, "timed_out", "check whether the call took effect"},
		{openimclient.ErrBroken, 502, "bad_gateway", "check whether the call took effect"},
		{fmt.Errorf("%w: HTTP status 500", openimclient.ErrBadReply), 502, "bad_gateway", "no usable reply"},
		{openimclient.ErrNoRoute, 501, "not_in_release", "release has no such route"},
		{errors.New("secret-in-error"), 502, "bad_gateway", "no usable reply"},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			g := NewWithT(t)
			w := serveOne(newHandler(func(context.Context, openimclient.Request) (wire.Envelope, error) { return wire.Envelope{}, c.err }),
				request(t, "POST", infoPath, `{}`, auth.RoleAdmin))
			g.Expect(w.Code).To(Equal(c.status))
			g.Expect(w.Header().Get("X-Openim-Reason")).To(Equal(c.reason))
			g.Expect(w.Body.String()).To(And(ContainSubstring(c.says), Not(ContainSubstring("secret-in-error"))))
		})
	}
}

func TestOneClassCannotKeepOutAnother(t *testing.T) {
	g := NewWithT(t)
	waiting, release := make(chan struct{}), make(chan struct{})
	h := newHandler(func(_ context.Context, r openimclient.Request) (wire.Envelope, error) {
		if r.Path == "/msg/search_msg" {
			waiting <- struct{}{}
			<-release
		}
		return wire.Envelope{}, nil
	})
	done := make(chan int, routes.Search.InFlight)
	for range routes.Search.InFlight {
		go func() { done <- serveOne(h, request(t, "POST", "/admin/v1/msg/search_msg", `{}`, auth.RoleAdmin)).Code }()
		<-waiting
	}
	w := serveOne(h, request(t, "POST", "/admin/v1/group/get_groups", `{}`, auth.RoleAdmin))
	g.Expect(w.Code).To(Equal(http.StatusTooManyRequests), "one search too many")
	g.Expect(w.Header().Get("Retry-After")).To(Equal("1"))
	g.Expect(serveOne(h, request(t, "POST", infoPath, `{}`, auth.RoleAdmin)).Code).To(Equal(200), "reads go on")
	close(release)
	for range routes.Search.InFlight {
		g.Expect(<-done).To(Equal(200))
	}
	go func() { <-waiting }()
	g.Expect(serveOne(h, request(t, "POST", "/admin/v1/msg/search_msg", `{}`, auth.RoleAdmin)).Code).To(Equal(200), "places are given back")
}

func TestTheHandshakeNeedsNoOpenIM(t *testing.T) {
	g := NewWithT(t)
	var log bytes.Buffer
	h := newHandler(unasked, &log)
	r := request(t, "GET", wire.HandshakePath, "", "")
	r.Header.Del("Content-Type")
	g.Expect(serveOne(h, r.Clone(t.Context())).Code).To(Equal(http.StatusNoContent))
	g.Expect(log.String()).To(BeEmpty(), "it comes every three seconds from every gateway")
	g.Expect(serveOne(h, r).Code).To(Equal(http.StatusUnauthorized), "a replayed one")
	g.Expect(log.String()).To(ContainSubstring(`"reason":"token_replayed"`), "is worth a line")
}
