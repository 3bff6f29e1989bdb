package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
)

// freeAddress returns an address of loopback at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	return lis.Addr().String()
}

// refusingGateway is a msggateway that refuses every connection with an errCode.
func refusingGateway(t *testing.T, code int) string {
	t.Helper()
	ws := msggatewaytest.New(t)
	ws.Check = func(url.Values) (int, string) { return code, "refused" }
	return ws.URL()
}

func TestACheckThatServesItsResult(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	checking, proceed := make(chan struct{}), make(chan struct{})
	fake.Set(func(f *openimtest.Fake) {
		f.Before = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/auth/parse_token" {
				select {
				case checking <- struct{}{}:
					<-proceed
				default:
				}
			}
			return false
		}
	})
	address, left := freeAddress(t), filepath.Join(t.TempDir(), "termination-log")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"check", "--config", backendFile(t, fake.URL, openimtest.Secret), "--socket", refusingGateway(t, 1501),
			"--serve", address, "--termination-log", left}, &stdout, &stderr)
	}()
	ready := func(method string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/readyz", nil)
		if err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	<-checking
	_, err := ready(http.MethodGet)
	g.Expect(err).To(HaveOccurred(), "nothing listens before the check has passed")
	close(proceed)
	g.Eventually(func() (int, error) { return ready(http.MethodGet) }, 10*time.Second).Should(Equal(http.StatusOK))
	status, err := ready(http.MethodPost)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusMethodNotAllowed))
	stop()
	g.Eventually(ended, 5*time.Second).Should(Receive(Equal(exitOK)), "%s", stderr.String())
	g.Expect(stdout.String()).To(MatchRegexp(`^\d+ things checked, 0 problems\n$`))
	g.Expect(left).NotTo(BeAnExistingFile())
}

func TestAFailedCheckLeavesItsProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*openimtest.Fake)
		secret string
		socket int
		says   string
	}{
		"a wrong secret":       {func(*openimtest.Fake) {}, "wrong-secret", 1501, "compare share.secret"},
		"a socket that errs":   {func(*openimtest.Fake) {}, openimtest.Secret, 500, "refused handshake 1: connecting to msggateway: errCode 500"},
		"every route is wrong": {func(f *openimtest.Fake) { f.Before = nothingThere }, openimtest.Secret, 1501, "the route does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fake := openimtest.New(t)
			fake.Set(c.change)
			left := filepath.Join(t.TempDir(), "termination-log")
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), []string{"check", "--config", backendFile(t, fake.URL, c.secret), "--mode", "Messages", "--socket",
				refusingGateway(t, c.socket), "--serve", "127.0.0.1:0", "--termination-log", left}, &stdout, &stderr)
			g.Expect(code).To(Equal(exitFailed))
			text, err := os.ReadFile(left)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(len(text)).To(BeNumerically("<=", 1024))
			g.Expect(string(text)).To(And(MatchRegexp(`^\d+ things checked, \d+ problems\n`), ContainSubstring(c.says)))
			for _, secret := range []string{"wrong-secret", openimtest.Secret, "eyJ", "goroutine"} {
				g.Expect(string(text) + stdout.String() + stderr.String()).NotTo(ContainSubstring(secret))
			}
		})
	}
	t.Run("a file that cannot be read", func(t *testing.T) {
		g := NewWithT(t)
		left := filepath.Join(t.TempDir(), "termination-log")
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"check", "--config", "/does/not/exist", "--termination-log", left}, &stdout, &stderr)
		g.Expect(code).To(Equal(exitFailed))
		text, err := os.ReadFile(left)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(text)).To(ContainSubstring("reading the configuration"))
	})
	t.Run("an address that is taken", func(t *testing.T) {
		g := NewWithT(t)
		fake := openimtest.New(t)
		taken := strings.TrimPrefix(fake.URL, "http://")
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"check", "--config", backendFile(t, fake.URL, openimtest.Secret), "--serve", taken}, &stdout, &stderr)
		g.Expect(code).To(Equal(exitFailed))
		g.Expect(stderr.String()).To(ContainSubstring("readiness"))
	})
}

// nothingThere answers like an API without any route but those of the administrator's token.
func nothingThere(w http.ResponseWriter, r *http.Request) bool {
	if strings.HasPrefix(r.URL.Path, "/auth/") {
		return false
	}
	http.NotFound(w, r)
	return true
}

func TestACheckThatIsStopped(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	left := filepath.Join(t.TempDir(), "termination-log")
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"check", "--config", backendFile(t, fake.URL, openimtest.Secret), "--termination-log", left}, &stdout, &stderr)
	g.Expect(code).To(Equal(exitFailed))
	g.Expect(stderr.String()).To(ContainSubstring("stopped before its end"))
	g.Expect(left).NotTo(BeAnExistingFile(), "it is no verdict on OpenIM")
}

func TestASummaryIsCutBetweenCharacters(t *testing.T) {
	g := NewWithT(t)
	report := reportOf([]check.Finding{{Name: "a"}, {Name: "b", Problem: strings.Repeat("ä", 600)}})
	for limit := 60; limit < 64; limit++ {
		text := report.summary(limit)
		g.Expect(len(text)).To(BeNumerically("<=", limit))
		g.Expect(text).To(And(HavePrefix("2 things checked, 1 problems\nb: ä"), HaveSuffix("ä...")))
	}
	g.Expect(reportOf(nil).summary(1024)).To(Equal("0 things checked, 0 problems"))
}
