package preflight

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/net/http/httpproxy"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// tunnel is a proxy that leads every connection to one address, and refuses callers without a password.
func tunnel(t *testing.T, to string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		far, err := (&net.Dialer{}).DialContext(r.Context(), "tcp", to)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(far, near) }()
		_, _ = io.Copy(near, far)
		_, _ = near.Close(), far.Close()
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// A store that only a proxy reaches is checked through the proxy, as OpenIM's clients reach it. The names do not exist.
func TestAStoreBehindAProxyIsCheckedThroughIt(t *testing.T) {
	store := startFakeS3(t, defaultRegion)
	cloud, authority := cloudServer(t)
	encrypted := strings.Replace(tunnel(t, cloud), "http://", "http://user:sesame@", 1)
	bucket := func(proxies httpproxy.Config, change func(*objectStorage)) tryFunc {
		s := objectStorage{kind: kindMinIO, address: "http://files.invalid:9000", bucket: "bucket", accessKey: "openim", secretKey: "right",
			proxies: proxies, roots: authority.Pool()}
		if change != nil {
			change(&s)
		}
		return s.try
	}
	aws := func(s *objectStorage) { s.kind, s.address = kindAWS, "https://files.invalid/" }
	_, f := once(t.Context(), bucket(httpproxy.Config{HTTPProxy: store.url}, nil))
	NewWithT(t).Expect(f).To(BeNil())
	expectFailure(t, bucket(httpproxy.Config{HTTPProxy: store.url}, func(s *objectStorage) { s.secretKey = "sesame" }),
		termination.AuthenticationFailed, "secret key is wrong")
	expectFailure(t, bucket(httpproxy.Config{HTTPProxy: store.url, NoProxy: "files.invalid"}, nil), termination.Unreachable, "")
	expectFailure(t, bucket(httpproxy.Config{HTTPSProxy: store.url}, nil), termination.Unreachable, "") // the address is http

	// TLS is with the store, not with the proxy: its certificate is checked as without one.
	foreign := func(s *objectStorage) { aws(s); s.roots = certtest.New(t).Pool() }
	expectFailure(t, bucket(httpproxy.Config{HTTPSProxy: encrypted}, foreign), termination.CertificateNotTrusted, "")
	// A proxy that refuses, and one that is away, are named; the password in the variable is not.
	for _, proxy := range []string{strings.Replace(encrypted, "user:sesame@", "", 1), "http://user:sesame@127.0.0.1:1"} {
		expectFailure(t, bucket(httpproxy.Config{HTTPSProxy: proxy}, aws), termination.Unreachable, "through the proxy")
	}
}

// The names of the variables are those of net/http, in capitals first. OSS's library reads none.
func TestTheProxyIsThatOfTheEnvironment(t *testing.T) {
	of := func(pairs ...string) httpproxy.Config {
		return settings{getenv: func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}}.proxies()
	}
	g := NewWithT(t)
	g.Expect(of()).To(Equal(httpproxy.Config{}))
	g.Expect(of("https_proxy", "http://low:1", "no_proxy", ".svc")).To(Equal(httpproxy.Config{HTTPSProxy: "http://low:1", NoProxy: ".svc"}))
	g.Expect(of("HTTPS_PROXY", "http://high:1", "https_proxy", "http://low:1", "HTTP_PROXY", "x", "ALL_PROXY", "y")).To(
		Equal(httpproxy.Config{HTTPSProxy: "http://high:1", HTTPProxy: "x"}), "net/http knows no ALL_PROXY")
}
