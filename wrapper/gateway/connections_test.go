package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// TestOneAddressCannotTakeTheAdministratorsListener: idle connections of one address do not block others; those that are beyond the
// bound are closed, and when the others have gone the address is served again.
func TestOneAddressCannotTakeTheAdministratorsListener(t *testing.T) {
	g := NewWithT(t)
	c, err := ParseConfig([]byte(fmt.Sprintf(`
admin: {listen: "127.0.0.1:0", tls: {certFile: "", keyFile: ""}}
telemetry: {listen: "127.0.0.1:0"}
backend: {url: "http://127.0.0.1:1", assertionKeyFile: /absent/key}
admins: {issuers: [{issuer: %s, audiences: [a], algorithms: [ES256], jwksFile: /absent/jwks.json, roles: {claim: groups, admin: [a]}}]}
shutdownGraceSeconds: 1
`, authtest.Issuer)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(adminsPerAddress(&c.Admin)).To(Equal(256))
	app, err := New(c, "v1", slog.New(slog.DiscardHandler), time.Now)
	g.Expect(err).NotTo(HaveOccurred())
	app.Notice = 0
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	defer func() { cancel(); <-ended }()

	dial := func(from string) net.Conn {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.DialContext(t.Context(), "tcp", app.Main.Address())
		g.Expect(err).NotTo(HaveOccurred())
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	serves := func(from string) bool {
		conn := dial(from)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		reply, _ := io.ReadAll(conn)
		return bytes.HasPrefix(reply, []byte("HTTP/1.1 401"))
	}
	var idle []net.Conn
	for range 300 {
		idle = append(idle, dial("127.0.0.3"))
	}
	open := func() (n int) {
		for _, conn := range idle {
			_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				n++
			}
		}
		return n
	}
	// The server itself gives up connections that say nothing for five seconds, which must not be the cause here.
	g.Expect(open()).To(BeNumerically("<=", 256), "connections beyond the bound are closed")
	g.Expect(serves("127.0.0.4")).To(BeTrue(), "another address")
	for _, conn := range idle {
		_ = conn.Close()
	}
	g.Eventually(func() bool { return serves("127.0.0.3") }, time.Minute).Should(BeTrue(), "the address again")
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

func TestHowManyConnectionsAnAddressHas(t *testing.T) {
	g := NewWithT(t)
	present := &hot{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	u := &Users{Realtime: Realtime{MaxSockets: 20000}}
	each, private := usersPerAddress(u)
	limit := connectionLimit(func() *hot { return present }, each, private)
	for address, want := range map[string]int{
		"10.1.2.3": 0, "192.168.1.1": 12048, "127.0.0.1": 12048, "fd00::1": 12048, "100.64.0.1": 12048, "192.0.2.1": 1506, "2001:db8::1": 1506,
	} {
		g.Expect(limit(netip.MustParseAddr(address))).To(Equal(want), address)
	}
	u.ConnectionsPerAddress = 7
	each, private = usersPerAddress(u)
	g.Expect([]int{each, private}).To(Equal([]int{7, 7}))
}

// TestAProxyThatIsNotTrustedIsSaid: by a metric for each request, and by the log once a minute.
func TestAProxyThatIsNotTrustedIsSaid(t *testing.T) {
	g := NewWithT(t)
	var log bytes.Buffer
	clock := newTestClock()
	u := newUntrustedProxies(slog.New(slog.NewJSONHandler(&log, nil)), prometheus.NewRegistry(), clock.now)
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	look := func(peer string, forwarded ...string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
		for _, f := range forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		u.check(r, trusted)
	}
	look("10.0.0.1:1", "192.0.2.1") // trusted
	look("192.168.0.1:1")           // no proxy
	look("192.0.2.1:1", "10.0.0.1") // a client that says so
	look("@", "192.0.2.1")
	g.Expect(log.String()).To(BeEmpty())
	g.Expect(testutil.ToFloat64(u.requests)).To(BeZero())
	for range 100 {
		look("192.168.0.1:1", "192.0.2.1")
	}
	g.Expect(testutil.ToFloat64(u.requests)).To(Equal(100.0))
	g.Expect(strings.Count(log.String(), "\n")).To(Equal(1))
	g.Expect(log.String()).To(And(ContainSubstring("192.168.0.1"), ContainSubstring("trustedProxies")))
	clock.pass(untrustedProxyWarnInterval)
	look("[fd00::1]:1", "192.0.2.1")
	g.Expect(strings.Count(log.String(), "\n")).To(Equal(2))

	h := newServices(t, "http://127.0.0.1:1", nil)
	h.begin(nil, &http.Request{RemoteAddr: "192.168.0.1:1", Header: http.Header{"X-Forwarded-For": {"192.0.2.1"}}})
	g.Expect(testutil.ToFloat64(h.proxies.requests)).To(Equal(1.0), "each request is counted")
}
