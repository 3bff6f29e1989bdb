package probe

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func at(address string) netip.AddrPort { return netip.MustParseAddrPort(address) }

var quick = Timing{Timeout: 300 * time.Millisecond, Settle: 300 * time.Millisecond}

func TestAPlanTellsWhatPassesFromWhatDoesNot(t *testing.T) {
	g := NewWithT(t)
	open, refused, dropped := at(listen(t)), at(dead(t)), at(silent(t))
	outcomes := Run(t.Context(), quick, []Attempt{
		{refused, false}, {open, true}, {dropped, false}, {open, false}, {refused, true}, {dropped, true},
	})
	g.Expect(outcomes).To(Equal([]Outcome{Refused, Open, Timeout, Open, Refused, Timeout}), "in the order of the plan, whatever was expected")
}

func TestAControlThatAnswersAMomentLaterIsWaitedFor(t *testing.T) {
	g := NewWithT(t)
	address := dead(t)
	time.AfterFunc(200*time.Millisecond, func() {
		if listener, err := net.Listen("tcp", address); err == nil {
			t.Cleanup(func() { _ = listener.Close() })
		}
	})
	g.Expect(Run(t.Context(), Timing{time.Second, 10 * time.Second}, []Attempt{{at(address), true}})).To(Equal([]Outcome{Open}))
}

func TestALeakThatClosesWhileNetworksSettleIsNone(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	time.AfterFunc(200*time.Millisecond, func() { _ = listener.Close() })
	g.Expect(Run(t.Context(), Timing{time.Second, 10 * time.Second}, []Attempt{{at(listener.Addr().String()), false}})).
		To(Equal([]Outcome{Refused}))
}

// A network that fails between the control and the rest must not look sealed.
func TestTheControlIsTriedAgainAfterTheRest(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	go func() { // one connection, then no more
		if connection, err := listener.Accept(); err == nil {
			_ = connection.Close()
			_ = listener.Close()
		}
	}()
	dropped := at(silent(t))
	outcomes := Run(t.Context(), quick, []Attempt{{at(listener.Addr().String()), true}, {dropped, false}})
	g.Expect(outcomes).To(Equal([]Outcome{Refused, Timeout}))
}

func TestAttemptsReadAsTheyAreWritten(t *testing.T) {
	for _, a := range []Attempt{{at("10.0.0.1:80"), true}, {at("[2001:db8::1]:65535"), false}} {
		g := NewWithT(t)
		parsed, err := ParseAttempt(a.String())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(parsed).To(Equal(a))
	}
	for _, wrong := range []string{"", "10.0.0.1:80", "open=", "open=name:80", "shut=10.0.0.1", "shut=10.0.0.1:0", "open=2001:db8::1:80",
		"open=[fe80::1%eth0]:80", "maybe=10.0.0.1:80"} {
		_, err := ParseAttempt(wrong)
		NewWithT(t).Expect(err).To(HaveOccurred(), wrong)
	}
}

func TestAMessageReadsAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		outcomes := rapid.SliceOfN(rapid.SampledFrom([]Outcome{Open, Refused, Timeout, Error}), 0, MaxAttempts).Draw(t, "outcomes")
		message := FormatMessage(outcomes)
		if len(message) > MaxMessage {
			t.Fatalf("%d bytes: the kubelet cuts it at %d", len(message), MaxMessage)
		}
		parsed, err := ParseMessage(message+"\n", len(outcomes))
		if err != nil || !slices.Equal(parsed, outcomes) {
			t.Fatalf("%v, %v", parsed, err)
		}
	})
}

func TestInvalidMessagesAreRefused(t *testing.T) {
	for message, says := range map[string]string{
		"":                     "does not start with",
		"ooo":                  "does not start with",
		"v2 ooo":               "does not start with",
		"v1 oo":                "it has 2 outcomes, and the plan has 3",
		"v1 oooo":              "it has 4 outcomes",
		"v1 oxo":               "invalid outcome",
		"panic: out of memory": "does not start with",
	} {
		_, err := ParseMessage(message, 3)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)), message)
	}
}

func FuzzParseMessage(f *testing.F) {
	f.Add("v1 ort", 3)
	f.Fuzz(func(t *testing.T, text string, attempts int) {
		outcomes, err := ParseMessage(text, attempts)
		if err == nil && len(outcomes) != attempts {
			t.Fatalf("%d outcomes of %d", len(outcomes), attempts)
		}
	})
}

func TestThePlanCommandWritesItsMessage(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "message")
	var stdout, stderr bytes.Buffer
	args := []string{"plan", "--timeout", "1s", "--settle", "0s", "--message", file, "open=" + listen(t), "shut=" + dead(t)}
	g.Expect(run(t.Context(), args, &stdout, &stderr)).To(Equal(exitDone), stderr.String())
	content, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(Equal("v1 or"))
	g.Expect(stdout.String()).To(BeEmpty())
}

func TestAPlanThatIsStoppedWritesNothing(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	file := filepath.Join(t.TempDir(), "message")
	var stderr bytes.Buffer
	g.Expect(run(ctx, []string{"plan", "--message", file, "shut=" + dead(t)}, &bytes.Buffer{}, &stderr)).To(Equal(exitFailed))
	g.Expect(file).NotTo(BeAnExistingFile())
}

func TestAListenerAcceptsAndClosesAtOnceUntilItIsStopped(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- accept(ctx, listener) }()
	for range 3 {
		connection, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(connection.SetReadDeadline(time.Now().Add(5 * time.Second))).To(Succeed())
		_, err = connection.Read(make([]byte, 1))
		g.Expect(err).To(HaveOccurred(), "closed, and nothing was sent")
		_ = connection.Close()
	}
	cancel()
	g.Eventually(done, "5s").Should(Receive(BeNil()))
}

func TestWrongUseOfPlanAndListenIsRefusedWithASentence(t *testing.T) {
	for name, use := range map[string]struct {
		args []string
		says string
	}{
		"no attempt":            {[]string{"plan"}, "write at least one"},
		"a name":                {[]string{"plan", "open=example.com:80"}, "write an address, not a name"},
		"settle too long":       {[]string{"plan", "--settle", "2m", "open=10.0.0.1:80"}, "--settle"},
		"timeout too long":      {[]string{"plan", "--timeout", "31s", "open=10.0.0.1:80"}, "up to 30s"},
		"too many attempts":     {append([]string{"plan"}, slices.Repeat([]string{"open=10.0.0.1:80"}, MaxAttempts+1)...), "write at most 2048"},
		"listen with arguments": {[]string{"listen", "10.0.0.1:80"}, "write --address alone"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			NewWithT(t).Expect(run(t.Context(), use.args, &stdout, &stderr)).To(Equal(exitUsage))
			NewWithT(t).Expect(stderr.String()).To(ContainSubstring(use.says))
		})
	}
	var stderr bytes.Buffer
	NewWithT(
		t,
	).Expect(run(t.Context(), []string{"listen", "--address", strings.Repeat("x", 3)}, &bytes.Buffer{}, &stderr)).
		To(Equal(exitFailed))
	NewWithT(t).Expect(stderr.String()).To(ContainSubstring("listening on xxx"))
}
