//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// framings are requests whose end two readers could see in different places: some of those of cmd/wrapper's corpus, which has them all
// against the gateway alone. {F} is the first request's body, {f} its length, {x} its length in hexadecimal, {H} a second request, {a} the
// length of both.
var framings = map[string]struct{ headers, body string }{
	"CL.TE":                            {"Content-Length: {a}\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n{H}"},
	"TE.CL":                            {"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "{x}\r\n{F}\r\n0\r\n\r\n{H}"},
	"two lengths":                      {"Content-Length: {f}\r\nContent-Length: {a}\r\n", "{F}{H}"},
	"both in the body":                 {"Content-Length: {a}\r\n", "{F}{H}"},
	"a length before a blank":          {"Content-Length : {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
	"a length of another name":         {"Content_Length: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
	"a length behind a bare LF":        {"X: y\nContent-Length: {f}\r\n", "{F}{H}"},
	"a coding of another word":         {"Content-Length: {f}\r\nTransfer-Encoding: xchunked\r\n", "{F}{H}"},
	"a coding before a blank":          {"Content-Length: {f}\r\nTransfer-Encoding : chunked\r\n", "0\r\n\r\n{H}"},
	"a coding with a vertical tab":     {"Content-Length: {f}\r\nTransfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n{H}"},
	"a chunk with an extension and LF": {"Transfer-Encoding: chunked\r\n", "{x};a\nb\r\n{F}\r\n0\r\n\r\n{H}"},
	"a chunk too small":                {"Transfer-Encoding: chunked\r\n", "1\r\n{F}\r\n0\r\n\r\n{H}"},
	"a trailer that is a length":       {"Transfer-Encoding: chunked\r\n", "{x}\r\n{F}\r\n0\r\nContent-Length: {a}\r\n\r\n{H}"},
	"a socket's upgrade":               {"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {f}\r\n", "{F}{H}"},
	"an upgrade to h2c": {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n" +
		"Content-Length: {f}\r\n", "{F}{H}"},
	"a length that is hidden from servers": {"Connection: Content-Length\r\nContent-Length: {f}\r\n", "{F}{H}"},
}

// framingEntries returns an entry for each framing.
func framingEntries() []TableEntry {
	var entries []TableEntry
	for name := range framings {
		entries = append(entries, Entry(name, name, SpecTimeout(2*time.Minute)))
	}
	return entries
}

// smuggled sends a framing as one user, with a second request in it: a whole one with nobody's token, and a part of one that would take in
// the request of whoever comes next. Then another user calls, whose connection to the gateway may be the same.
func (e *edge) smuggled(ctx SpecContext, name string) {
	attacker, victim := e.visit(ctx, north, nil), e.visit(ctx, south, nil)
	who := func(token string, more ...string) string {
		lines := append([]string{"POST " + wire.PathSession + " HTTP/1.1", "Host: " + publicHost, "Content-Type: application/json"}, more...)
		if token != "" {
			lines = append(lines, wire.HeaderToken+": "+token)
		}
		return strings.Join(lines, "\r\n") + "\r\n"
	}
	const body = "{}"
	mine := `"` + e.user(north).UserID + `"`
	whole := who("", "Content-Length: 2") + "\r\n" + body
	part := strings.TrimSuffix(who("", "Content-Length: 2", "X-Next: "), "\r\n") // the next request's line would be this header's value
	for _, hidden := range []string{whole, part} {
		f := framings[name]
		fill := strings.NewReplacer("{F}", body, "{f}", fmt.Sprint(len(body)), "{x}", fmt.Sprintf("%x", len(body)),
			"{H}", hidden, "{a}", fmt.Sprint(len(body)+len(hidden)))
		answers, err := attacker.send(ctx, who(e.user(north).Session.Token())+fill.Replace(f.headers)+"\r\n"+fill.Replace(f.body))
		Expect(err).NotTo(HaveOccurred())
		granted := 0
		for _, a := range answers {
			Expect(a.Body).NotTo(ContainSubstring(e.user(south).UserID), "another user's answer")
			if a.Status == http.StatusOK && strings.Contains(a.Body, mine) {
				granted++
			}
		}
		Expect(granted).To(BeNumerically("<=", 1), "the hidden request was carried out as the first one's user: %v", answers)
		for range 3 {
			reply, err := victim.As(e.user(south)).Who(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(reply.OK()).To(BeTrue(), "the next user's call: %s", reply)
			Expect(string(reply.Data)).To(ContainSubstring(`"` + e.user(south).UserID + `"`))
		}
	}
	reply, err := attacker.As(e.user(north)).Who(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), "the user's ordinary calls: %s", reply)
}
