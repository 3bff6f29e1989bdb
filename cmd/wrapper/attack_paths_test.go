package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// respellings turn a served path into one that must not be served.
var respellings = map[string]func(prefix, path string) string{
	"two slashes first":      func(p, x string) string { return "/" + p + x },
	"two slashes between":    func(p, x string) string { return p + "/" + x },
	"two slashes inside":     func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "/", "//") },
	"a slash at the end":     func(p, x string) string { return p + x + "/" },
	"a dot at the end":       func(p, x string) string { return p + x + "." },
	"a blank at the end":     func(p, x string) string { return p + x + "%20" },
	"%2f":                    func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "/", "%2f") },
	"%2F":                    func(p, x string) string { return p + "%2F" + x[1:] },
	"%252f":                  func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "/", "%252f") },
	"a letter in percents":   func(p, x string) string { return p + fmt.Sprintf("/%%%02x", x[1]) + x[2:] },
	"a prefix in percents":   func(p, x string) string { return fmt.Sprintf("/%%%02x", p[1]) + p[2:] + x },
	"overlong UTF-8":         func(p, x string) string { return p + "/..%c0%af" + x[1:] },
	"dots":                   func(p, x string) string { return p + "/x/.." + x },
	"dots in percents":       func(p, x string) string { return p + "/x/%2e%2e" + x },
	"dots over the prefix":   func(p, x string) string { return p + "/../.." + p + x },
	"one dot":                func(p, x string) string { return p + "/." + x },
	"..;":                    func(p, x string) string { return p + "/x/..;" + x },
	"a parameter":            func(p, x string) string { return p + x + ";x=1" },
	"a parameter before":     func(p, x string) string { return p + ";x=1" + x },
	"a query":                func(p, x string) string { return p + x + "?token=x" },
	"an empty query":         func(p, x string) string { return p + x + "?" },
	"a fragment":             func(p, x string) string { return p + x + "#x" },
	"a fragment in percents": func(p, x string) string { return p + x + "%23x" },
	"capital letters":        func(p, x string) string { return p + strings.ToUpper(x) },
	"a capital prefix":       func(p, x string) string { return strings.ToUpper(p) + x },
	"NUL in percents":        func(p, x string) string { return p + x + "%00" },
	"NUL":                    func(p, x string) string { return p + x + "\x00" },
	"a line in percents":     func(p, x string) string { return p + x + "%0d%0aX:y" },
	"a backslash":            func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "/", `\`) },
	"a backslash in percent": func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "/", "%5c") },
	"full width":             func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "e", "ｅ") },
	"full width in percents": func(p, x string) string { return p + "/" + strings.ReplaceAll(x[1:], "e", "%ef%bd%85") },
	"a slash of full width":  func(p, x string) string { return p + "／" + x[1:] },
	"a soft hyphen":          func(p, x string) string { return p + x + "%c2%ad" },
	"absolute form":          func(p, x string) string { return "http://im.example.com" + p + x },
	"absolute form, OpenIM":  func(_, x string) string { return "http://openim-api:10002" + x },
	"absolute form, userinfo": func(p, x string) string {
		return "http://imAdmin:x@im.example.com" + p + x
	},
	"authority form":   func(string, string) string { return "openim-api:10002" },
	"asterisk":         func(string, string) string { return "*" },
	"without a prefix": func(_, x string) string { return x },
	"another version":  func(p, x string) string { return strings.Replace(p, "v1", "v2", 1) + x },
	"the prefix twice": func(p, x string) string { return p + p + x },
	"the other listener's": func(p, x string) string {
		return map[string]string{"/im/v1": "/admin/v1", "/admin/v1": "/im/v1"}[p] + x
	},
	"the backend's":     func(_, x string) string { return internalapi.Prefix + x },
	"an extension":      func(p, x string) string { return p + x + ".json" },
	"no slash":          func(p, x string) string { return p[1:] + x },
	"a very long one":   func(p, x string) string { return p + x + "/" + strings.Repeat("a", 8<<10) },
	"percents that end": func(p, x string) string { return p + x + "%" },
}

// methods that are not POST.
var methods = []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "post", "Post", "PROPFIND", "PRI",
	"POST_", "GETPOST"}

// forms of HTTP that are refused or are answered like any other. %s is the credential.
var forms = map[string]string{
	"HTTP/0.9":               "GET %[1]s\r\n\r\n",
	"HTTP/0.9 with a header": "POST %[1]s\r\n%[2]s\r\n\r\n%[3]s",
	"HTTP/1.2": "POST %[1]s HTTP/1.2\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: %[4]d\r\nX: " +
		"HTTP/1.1\r\nTransfer-Encoding: x\r\n\r\n%[3]s",
	"HTTP/2.0": "POST %[1]s HTTP/2.0\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"HTTP/3.0": "POST %[1]s HTTP/3.0\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"http/1.1": "POST %[1]s http/1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"HTTP/1.10": "POST %[1]s HTTP/1.10\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"HTTP/+1.1": "POST %[1]s HTTP/+1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"RTSP/1.0": "POST %[1]s RTSP/1.0\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"no Host": "POST %[1]s HTTP/1.1\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: %[4]d\r\n\r\n%[3]s",
	"two Hosts": "POST %[1]s HTTP/1.1\r\nHost: x\r\nHost: y\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"an invalid Host": "POST %[1]s HTTP/1.1\r\nHost: a b\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"a blank too many": "POST  %[1]s HTTP/1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"a blank before": " POST %[1]s HTTP/1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"tabs": "POST\t%[1]s\tHTTP/1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: application/json\r\nContent-Length: " +
		"%[4]d\r\n\r\n%[3]s",
	"h2c, prior knowledge": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	"TLS to plain HTTP":    "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + "%[5]s\r\n\r\n",
	"a PROXY line": "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nPOST %[1]s HTTP/1.1\r\nHost: x\r\n%[2]s\r\nContent-Type: " +
		"application/json\r\nContent-Length: %[4]d\r\n\r\n%[3]s",
	"a PROXY header, binary": "\r\n\r\n\x00\r\nQUIT\n!\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x01\x00\x02POST %[1]s " +
		"HTTP/1.1\r\nHost: x\r\n%[2]s\r\n\r\n",
	"a line of Redis": "*1\r\n$4\r\nPING\r\n",
	"a line of SMTP":  "EHLO evil.example\r\n",
}

func attackPaths(t *testing.T, n *testEnv) {
	listeners := []struct{ name, address, prefix, path, credential string }{
		{"users", n.users, wire.UserPrefix, "/user/get_users_info", "token: " + n.people["alice"].Token()},
		{"users' own", n.users, wire.AuthPrefix, "/devices/revoke", "token: " + n.people["alice"].Token()},
		{"admins", n.admins, wire.AdminPrefix, "/user/get_users_info", "Authorization: Bearer " + n.token(nil)},
	}
	for _, d := range listeners {
		for name, spell := range respellings {
			target := spell(d.prefix, d.path)
			n.each(t, d.name+", "+name, func(t *testing.T) {
				canary := n.canary()
				n.refusedAll(t, n.send(t, d.address, post(target, whois(canary), d.credential)), 400, 404, 431)
				n.nothingReached(t, canary)
			})
		}
		for _, method := range methods {
			n.each(t, d.name+", "+method, func(t *testing.T) {
				canary := n.canary()
				request := message(method+" "+d.prefix+d.path+" HTTP/1.1", whois(canary), d.credential, "Connection: close")
				if method == "HEAD" {
					NewWithT(t).Expect(n.head(t, d.address, request)).To(Equal(405))
				} else {
					n.refusedAll(t, n.send(t, d.address, request), 400, 405)
				}
				n.nothingReached(t, canary)
			})
		}
		for name, form := range forms {
			n.each(t, d.name+", "+name, func(t *testing.T) {
				canary := n.canary()
				body := whois(canary)
				request := fmt.Sprintf(form+"%.0[1]s%.0[2]s%.0[3]s%.0[4]d%.0[5]s", d.prefix+d.path, d.credential, body, len(body), "hello")
				n.refusedAll(t, n.send(t, d.address, request), 400, 401, 404, 405, 426, 501, 505)
				n.nothingReached(t, canary)
			})
		}
	}
	for _, target := range append(getRoutes(), wire.PathTickets, wire.WellKnownPath+"/", wire.AuthPrefix, wire.UserPrefix, "/",
		internalapi.PathOpenIMToken, wire.HandshakePath, "/metrics", "/readyz", "/debug/pprof/") {
		n.each(t, "GET "+target, func(t *testing.T) {
			mark := n.mark()
			n.refusedAll(t, n.send(t, n.users, message("GET "+target+" HTTP/1.1", "", listeners[0].credential)), 404, 405, 200)
			NewWithT(t).Expect(n.since(mark)).To(BeEmpty())
		})
	}
	upgrade := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", listeners[0].credential}
	query := "?sendID=alice&platformID=1&operationID=o&isBackground=false&token=" + n.people["alice"].Token()
	for _, line := range []string{
		"GET " + usersInfo, "GET " + wire.PathSession, "GET /" + query, "GET /im/v1/ws/" + query, "GET //im/v1/ws" + query,
		"GET /im/v1/WS" + query, "GET /im/v1/%77s" + query,
		"GET /ws" + query, "GET /im/v1/x/../ws" + query, "POST /im/v1/ws" + query, "HEAD /im/v1/ws" + query, "CONNECT /im/v1/ws" + query,
		"PUT /im/v1/ws" + query,
		"GET http://im.example.com/im/v1/ws" + query, "GET /im/v1/ws;x" + query, "GET /admin/v1/ws" + query,
	} {
		n.each(t, "an upgrade, "+strings.Split(line, "?")[0], func(t *testing.T) {
			g := NewWithT(t)
			before := len(n.openimWS.Queries())
			request := message(line+" HTTP/1.1", "", upgrade...)
			if strings.HasPrefix(line, "HEAD") {
				g.Expect(n.head(t, n.users, request)).To(BeNumerically(">=", 400))
			} else {
				n.refusedAll(t, n.send(t, n.users, request), 400, 404, 405, 200)
			}
			g.Expect(n.openimWS.Queries()).To(HaveLen(before))
		})
	}
	n.each(t, "an upgrade, HTTP/1.0", func(t *testing.T) {
		n.refusedAll(t, n.send(t, n.users, message("GET /im/v1/ws"+query+" HTTP/1.0", "", upgrade...)), 400)
	})
	n.each(t, "HTTP/1.0 is answered once and closed", func(t *testing.T) {
		g := NewWithT(t)
		canary := n.canary()
		replies := n.send(t, n.users, strings.Replace(post(usersInfo, whois(canary), listeners[0].credential), "HTTP/1.1", "HTTP/1.0",
			1)+post(usersInfo, whois(canary), listeners[0].credential))
		g.Expect(replies).To(HaveLen(1))
		g.Expect(n.openimSaw(canary)).To(HaveLen(1))
	})
}

// getRoutes returns OpenIM's routes with GET, below the users' prefix and bare.
func getRoutes() (targets []string) {
	for _, r := range routes.Table {
		if r.Method == http.MethodGet && !strings.Contains(r.Path, "*") {
			targets = append(targets, wire.UserPrefix+r.Path, r.Path)
		}
	}
	return targets
}

// refusedAll expects all replies to be refusals, with one of some statuses.
func (n *testEnv) refusedAll(t *testing.T, replies []reply, statuses ...int) {
	t.Helper()
	g := NewWithT(t)
	for _, r := range replies {
		g.Expect(r.granted()).To(BeFalse(), r.String())
		g.Expect(statuses).To(ContainElement(r.status), r.String())
	}
	g.Expect(replies).NotTo(BeEmpty(), "it was hung up on without a word")
}

// head sends a request whose reply has no body, and returns its status.
func (n *testEnv) head(t *testing.T, address, request string) int {
	t.Helper()
	data := n.bytesOf(t, address, request)
	var version string
	var status int
	if _, err := fmt.Sscan(string(data), &version, &status); err != nil {
		t.Fatalf("no HTTP reply: %q", data)
	}
	return status
}
