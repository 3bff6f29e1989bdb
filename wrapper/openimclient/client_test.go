package openimclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// fixture is a client with a stand-in for OpenIM, a manual clock, and a secret that a test can change.
type fixture struct {
	*openimclient.Client
	openim *openimtest.Fake
	mu     sync.Mutex
	at     time.Time
	secret string
	minted []error
}

func newFixture(t *testing.T) *fixture {
	b := &fixture{openim: openimtest.New(t), at: noon, secret: openimtest.Secret}
	b.Client = openimclient.New(openimclient.Options{
		BaseURL: b.openim.URL, AdminUserID: openimtest.AdminUserID, Secret: b, Now: b.now, Observe: b,
	})
	t.Cleanup(b.Client.Close)
	return b
}

func (b *fixture) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *fixture) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func (b *fixture) Get() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.secret == "" {
		return nil, errors.New("the mounted file has not been read yet")
	}
	return []byte(b.secret), nil
}

func (b *fixture) setSecret(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.secret = s
}

func (b *fixture) TokenMinted(err error, _ time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.minted = append(b.minted, err)
}

func (b *fixture) mints() int { return len(b.openim.Seen("/auth/get_admin_token")) }

var info = openimclient.Request{Path: "/user/get_users_info", Body: []byte(`{"userIDs":["alice"]}`), RequestID: "r-1", Repeatable: true}

func TestACallCarriesTheAdminTokenAndTheRequestID(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.openim.Set(func(f *openimtest.Fake) {
		f.Replies[info.Path] = `{"errCode":0,"errMsg":"","errDlt":"","data":{"usersInfo":[]}}`
	})
	reply, err := b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(reply.Data)).To(MatchJSON(`{"usersInfo":[]}`))

	mint := b.openim.Seen("/auth/get_admin_token")[0]
	g.Expect(mint.Body).To(MatchJSON(fmt.Sprintf(`{"secret":%q,"userID":"imAdmin"}`, openimtest.Secret)))
	g.Expect(mint.Header).To(HaveKey("Operationid"))
	call := b.openim.Seen(info.Path)[0]
	g.Expect(call.Method).To(Equal("POST"))
	g.Expect(call.Body).To(Equal(string(info.Body)))
	g.Expect(call.Header).To(HaveKeyWithValue("Operationid", []string{"r-1"}))
	g.Expect(call.Header).To(HaveKeyWithValue("Token", []string{openimtest.Token(1)}))
}

func TestManyCallersShareOneToken(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := b.Call(t.Context(), info); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	g.Expect(b.mints()).To(Equal(1))
	g.Expect(b.openim.Seen(info.Path)).To(HaveLen(50))
}

func TestTheTokenIsRenewedBeforeItEnds(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	life := openimtest.TokenLifeSeconds * time.Second
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 1}, {life*9/10 - time.Second, 1}, {2 * time.Second, 2}, {0, 2}} {
		b.pass(step.wait)
		_, err := b.Call(t.Context(), info)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(b.mints()).To(Equal(step.want))
	}
}

func TestAnotherSecretMeansAnotherToken(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	_, err := b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	b.openim.Set(func(f *openimtest.Fake) { f.Secret = "rotated" })
	b.setSecret("rotated")
	_, err = b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.openim.Seen(info.Path)[1].Header.Get("token")).To(Equal(openimtest.Token(2)))
}

// previousSecret is the value that is being replaced, "" while it cannot be read.
type previousSecret string

func (s *previousSecret) Get() ([]byte, error) {
	if *s == "" {
		return nil, errors.New("the Secret is gone")
	}
	return []byte(*s), nil
}

func TestWhileTheSecretIsReplacedBothValuesAreTried(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	previous := previousSecret(openimtest.Secret)
	b.setSecret("next")
	c := openimclient.New(openimclient.Options{
		BaseURL: b.openim.URL, AdminUserID: openimtest.AdminUserID, Secret: b, Previous: &previous, Now: b.now, Observe: b,
	})
	t.Cleanup(c.Close)
	_, err := c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred(), "openim-rpc-auth has the previous value still")
	g.Expect(b.mints()).To(Equal(2))
	_, err = c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.mints()).To(Equal(2), "the token is kept")

	b.openim.Set(func(f *openimtest.Fake) { f.Secret = "next" })
	b.openim.Revoke() // a process that starts with another secret accepts no earlier token
	_, err = c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.mints()).To(Equal(3), "the present value comes first")
	g.Expect(b.minted).To(HaveEach(BeNil()), "a refusal of one of two values is no failure")

	previous = ""
	b.openim.Revoke()
	_, err = c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred(), "the previous value may be gone")

	b.openim.Set(func(f *openimtest.Fake) { f.Secret = "a third" })
	b.openim.Revoke()
	previous = openimtest.Secret
	_, err = c.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrNoToken))
	b.pass(2 * time.Second)
	b.openim.Set(func(f *openimtest.Fake) { f.Secret = "next" })
	_, err = c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestARefusedTokenIsRenewedOnceAndTheCallRepeated(t *testing.T) {
	for code := wire.CodeTokenExpired; code <= wire.CodeTokenNotExist; code++ {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			g := NewWithT(t)
			b := newFixture(t)
			write := openimclient.Request{Path: "/msg/send_msg", Body: []byte(`{}`),
				RequestID: "r-1"} // not repeatable, but OpenIM did not execute it
			refusals := 1
			b.openim.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != write.Path || refusals == 0 {
					return false
				}
				refusals--
				_, _ = fmt.Fprintf(w, `{"errCode":%d,"errMsg":"Token","errDlt":"x"}`, code)
				return true
			}
			reply, err := b.Call(t.Context(), write)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reply.ErrCode).To(Equal(0))
			g.Expect(b.mints()).To(Equal(2))
			calls := b.openim.Seen(write.Path)
			g.Expect(calls).To(HaveLen(2))
			g.Expect(calls[1].Header.Get("token")).To(Equal(openimtest.Token(2)))
		})
	}
}

func TestASecondRefusalOfTheAdminTokenIsNotReportedAsTheCallersFault(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.openim.Set(func(f *openimtest.Fake) {
		f.Replies[info.Path] = `{"errCode":1501,"errMsg":"TokenExpiredError","errDlt":"x"}`
	})
	_, err := b.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrNoToken))
	g.Expect(b.mints()).To(Equal(2), "there is no third request")
	g.Expect(b.openim.Seen(info.Path)).To(HaveLen(2))
}

func TestAWrongSecretIsReportedWithoutItsValue(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.setSecret("wrong-secret")
	_, err := b.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrNoToken))
	g.Expect(err).To(MatchError(And(ContainSubstring("errCode 1002"), ContainSubstring("compare share.secret"),
		Not(ContainSubstring("wrong-secret")))))
	g.Expect(b.openim.Seen(info.Path)).To(BeEmpty())

	_, err = b.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrNoToken))
	g.Expect(b.mints()).To(Equal(1), "no request within a second of a failure")
	b.pass(time.Second)
	b.setSecret(openimtest.Secret)
	_, err = b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.minted).To(HaveLen(2))
	g.Expect(b.minted[0]).To(HaveOccurred())
	g.Expect(b.minted[1]).NotTo(HaveOccurred())
}

func TestWithoutASecretThereIsNoRequest(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.setSecret("")
	_, err := b.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrNoToken))
	g.Expect(b.mints()).To(Equal(0))
}

// TestRepliesThatAreNotOpenIMs checks the error for each malformed reply, and how often the request was sent.
func TestRepliesThatAreNotOpenIMs(t *testing.T) {
	reply := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	closeConn := func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, c := range []struct {
		name       string
		answer     func(http.ResponseWriter)
		repeatable bool
		want       error
		sent       int
	}{
		{"unknown route", reply(404, "404 page not found"), true, openimclient.ErrNoRoute, 1},
		{"a panic's empty 500", reply(500, ""), true, openimclient.ErrBadReply, 1},
		{"a redirect, which is not followed", func(w http.ResponseWriter) {
			w.Header().Set("Location", "/user/elsewhere")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, true, openimclient.ErrBadReply, 1},
		{"not JSON", reply(200, "<html>"), true, openimclient.ErrBadReply, 1},
		{"JSON without errCode", reply(200, `{"code":0}`), true, openimclient.ErrBadReply, 1},
		{"errCode is a text", reply(200, `{"errCode":"0"}`), true, openimclient.ErrBadReply, 1},
		{"empty", reply(200, ""), true, openimclient.ErrBadReply, 1},
		{"too large", reply(200, `{"errCode":0,"data":"`+strings.Repeat("x", wire.MaxReplyBytes)+`"}`), true, openimclient.ErrBadReply, 1},
		{"a vanished process", reply(200, `{"errCode":14,"errMsg":"last resolver error: produced zero addresses"}`), true,
			openimclient.ErrUnavailable, 1},
		{"closed, repeatable", closeConn, true, openimclient.ErrBroken, 2},
		{"closed, not repeatable", closeConn, false, openimclient.ErrBroken, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			b := newFixture(t)
			b.openim.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != info.Path {
					return false
				}
				c.answer(w)
				return true
			}
			_, err := b.Call(t.Context(), openimclient.Request{Path: info.Path, Body: info.Body, RequestID: "r", Repeatable: c.repeatable})
			g.Expect(err).To(MatchError(c.want))
			g.Expect(err).To(MatchError(Not(ContainSubstring("127.0.0.1"))), "no addresses")
			g.Expect(b.openim.Seen(info.Path)).To(HaveLen(c.sent))
			g.Expect(b.openim.Seen("/user/elsewhere")).To(BeEmpty())
		})
	}
}

func TestAHangingOpenIMEndsWithTheDeadline(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	release := make(chan struct{})
	arrived := make(chan struct{}, 1)
	defer close(release)
	b.openim.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != info.Path {
			return false
		}
		arrived <- struct{}{}
		<-release
		return true
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := b.Call(ctx, info)
	g.Expect(err).To(MatchError(openimclient.ErrTimeout))
}

func TestAnUnreachableOpenIMIsReported(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.openim.Server.Close()
	_, err := b.Call(t.Context(), info)
	g.Expect(err).To(MatchError(openimclient.ErrUnavailable))
	g.Expect(b.Prove(t.Context())).To(MatchError(openimclient.ErrUnavailable))
}

func TestTheEnvironmentsProxyIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy received a request") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	b := newFixture(t)
	_, err := b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestProveReportsEachFailure(t *testing.T) {
	const parse = "/auth/parse_token"
	for _, c := range []struct {
		name   string
		change func(*openimtest.Fake)
		want   error
		minted int
	}{
		{"all well", func(*openimtest.Fake) {}, nil, 1},
		{"etcd lost: no process is found", func(f *openimtest.Fake) {
			f.Before = answer(parse, `{"errCode":14,"errMsg":"produced zero addresses"}`)
		}, openimclient.ErrUnavailable, 1},
		{"Redis lost", func(f *openimtest.Fake) { f.Before = answer(parse, `{"errCode":500,"errMsg":"redis"}`) }, openimclient.ErrBadReply,
			1},
		{"the token is another's", func(f *openimtest.Fake) { f.Before = answer(parse, `{"errCode":0,"data":{"userID":"alice"}}`) },
			openimclient.ErrBadReply, 1},
		{"the token is refused, and so is a new one", func(f *openimtest.Fake) { f.Before = answer(parse, `{"errCode":1507}`) },
			openimclient.ErrNoToken, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			b := newFixture(t)
			b.openim.Set(c.change)
			err := b.Prove(t.Context())
			if c.want == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(c.want))
			}
			g.Expect(b.mints()).To(Equal(c.minted))
		})
	}
}

func TestProveRenewsARevokedToken(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.Prove(t.Context())).To(Succeed())
	b.openim.Revoke()
	g.Expect(b.Prove(t.Context())).To(Succeed())
	g.Expect(b.mints()).To(Equal(2))
}

func answer(path, body string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		_, _ = w.Write([]byte(body))
		return true
	}
}
