package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// canned is an answer or an error.
type canned struct {
	status int
	body   io.Reader
	length int
	header http.Header
	err    error
}

// provider replaces the network: it returns the configured answers and counts calls.
type provider struct {
	mu     sync.Mutex
	answer func(*http.Request) canned
	times  []time.Time
	seen   []http.Header
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	p.times, p.seen = append(p.times, time.Now()), append(p.seen, r.Header)
	answer := p.answer
	p.mu.Unlock()
	c := answer(r)
	if c.err != nil {
		return nil, c.err
	}
	return &http.Response{StatusCode: c.status, Header: c.header, Body: io.NopCloser(c.body), ContentLength: int64(c.length)}, nil
}

func (p *provider) is(answer func(*http.Request) canned) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *provider) calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.times)
}

func reply(status int, body []byte, header ...string) func(*http.Request) canned {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return func(*http.Request) canned {
		return canned{status: status, header: h, body: strings.NewReader(string(body)), length: len(body)}
	}
}

func broken(*http.Request) canned { return canned{err: errors.New("connection refused")} }

// fetching runs a remote set against a provider until the test ends.
func fetching(t *testing.T, p *provider) *Remote {
	t.Helper()
	remotes := NewRemotes(slog.New(slog.DiscardHandler), prometheus.NewPedanticRegistry())
	k := remotes.Add("jwks-0", "https://id.example.com/jwks", nil)
	k.transport = func() (http.RoundTripper, func(), error) { return p, func() {}, nil }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { remotes.Run(ctx); close(ended) }()
	t.Cleanup(func() { cancel(); <-ended })
	synctest.Wait()
	return k
}

func has(k *Remote, kid string) bool {
	set, err := k.Get()
	return err == nil && set.has(kid)
}

func TestASetIsFetchedAtOnceAndThenAsTheProviderSays(t *testing.T) {
	key := authtest.NewKey(t, "k1", jose.ES256)
	for _, c := range []struct {
		name, control string
		every         time.Duration
	}{
		{"says nothing", "", 15 * time.Minute},
		{"ten minutes", "public, max-age=600", 10 * time.Minute},
		{"quoted", `max-age="600"`, 10 * time.Minute},
		{"too often", "max-age=1", MinRefresh},
		{"never", "max-age=31536000, immutable", MaxRefresh},
		{"no-store", "no-store", MinRefresh},
		{"no-cache", "private, No-Cache", MinRefresh},
		{"a number beyond all bounds", "max-age=99999999999999999999", MinRefresh},
		{"negative", "max-age=-1", MinRefresh},
		{"nonsense", "max-age=soon", MinRefresh},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				p := &provider{answer: reply(200, authtest.JWKS(t, key), "Cache-Control", c.control)}
				k := fetching(t, p)
				g.Expect(has(k, "k1")).To(BeTrue())
				g.Expect(k.Loaded()).To(Succeed())
				time.Sleep(3*c.every + time.Second)
				g.Expect(p.calls()).To(Equal(4))
				g.Expect(p.times[1].Sub(p.times[0])).To(Equal(c.every))
			})
		})
	}
}

func TestAnUnchangedSetIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		p := &provider{answer: reply(200, authtest.JWKS(t, authtest.NewKey(t, "k1", jose.ES256)), "ETag", `"v1"`)}
		k := fetching(t, p)
		p.is(func(r *http.Request) canned {
			if r.Header.Get("If-None-Match") != `"v1"` {
				t.Error("asked without the tag")
			}
			return reply(304, nil)(r)
		})
		time.Sleep(30 * time.Hour)
		g.Expect(has(k, "k1")).To(BeTrue(), "each 304 makes it fresh again")
		g.Expect(testutil.ToFloat64(k.fetches.WithLabelValues("jwks-0", "unchanged"))).To(BeNumerically(">", 100))
	})
}

func TestAProviderThatIsDownIsOutlivedForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		key := authtest.NewKey(t, "k1", jose.ES256)
		p := &provider{answer: reply(200, authtest.JWKS(t, key))}
		k := fetching(t, p)
		p.is(broken)
		before := p.calls()
		time.Sleep(StaleAfter - time.Second)
		g.Expect(has(k, "k1")).To(BeTrue())
		g.Expect(p.calls()-before).To(BeNumerically("<", 24*60*2+10), "at most twice a minute")
		time.Sleep(2 * time.Second)
		_, err := k.Get()
		g.Expect(err).To(MatchError(ContainSubstring("could not be fetched for 24 hours")))
		g.Expect(k.Loaded()).To(Succeed(), "readiness does not hang on the provider")
		p.is(reply(200, authtest.JWKS(t, key)))
		time.Sleep(Cooldown)
		synctest.Wait()
		g.Expect(has(k, "k1")).To(BeTrue(), "back within the cooldown")
	})
}

func TestAProviderThatIsDownAtTheStartIsAskedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		p := &provider{answer: broken}
		k := fetching(t, p)
		g.Expect(k.Loaded()).To(MatchError(ContainSubstring("has not been fetched yet")))
		p.is(reply(200, authtest.JWKS(t, authtest.NewKey(t, "k1", jose.ES256))))
		time.Sleep(firstRetry)
		synctest.Wait()
		g.Expect(k.Loaded()).To(Succeed())
	})
}

func TestASetThatWillNotDoChangesNothing(t *testing.T) {
	good, other := authtest.NewKey(t, "k1", jose.ES256), authtest.NewKey(t, "k2", jose.ES256)
	private, err := (jose.JSONWebKey{Key: other.Private, KeyID: "p"}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]func(*http.Request) canned{
		"empty":                     reply(200, []byte(`{"keys":[]}`)),
		"a private key in it":       reply(200, fmt.Appendf(nil, `{"keys":[%s]}`, private)),
		"one kid twice":             reply(200, authtest.JWKS(t, other, authtest.NewKey(t, "k2", jose.ES256))),
		"an error page":             reply(200, []byte("<html>")),
		"500":                       reply(500, authtest.JWKS(t, other)),
		"404":                       reply(404, authtest.JWKS(t, other)),
		"204":                       reply(204, nil),
		"a redirect":                reply(302, authtest.JWKS(t, other), "Location", "https://evil.example/jwks"),
		"300 with a set":            reply(300, authtest.JWKS(t, other)),
		"304 that was not asked":    reply(304, nil),
		"compressed":                reply(200, authtest.JWKS(t, other), "Content-Encoding", "gzip"),
		"more than 256 KiB":         reply(200, []byte(`{"keys":[],"x":"`+strings.Repeat("x", 256<<10)+`"}`)),
		"a body that is cut short":  func(*http.Request) canned { return cut(authtest.JWKS(t, other)) },
		"a certificate of nobody's": broken,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				p := &provider{answer: reply(200, authtest.JWKS(t, good))}
				k := fetching(t, p)
				p.is(bad)
				time.Sleep(defaultRefresh + time.Second)
				g.Expect(p.calls()).To(BeNumerically(">", 1))
				g.Expect(has(k, "k1")).To(BeTrue())
				g.Expect(has(k, "k2")).To(BeFalse())
				g.Expect(testutil.ToFloat64(k.fetches.WithLabelValues("jwks-0", "failed"))).To(BeNumerically(">", 0))
			})
		})
	}
}

// cut is a reply whose body ends before its length.
func cut(body []byte) canned {
	return canned{status: http.StatusOK, header: http.Header{}, length: len(body),
		body: io.MultiReader(strings.NewReader(string(body[:len(body)/2])), errorReader{})}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
