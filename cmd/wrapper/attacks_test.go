package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

// TestTheFailureTable is the part of the table of docs/wrapper.md that a caller can cause from outside.
func TestTheFailureTable(t *testing.T) {
	h := newRoles(t)
	const info, good = "/admin/v1/user/get_users_info", `{"userIDs":["alice"]}`
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	h.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/friend/delete_friend"] = fmt.Sprintf(`{"errCode":1004,"errMsg":"RecordNotFoundError %s","errDlt":%q}`, openimtest.Token(1),
			openimtest.Stack)
		f.Before = func(w http.ResponseWriter, r *http.Request) bool {
			switch r.URL.Path {
			case "/group/get_groups":
				http.NotFound(w, r)
			case "/msg/search_msg":
				w.WriteHeader(http.StatusInternalServerError)
			case "/msg/send_msg":
				conn, _, err := w.(http.Hijacker).Hijack()
				if err == nil {
					_ = conn.Close()
				}
			case "/statistics/user/active":
				_, _ = io.WriteString(w, `{"errCode":14,"errMsg":"last resolver error: produced zero addresses"}`)
			case "/statistics/group/active":
				_, _ = io.WriteString(w, `{"errCode":1507,"errMsg":"TokenNotExistError"}`)
			default:
				return false
			}
			return true
		}
	})
	admin := h.token(nil)
	for _, c := range []struct {
		name, path, token, body string
		change                  func(*http.Request)
		status, errCode         int
		says                    string
	}{
		{"no token", info, "", good, nil, 401, 1507, "not acceptable"},
		{"another scheme", info, "", good, header("Authorization", "Basic eDp5"), 401, 1503, "not acceptable"},
		{"not a token", info, "x", good, nil, 401, 1503, "not acceptable"},
		{"an expired token", info, h.token(map[string]any{"iat": 1, "exp": 2}), good, nil, 401, 1501, "it has expired"},
		{"for another audience", info, h.token(map[string]any{"aud": "mail"}), good, nil, 401, 1502, "aud does not name this gateway"},
		{"without the role", info, h.token(map[string]any{"groups": "staff"}), good, nil, 403, 1002, "no role"},
		{"without the role, an unknown path", "/admin/v1/x", h.token(map[string]any{"groups": "staff"}), good, nil, 403, 1002, "no role"},
		{"a route for nobody", "/admin/v1/auth/get_user_token", admin, `{}`, nil, 403, 1002, "called by nobody"},
		{"no such route", "/admin/v1/object/nothing", admin, `{}`, nil, 404, 1004, "no such route"},
		{"OpenIM's bare path", "/user/get_users_info", admin, good, nil, 404, 1004, "no such route"},
		{"a query", info + "?x=1", admin, good, nil, 404, 1004, "no such route"},
		{"a GET", info, admin, "", func(r *http.Request) { r.Method = http.MethodGet }, 405, 1001, "another method"},
		{"a method override", info, admin, "", func(r *http.Request) {
			r.Method = http.MethodGet
			r.Header.Set("X-Http-Method-Override", "POST")
		}, 405, 1001, "another method"},
		{"a body too large", "/admin/v1/auth/force_logout", admin, `{"userID":"` + strings.Repeat("x", 20000) + `"}`, nil, 413, 1001,
			"larger than this route takes"},
		{"a form", info, admin, "a=b", header("Content-Type", "application/x-www-form-urlencoded"), 415, 1001, "application/json"},
		{"gzip", info, admin, good, header("Content-Encoding", "gzip"), 415, 1001, "no Content-Encoding"},
		{"not JSON", info, admin, `{`, nil, 400, 1001, "not one JSON object"},
		{"a member twice", info, admin, `{"userIDs":[],"userIDs":["bob"]}`, nil, 400, 1001, "names a member twice"},
		{"a user named in two spellings", "/admin/v1/auth/force_logout", admin, `{"userID":"a","UserID":"b"}`, nil, 400, 1001,
			"different spellings"},
		{"OpenIM says no", "/admin/v1/friend/delete_friend", admin, `{}`, nil, 200, 1004, "RecordNotFoundError [removed]"},
		{"a route that this release lacks", "/admin/v1/group/get_groups", admin, `{}`, nil, 501, 1004, "no such route"},
		{"OpenIM panics", "/admin/v1/msg/search_msg", admin, `{}`, nil, 502, 500, "no usable reply"},
		{"OpenIM hangs up", "/admin/v1/msg/send_msg", admin, `{}`, nil, 502, 500, "check whether the call took effect"},
		{"OpenIM has lost a process", "/admin/v1/statistics/user/active", admin, `{}`, nil, 503, 500, "OpenIM cannot be reached"},
		{"OpenIM refuses our own token", "/admin/v1/statistics/group/active", admin, `{}`, nil, 503, 500, "the wrapper's own credentials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			change := c.change
			if change == nil {
				change = func(*http.Request) {}
			}
			a := h.do(c.path, c.token, c.body, change)
			g.Expect(a.status).To(Equal(c.status), a.body)
			g.Expect(a.errs.ErrCode).To(Equal(c.errCode))
			g.Expect(a.errs.ErrMsg).To(ContainSubstring(c.says))
			g.Expect(*a.errs.ErrDlt).To(BeEmpty())
			g.Expect(a.errs.Data).To(BeNil())
			g.Expect(a.header.Get("X-Request-Id")).NotTo(BeEmpty())
			g.Expect(a.header).NotTo(Or(HaveKey("X-Openim-Err-Code"), HaveKey("X-Openim-Reason")), "for between the two halves")
		})
	}
	g := NewWithT(t)
	for _, secret := range []string{openimtest.Secret, assertionKey, "eyJ", openimtest.Stack[:12]} {
		g.Expect(h.log.String()).NotTo(ContainSubstring(secret), "in the log")
	}
}

// TestRequestLinesThatTryToSlipThrough are sent as bytes: no client library would write them.
func TestRequestLinesThatTryToSlipThrough(t *testing.T) {
	h := newRoles(t)
	token := h.token(nil)
	for _, target := range []string{
		"//admin/v1/user/get_users_info", "/admin/v1//user/get_users_info", "/admin/v1/user//get_users_info", "/admin/v1/user/get_users_info/",
		"/admin/v1/user%2fget_users_info", "/admin/v1/user%2Fget_users_info", "/admin/v1/user%252fget_users_info",
		"/admin/v1/%75ser/get_users_info",
		"/admin/v1/auth/../user/get_users_info", "/admin/v1/auth/..;/user/get_users_info", "/admin/v1/./user/get_users_info",
		"/admin/v1/%2e%2e/v1/user/get_users_info",
		"/admin/v1/user/get_users_info;x=1", "/admin/v1/user/get_users_info?", "/admin/v1/user/get_users_info#x", "/admin/v1/USER/get_users_info",
		"/ADMIN/V1/user/get_users_info",
		"/admin/v1/user\\get_users_info", "/admin/v1/user/get_users_info%00", "/admin/v1/user/get_users_info%20",
		"/admin/v1/user/get_users_info.",
		"http://x/admin/v1/user/get_users_info", "http://openim:10002/user/get_users_info", "/internal/v1/handshake",
		"/admin/v1/internal/v1/handshake", "/metrics", "/readyz", "*", "/",
	} {
		t.Run(target, func(t *testing.T) {
			g := NewWithT(t)
			conn, err := net.Dial("tcp", h.gateway.Main.Address())
			g.Expect(err).NotTo(HaveOccurred())
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn,
				"POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAuthorization: Bearer "+
					"%s\r\n\r\n{}", target, token)
			g.Expect(err).NotTo(HaveOccurred())
			line, err := bufio.NewReader(conn).ReadString('\n')
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(line).To(MatchRegexp(`^HTTP/1\.1 (400|404) `))
		})
	}
	for _, c := range h.openim.Calls {
		NewWithT(t).Expect(c.Path).To(HavePrefix("/auth/"), "OpenIM saw nothing but the wrapper's own calls")
	}
}

func TestNothingOfAClientsHeadersReachesOpenIM(t *testing.T) {
	g := NewWithT(t)
	h := newRoles(t)
	a := h.do("/admin/v1/user/get_users_info", h.token(nil), `{"userIDs":["alice"]}`, func(r *http.Request) {
		for name, value := range map[string]string{
			"Connection": "close, X-Request-Id, Authorization", "token": "eyJ-of-the-client", "operationID": "op-1",
			"X-Request-Api": "https://evil.example", "opUserID": "imAdmin",
			"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1", "X-User-Id": "imAdmin", "Cookie": "a=b", "X-Openim-Err-Code": "0",
			"Te": "trailers", "Upgrade": "websocket",
			"Accept-Encoding": "gzip", "Expect": "",
		} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
	})
	g.Expect(a.status).To(Equal(200), a.body)
	seen := h.openim.Seen("/user/get_users_info")
	g.Expect(seen).To(HaveLen(1))
	g.Expect(seen[0].Header).To(Equal(http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"21"}, "User-Agent": {"openim-wrapper"},
		"Operationid": {"op-1"}, "Token": {openimtest.Token(1)},
	}))
}

func TestTheLogSaysWhoDidWhatToWhomAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	h := newRoles(t)
	token := h.token(nil)
	h.do("/admin/v1/msg/send_msg", token, `{"sendID":"alice","recvID":"bob","content":{"content":"the-message-text"}}`,
		func(r *http.Request) { r.Header.Set("X-Request-Id", "r-77") })
	var roles []string
	g.Eventually(func() []string {
		roles = nil
		for line := range strings.Lines(h.log.String()) {
			entry := map[string]any{}
			g.Expect(json.Unmarshal([]byte(line), &entry)).To(Succeed())
			if entry["msg"] == "request" && entry["requestID"] == "r-77" {
				roles = append(roles, fmt.Sprint(entry["role"]))
				g.Expect(entry).To(And(HaveKeyWithValue("subject", authtest.Subject), HaveKeyWithValue("route", "msg/send_msg"),
					HaveKeyWithValue("verdict", "allowed"), HaveKeyWithValue("audit", "write"), HaveKeyWithValue("errCode", 0.0)))
				if entry["role"] == "backend" {
					g.Expect(entry).To(HaveKeyWithValue("users", []any{"alice", "bob"}))
				}
			}
		}
		return roles
	}, patience).Should(ConsistOf("gateway", "backend"))
	for _, secret := range []string{"the-message-text", token, openimtest.Secret, openimtest.Token(1), assertionKey} {
		g.Expect(h.log.String()).NotTo(ContainSubstring(secret))
	}
}
