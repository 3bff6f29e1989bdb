package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

// spoofs are header lines that change nothing: the caller is the one of the credential.
var spoofs = map[string][]string{
	"X-User-ID":                  {"X-User-ID: imAdmin"},
	"X-Forwarded-User":           {"X-Forwarded-User: imAdmin", "X-Remote-User: imAdmin", "X-Auth-Request-User: imAdmin"},
	"opUserID":                   {"opUserID: imAdmin", "sendID: bob", "userID: bob", "platformID: 10"},
	"X-Openim-Err-Code":          {"X-Openim-Err-Code: 0", "X-Openim-Reason: forbidden"},
	"X-Openim-Users":             {"X-Openim-Users: WyJib2IiXQ", "X-Openim-User-Count: 1"},
	"X-Request-Api":              {"X-Request-Api: https://evil.example"},
	"X-Forwarded-Host":           {"X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /admin/v1"},
	"X-Forwarded-For":            {"X-Forwarded-For: 10.1.1.1", "X-Real-IP: 10.1.1.1", "Forwarded: for=10.1.1.1"},
	"X-HTTP-Method-Override":     {"X-HTTP-Method-Override: DELETE", "X-Method-Override: PUT"},
	"X-Original-URL":             {"X-Original-URL: /auth/get_user_token", "X-Rewrite-URL: /auth/get_user_token"},
	"Cookie":                     {"Cookie: token=eyJx; session=bob"},
	"Connection: token":          {"Connection: token"},
	"Connection: authorization":  {"Connection: Authorization"},
	"Connection: x-request-id":   {"Connection: X-Request-Id", "X-Request-Id: r-1"},
	"Connection: content-length": {"Connection: Content-Length, Content-Type"},
	"Keep-Alive":                 {"Keep-Alive: timeout=100000", "Connection: keep-alive"},
	"Proxy-Connection":           {"Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eDp5"},
	"TE":                         {"TE: trailers, chunked", "Connection: TE"},
	"Upgrade: h2c":               {"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
	"Upgrade: websocket in a POST": {"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " +
		"dGhlIHNhbXBsZSBub25jZQ=="},
	"traceparent":           {"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage: user=imAdmin"},
	"an illegal request id": {"X-Request-Id: <script>alert(1)</script>", "operationID: " + strings.Repeat("x", 1000)},
	"Expect":                {"Expect: 100-continue"},
	"Accept-Encoding":       {"Accept-Encoding: gzip, br", "Accept: text/html", "Range: bytes=0-1", "If-None-Match: *"},
	"X-Wrapper":             {"X-Session: bob", "X-Device: bob", "X-Role: admin", "X-Platform: 10", "X-Scopes: admin"},
}

// spoiled are invalid credentials. %[1]s is alice's token, %[2]s bob's, %[3]s alice's at OpenIM, %[4]s an
// administrator's.
var spoiled = map[string][]string{
	"none":                            {},
	"empty":                           {"token: "},
	"token and bearer":                {"token: %[1]s", "Authorization: Bearer %[1]s"},
	"bob's token and alice's bearer":  {"token: %[2]s", "Authorization: Bearer %[1]s"},
	"an empty token and a bearer":     {"token:", "Authorization: Bearer %[1]s"},
	"token twice":                     {"token: %[1]s", "Token: %[1]s"},
	"two tokens":                      {"token: %[1]s", "TOKEN: %[2]s"},
	"bearer twice":                    {"Authorization: Bearer %[1]s", "Authorization: Bearer %[2]s"},
	"two in one token":                {"token: %[1]s,%[2]s"},
	"two in one bearer":               {"Authorization: Bearer %[1]s, Bearer %[2]s"},
	"bearer of blanks":                {"Authorization: Bearer  %[1]s"},
	"Basic":                           {"Authorization: Basic YWxpY2U6eA=="},
	"Negotiate and token":             {"Authorization: Negotiate x", "token: %[1]s"},
	"folded with a tab":               {"token: x", "\t%[1]s"},
	"a space before the colon":        {"token : %[1]s"},
	"a NUL in the value":              {"token: %[1]s\x00"},
	"a lone CR in the value":          {"token: %[1]s\rX: y"},
	"no colon":                        {"token %[1]s"},
	"a name of other letters":         {"tokén: %[1]s"},
	"an underscore":                   {"t_oken: %[1]s"},
	"in a cookie":                     {"Cookie: token=%[1]s"},
	"as X-Token":                      {"X-Token: %[1]s", "X-Auth-Token: %[1]s"},
	"as Proxy-Authorization":          {"Proxy-Authorization: Bearer %[1]s"},
	"OpenIM's token of the user":      {"token: %[3]s"},
	"OpenIM's token as bearer":        {"Authorization: Bearer %[3]s"},
	"OpenIM's administrator":          {"token: " + openimtest.Token(1)},
	"an administrator's JWT":          {"token: %[4]s"},
	"an administrator's JWT, bearer":  {"Authorization: Bearer %[4]s"},
	"OpenIM's secret":                 {"token: " + openimtest.Secret},
	"one letter more":                 {"token: %[1]sA"},
	"in quotation marks":              {`token: "%[1]s"`},
	"a user's name":                   {"token: alice"},
	"a very long one":                 {"token: " + strings.Repeat("A", 12<<10)},
	"more headers than are read":      {"token: %[1]s", strings.TrimSuffix(strings.Repeat("X-More: y\r\n", 120), "\r\n")},
	"longer headers than are read":    {"token: %[1]s", "X-Long: " + strings.Repeat("y", 40<<10)},
	"Redis' wild card":                {"token: *"},
	"a path":                          {"token: ../../alice"},
	"what a query language would see": {`token: {"$gt":""}`},
}

func attackHeaders(t *testing.T, n *testEnv) {
	alice, bob := n.people["alice"], n.people["bob"]
	admin := n.token(nil)
	n.secret("an administrator's token", admin)
	for name, lines := range spoofs {
		n.each(t, "user, "+name, func(t *testing.T) {
			n.passesAs(t, n.users, usersInfo, alice.openim, append(lines, "token: "+alice.Token()))
		})
		n.each(t, "administrator, "+name, func(t *testing.T) {
			n.passesAs(t, n.admins, adminUsersInfo, openimtest.Token(1), append(lines, "Authorization: Bearer "+admin))
		})
	}
	n.each(t, "credential, folded", func(t *testing.T) { // RFC 9112 section 5.2 lets a server read the fold as a blank
		n.passesAs(t, n.users, usersInfo, alice.openim, []string{"token: ", " " + alice.Token()})
	})
	for name, lines := range map[string][]string{
		"administrator with a user's token beside": {"Authorization: Bearer " + admin, "token: " + alice.Token()},
		"administrator with OpenIM's token beside": {"Authorization: Bearer " + admin, "token: " + alice.openim},
	} {
		n.each(t, name, func(t *testing.T) { n.passesAs(t, n.admins, adminUsersInfo, openimtest.Token(1), lines) })
	}
	for name, lines := range spoiled {
		filled := make([]string, len(lines))
		for i, line := range lines {
			filled[i] = strings.NewReplacer("%[1]s", alice.Token(), "%[2]s", bob.Token(), "%[3]s", alice.openim, "%[4]s", admin).Replace(line)
		}
		n.each(t, "credential, "+name, func(t *testing.T) {
			g := NewWithT(t)
			canary := n.canary()
			replies := n.send(t, n.users, post(usersInfo, whois(canary), filled...))
			g.Expect(replies).To(HaveLen(1))
			g.Expect(replies[0].granted()).To(BeFalse(), replies[0].body)
			if replies[0].status == 200 {
				g.Expect(replies[0].code).To(BeElementOf(1503, 1507))
			} else {
				g.Expect(replies[0].status).To(BeElementOf(400, 431))
			}
			n.nothingReached(t, canary)
		})
	}
	n.each(t, "a token in a trailer", func(t *testing.T) {
		g := NewWithT(t)
		canary := n.canary()
		body := whois(canary)
		replies := n.send(t, n.users, message("POST "+usersInfo+" HTTP/1.1", "", "Content-Type: application/json", "Transfer-Encoding: chunked",
			"Trailer: token")+
			fmt.Sprintf("%x\r\n%s\r\n0\r\ntoken: %s\r\n\r\n", len(body), body, alice.Token()))
		g.Expect(replies).To(HaveLen(1))
		g.Expect(replies[0].code).To(Equal(1507))
		n.nothingReached(t, canary)
	})
	n.each(t, "another's token in a trailer", func(t *testing.T) {
		g := NewWithT(t)
		canary := n.canary()
		body := whois(canary)
		replies := n.send(t, n.users, message("POST "+usersInfo+" HTTP/1.1", "", "Content-Type: application/json", "Transfer-Encoding: chunked",
			"Trailer: token", "token: "+alice.Token())+
			fmt.Sprintf("%x\r\n%s\r\n0\r\ntoken: %s\r\n\r\n", len(body), body, bob.Token()))
		g.Expect(replies).To(HaveLen(1))
		g.Expect(replies[0].code).To(Equal(0))
		seen := n.openimSaw(canary)
		g.Expect(seen).To(HaveLen(1))
		g.Expect(seen[0].Header.Get("token")).To(Equal(alice.openim))
	})
	n.attackAddresses(t)
}

// passesAs sends a call with header lines and checks what OpenIM receives: the caller's token, and only the wrapper's own headers.
func (n *testEnv) passesAs(t *testing.T, address, target, openimToken string, lines []string) {
	g := NewWithT(t)
	canary := n.canary()
	replies := n.send(t, address, post(target, whois(canary), lines...))
	g.Expect(replies).To(HaveLen(1))
	g.Expect(replies[0].granted()).To(BeTrue(), replies[0].String())
	seen := n.openimSaw(canary)
	g.Expect(seen).To(HaveLen(1))
	g.Expect(seen[0].Header.Get("token")).To(Equal(openimToken))
	for name, values := range seen[0].Header {
		g.Expect(name).To(BeElementOf("Content-Type", "Content-Length", "User-Agent", "Operationid", "Token", "X-Request-Api"))
		g.Expect(values).To(HaveLen(1), name)
	}
	g.Expect(seen[0].Header.Get("operationID")).To(Equal(replies[0].header.Get("X-Request-Id")))
	g.Expect(seen[0].Header.Get("X-Request-Api")).To(BeElementOf("", audience+"/im/v1"))
	g.Expect(replies[0].header).NotTo(Or(HaveKey("X-Openim-Err-Code"), HaveKey("X-Openim-Reason"), HaveKey("X-Openim-Users"),
		HaveKey("Set-Cookie"), HaveKey("Server")))
}

// attackAddresses: an address in X-Forwarded-For is used from the right, as far as trusted proxies wrote it.
func (n *testEnv) attackAddresses(t *testing.T) {
	for _, c := range []struct{ name, from, forwarded, want string }{
		{"from nobody's proxy", "127.0.0.1", "198.51.100.1", "127.0.0.1"},
		{"the left one from a proxy", proxyAddress, "198.51.100.1, 203.0.113.7", "203.0.113.7"},
		{"trusted ones to the right", proxyAddress, "198.51.100.1, 203.0.113.8, 127.0.0.2", "203.0.113.8"},
		{"no address to the right", proxyAddress, "198.51.100.1, unknown", proxyAddress},
		{"a port to the right", proxyAddress, "198.51.100.1, 203.0.113.7:80", "203.0.113.7"},
		{"seventeen hops", proxyAddress, "198.51.100.1" + strings.Repeat(", 127.0.0.2", 17), proxyAddress},
		{"a text of a line", proxyAddress, `198.51.100.1","ip":"198.51.100.2`, proxyAddress},
	} {
		n.each(t, "address, "+c.name, func(t *testing.T) {
			g := NewWithT(t)
			id := n.canary()
			n.sendFrom(t, c.from, n.users, post(usersInfo, whois("x"), "X-Request-Id: "+id, "X-Forwarded-For: "+c.forwarded,
				"token: "+n.people["alice"].Token()))
			g.Eventually(func() string { return n.addressInAuditLog(t, id) }, patience).Should(Equal(c.want))
		})
	}
}

// addressInAuditLog returns the caller's address in the audit event of a request.
func (n *testEnv) addressInAuditLog(t *testing.T, requestID string) string {
	t.Helper()
	data, err := os.ReadFile(n.auditPath)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, requestID) {
			return ipOf(t, line)
		}
	}
	return ""
}

// ipOf returns the member ip of a line, at any depth.
func ipOf(t *testing.T, line string) string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(line), &object); err != nil {
		t.Fatal(err)
	}
	var search func(map[string]any) string
	search = func(m map[string]any) string {
		if ip, ok := m["ip"].(string); ok {
			return ip
		}
		for _, v := range m {
			if inner, ok := v.(map[string]any); ok {
				if ip := search(inner); ip != "" {
					return ip
				}
			}
		}
		return ""
	}
	return search(object)
}
