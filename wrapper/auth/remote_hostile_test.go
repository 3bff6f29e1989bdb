package auth_test

import (
	"compress/gzip"
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// fetch runs a set from a real address until the test ends.
func fetch(t *testing.T, url string, cas auth.CAs) *auth.Remote {
	t.Helper()
	remotes := auth.NewRemotes(slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry())
	k := remotes.Add("jwks-0", url, cas)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { remotes.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	return k
}

func TestASetIsFetchedOverTLSFromAConfiguredAuthority(t *testing.T) {
	g := NewWithT(t)
	key := authtest.NewKey(t, "k1", jose.ES256)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.Expect(r.Header).To(And(HaveKeyWithValue("Accept-Encoding", []string{"identity"}), Not(HaveKey("Authorization")),
			Not(HaveKey("Cookie"))))
		_, _ = w.Write(authtest.JWKS(t, key))
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	t.Cleanup(server.Close)
	path := filepath.Join(t.TempDir(), "ca.pem")
	g.Expect(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)).To(Succeed())
	ca := auth.CAFile("ca-0", path)
	_, err := ca.Reload()
	g.Expect(err).NotTo(HaveOccurred())

	g.Eventually(fetch(t, server.URL+"/jwks", ca).Loaded, time.Minute).Should(Succeed())
	g.Eventually(fetch(t, server.URL+"/jwks", nil).Loaded, time.Minute).Should(
		MatchError(ContainSubstring("configure the authority's certificate in caFile")), "the system's authorities know nothing of it")

	empty := filepath.Join(t.TempDir(), "empty.pem")
	g.Expect(os.WriteFile(empty, []byte("no certificate"), 0o600)).To(Succeed())
	_, err = auth.CAFile("ca-1", empty).Reload()
	g.Expect(err).To(MatchError(ContainSubstring("holds no certificate in PEM")))
}

func TestAddressesOfSetsThatAreRefused(t *testing.T) {
	for _, url := range []string{
		"", "id.example.com/jwks", "http://id.example.com/jwks", "http://127.0.0.1/jwks", "ftp://id.example.com/jwks", "https://",
		"https:///jwks", "https:jwks",
		"https://user:password@id.example.com/jwks", "https://id.example.com/jwks#x", "file:///etc/passwd",
		"https://id.example.com/" + strings.Repeat("x", 2048), "https://id example.com/",
	} {
		NewWithT(t).Expect(auth.CheckJWKSURL(url)).To(MatchError(ContainSubstring("write https://host/path")), url)
	}
	NewWithT(t).Expect(auth.CheckJWKSURL("https://id.example.com:8443/realms/im/certs?x=1")).To(Succeed())
	g := NewWithT(t)
	g.Eventually(fetch(t, "http://id.example.com/jwks", nil).Loaded, time.Minute).Should(
		MatchError(ContainSubstring("write https://host/path")), "not even asked")
}

func TestAHostileProviderCostsLittleAndGivesNothing(t *testing.T) {
	evil := authtest.JWKS(t, authtest.NewKey(t, "evil", jose.ES256))
	var elsewhere atomic.Int32
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		elsewhere.Add(1)
		_, _ = w.Write(evil)
	}))
	t.Cleanup(target.Close)
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		says   string
	}{
		{"an endless body", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, strings.Repeat(" ", 64<<10)); err != nil {
					return
				}
			}
		}, "larger than"},
		{"a body announced as a terabyte", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1099511627776")
			w.WriteHeader(http.StatusOK)
		}, "larger than"},
		{"a gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, io.LimitReader(zeroes{}, 64<<20))
			_ = z.Close()
		}, "content coding"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, http.StatusFound) }, "redirect (HTTP " +
			"status 302)"},
		{"a redirect to the metadata of a cloud", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusPermanentRedirect)
		}, "redirect (HTTP status 308)"},
		{"an error that quotes what must not be logged", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "secret-of-the-provider", http.StatusInternalServerError)
		}, "HTTP status 500"},
		{"headers of a megabyte", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			_, _ = w.Write(evil)
		}, "not HTTP"},
		{"a reply that breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "500")
			_, _ = w.Write(evil[:50])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "broke off"},
		{"bytes that are no HTTP", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "secret-of-the-provider\r\n\r\n")
				_ = conn.Close()
			}
		}, "not HTTP"},
		{"JSON nested without end", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"keys":`+strings.Repeat("[", 200<<10))
		}, "not a JWK Set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			server := httptest.NewServer(c.answer)
			server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
			t.Cleanup(server.Close)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			k := fetch(t, server.URL, nil)
			g.Eventually(k.Loaded, time.Minute).Should(MatchError(ContainSubstring(c.says)))
			runtime.ReadMemStats(&after)
			g.Expect(after.TotalAlloc-before.TotalAlloc).To(BeNumerically("<", 40<<20),
				"what it can make us take up, the server of the test included")
			_, err := k.Get()
			g.Expect(err.Error()).NotTo(ContainSubstring("secret-of-the-provider"))
		})
	}
	NewWithT(t).Expect(elsewhere.Load()).To(BeZero(), "no redirect was followed")
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAProviderThatDoesNotAnswerEndsAtTheDeadline(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"takes the connection and says nothing": func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"a byte of the body now and then": func(c net.Conn) {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { _ = lis.Close() })
			go func() {
				for {
					c, err := lis.Accept()
					if err != nil {
						return
					}
					go func() { serve(c); _ = c.Close() }()
				}
			}()
			k := fetch(t, "http://"+lis.Addr().String(), nil)
			g.Expect(k.Loaded()).To(MatchError(ContainSubstring("has not been fetched yet")))
			g.Eventually(k.Loaded, time.Minute).Should(MatchError(ContainSubstring("no answer in time")))
		})
	}
}
