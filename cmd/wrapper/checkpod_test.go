package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
)

// refusingGateway is a msggateway that refuses every connection with an errCode.
func refusingGateway(t *testing.T, code int) string {
	t.Helper()
	ws := msggatewaytest.New(t)
	ws.Check = func(url.Values) (int, string) { return code, "refused" }
	return ws.URL()
}

func TestWaitingEndsAtASignal(t *testing.T) {
	g := NewWithT(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"check", "--wait"}, io.Discard, io.Discard) }()
	g.Consistently(ended, 50*time.Millisecond).ShouldNot(Receive())
	stop()
	g.Eventually(ended, patience).Should(Receive(Equal(exitOK)))
}

// An attempt fails while a process of OpenIM starts; only when all fail the check has failed.
func TestAnAttemptThatPassesIsEnough(t *testing.T) {
	for name, c := range map[string]struct{ broken, code, attempts int }{
		"the second passes":       {1, exitOK, 2},
		"both fail":               {2, exitFailed, 2},
		"the third is not needed": {1, exitOK, 3},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fake := openimtest.New(t)
			var checks int
			fake.Set(func(f *openimtest.Fake) {
				f.Before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != "/user/user_register" {
						return false
					}
					checks++
					if checks > c.broken {
						return false
					}
					http.NotFound(w, r)
					return true
				}
			})
			command, err := parseCheck([]string{"--config", backendFile(t, fake.URL, openimtest.Secret), "--attempts", strconv.Itoa(c.attempts)})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(command.between).To(Equal(15 * time.Second))
			command.between = 0
			var stdout, stderr bytes.Buffer
			g.Expect(command.check(t.Context(), &stdout, &stderr)).To(Equal(c.code))
			g.Expect(checks).To(Equal(2))
			g.Expect(stderr.String()).To(ContainSubstring("attempt 1 of"))
			g.Expect(stderr.String()).To(ContainSubstring("/user/user_register: the route does not exist"))
		})
	}
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
				refusingGateway(t, c.socket), "--termination-log", left}, &stdout, &stderr)
			g.Expect(code).To(Equal(exitFailed))
			text, err := os.ReadFile(left)
			g.Expect(err).NotTo(HaveOccurred())
			decoded, err := termination.DecodeCheck(string(text))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(decoded.Failed).To(And(MatchRegexp(`^\d+ things checked, \d+ problems `), ContainSubstring(c.says)))
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
