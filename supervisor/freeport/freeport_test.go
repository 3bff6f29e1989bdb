package freeport

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// The ports of these tests: below those that other packages take at the same time.
const (
	low = 19900
	few = 8
)

// envOther makes the test binary another process: it takes all ports that it can have, tells them, and waits until its input ends.
const envOther = "FREEPORT_TEST_OTHER"

func TestMain(m *testing.M) {
	if os.Getenv(envOther) == "" {
		os.Exit(m.Run())
	}
	var other taken
	for {
		address, err := other.take(low, few)
		if err != nil {
			_, _ = fmt.Fprintln(os.Stdout, err)
			break
		}
		_, _ = fmt.Fprintln(os.Stdout, address)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// release gives the ports of a test back, so that it can be run again in the same process.
func (h *taken) release() {
	for _, lock := range h.locks {
		_ = lock.Close()
	}
}

func TestNoTwoCallsOrProcessesHaveAPort(t *testing.T) {
	g := NewWithT(t)
	var mine taken
	t.Cleanup(mine.release)
	seen := map[string]bool{}
	take := func() {
		address, err := mine.take(low, few)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seen).NotTo(HaveKey(address))
		seen[address] = true
	}
	for range 3 {
		take()
	}

	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), envOther+"=1")
	hold, err := other.StdinPipe()
	g.Expect(err).NotTo(HaveOccurred())
	out, err := other.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(other.Start()).To(Succeed())
	lines := bufio.NewScanner(out)
	theirs := map[string]bool{}
	for lines.Scan() && strings.HasPrefix(lines.Text(), "127.0.0.1:") {
		g.Expect(seen).NotTo(HaveKey(lines.Text()))
		theirs[lines.Text()] = true
	}
	g.Expect(theirs).To(HaveLen(few - 3))
	g.Expect(lines.Text()).To(Equal("taking a port for a test: none is free between 19900 and 19907"))
	_, err = mine.take(low, few)
	g.Expect(err).To(MatchError(ContainSubstring("none is free")))

	g.Expect(hold.Close()).To(Succeed())
	g.Expect(other.Wait()).To(Succeed())
	for range few - 3 {
		take()
	}
	g.Expect(seen).To(HaveLen(few), "ports of a process that ended are free again")
}

func TestAPortInUseIsNotTaken(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:19910")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = listener.Close() }()
	var mine taken
	t.Cleanup(mine.release)
	for range few - 1 {
		address, err := mine.take(19908, few)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(address).NotTo(Equal(listener.Addr().String()))
	}
	_, err = mine.take(19908, few)
	g.Expect(err).To(HaveOccurred())
}

func TestAnAddressCanBeListenedOnAgainAndAgain(t *testing.T) {
	g := NewWithT(t)
	address := Address(t)
	for range 3 {
		listener, err := net.Listen("tcp", address)
		g.Expect(err).NotTo(HaveOccurred())
		conn, err := net.Dial("tcp", address)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(listener.Close()).To(Succeed())
		_ = conn.Close()
	}
}
