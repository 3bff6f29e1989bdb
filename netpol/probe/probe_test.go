package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/freeport"
)

// listen returns the address of a listener that accepts connections.
func listen(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// dead returns an address without a listener.
func dead(t *testing.T) string {
	t.Helper()
	return freeport.Address(t)
}

// silent returns an address whose attempts are never answered: a listener with a full backlog that accepts nothing.
func silent(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*syscall.SockaddrInet4).Port}).String()
	for { // Fill the backlog until an attempt hangs.
		connection, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { _ = connection.Close() })
	}
}

func TestEachOutcomeIsToldApartAndTheOrderKept(t *testing.T) {
	g := NewWithT(t)
	targets := []string{dead(t), listen(t), silent(t), "no-such-name.invalid:80"}
	results := TCP(t.Context(), time.Second, targets)
	g.Expect(results).To(HaveLen(4))
	for i, r := range results {
		g.Expect(r.Target).To(Equal(targets[i]))
	}
	g.Expect(results[0].Result).To(Equal(Refused))
	g.Expect(results[0].Detail).To(ContainSubstring("refused"))
	g.Expect(results[1].Result).To(Equal(Open))
	g.Expect(results[1].Detail).To(BeEmpty())
	g.Expect(results[2].Result).To(Equal(Timeout))
	g.Expect(results[2].Milliseconds).To(BeNumerically("~", 1000, 500))
	g.Expect(results[3].Result).To(BeElementOf(Error, Timeout), "a name that does not resolve is never open nor refused")
}

func TestAttemptsRunInParallel(t *testing.T) {
	g := NewWithT(t)
	address := silent(t)
	targets := make([]string, maxParallel)
	for i := range targets {
		targets[i] = address
	}
	start := time.Now()
	for _, r := range TCP(t.Context(), time.Second, targets) {
		g.Expect(r.Result).To(Equal(Timeout))
	}
	g.Expect(time.Since(start)).To(BeNumerically("<", 10*time.Second), "%d attempts of a second each", maxParallel)
}

func TestMoreTargetsThanPlacesAreAllAttempted(t *testing.T) {
	g := NewWithT(t)
	address := listen(t)
	targets := make([]string, 3*maxParallel)
	for i := range targets {
		targets[i] = address
	}
	for _, r := range TCP(t.Context(), 5*time.Second, targets) {
		g.Expect(r.Result).To(Equal(Open))
	}
}

func TestTheEndOfTheContextEndsTheAttempts(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	results := TCP(ctx, maxTimeout, []string{silent(t)})
	g.Expect(results[0].Result).To(Equal(Timeout))
	g.Expect(time.Since(start)).To(BeNumerically("<", maxTimeout/2))
}

func TestTheCommandPrintsOneJSONArray(t *testing.T) {
	g := NewWithT(t)
	var stdout, stderr bytes.Buffer
	open, shut := listen(t), dead(t)
	g.Expect(run(t.Context(), []string{"tcp", "--timeout", "1s", open, shut}, &stdout, &stderr)).To(Equal(exitDone), stderr.String())
	var results []map[string]any
	g.Expect(json.Unmarshal(stdout.Bytes(), &results)).To(Succeed())
	g.Expect(results).To(HaveLen(2))
	g.Expect(results[0]).
		To(And(HaveKeyWithValue("target", open), HaveKeyWithValue("result", "open"), HaveKey("milliseconds"), HaveKeyWithValue("detail", "")))
	g.Expect(results[1]).To(And(HaveKeyWithValue("target", shut), HaveKeyWithValue("result", "refused")))
}

func TestIdleWaitsForTheSignal(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() { done <- run(ctx, []string{"idle"}, &bytes.Buffer{}, &bytes.Buffer{}) }()
	g.Consistently(done, "100ms").ShouldNot(Receive())
	cancel()
	g.Eventually(done).Should(Receive(Equal(exitDone)))
}

func TestWrongUseIsRefusedWithASentence(t *testing.T) {
	for name, use := range map[string]struct {
		args []string
		says string
	}{
		"nothing":           {nil, "usage"},
		"unknown command":   {[]string{"udp"}, `unknown command "udp": write idle, tcp, dns, listen or plan`},
		"no target":         {[]string{"tcp"}, "write at least one HOST:PORT"},
		"no port":           {[]string{"tcp", "10.0.0.1"}, "write HOST:PORT"},
		"port zero":         {[]string{"tcp", "10.0.0.1:0"}, "from 1 to 65535"},
		"port too large":    {[]string{"tcp", "10.0.0.1:65536"}, "from 1 to 65535"},
		"no host":           {[]string{"tcp", ":80"}, "write HOST:PORT"},
		"bare IPv6":         {[]string{"tcp", "2001:db8::1"}, "in brackets"},
		"timeout too long":  {[]string{"tcp", "--timeout", "31s", "10.0.0.1:80"}, "up to 30s"},
		"timeout not given": {[]string{"tcp", "--timeout", "0s", "10.0.0.1:80"}, "above 0"},
		"too many targets": {append([]string{"tcp"}, strings.Split(strings.Repeat("10.0.0.1:80 ", maxTargets)+"10.0.0.1:80", " ")...),
			"at most 512"},
		"unknown flag": {[]string{"tcp", "--send", "x"}, "flag provided but not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var stdout, stderr bytes.Buffer
			g.Expect(run(t.Context(), use.args, &stdout, &stderr)).To(Equal(exitUsage))
			g.Expect(stderr.String()).To(ContainSubstring(use.says))
			g.Expect(stdout.String()).To(BeEmpty())
		})
	}
}
