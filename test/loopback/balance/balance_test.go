package balance_test

import (
	"io"
	"net"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/loopback/balance"
)

// named answers each connection with its name and what it was sent.
func named(t *testing.T, name string) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			sent, _ := io.ReadAll(conn)
			_, _ = io.WriteString(conn, name+string(sent))
			_ = conn.Close()
		}
	}()
	return ln
}

func ask(t *testing.T, b *balance.Balancer) string {
	t.Helper()
	conn, err := net.Dial("tcp", b.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "?")
	_ = conn.(*net.TCPConn).CloseWrite()
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func TestConnectionsGoRoundAndAvoidTheDead(t *testing.T) {
	g := NewWithT(t)
	b, err := balance.New()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(b.Close)
	g.Expect(ask(t, b)).To(BeEmpty(), "nobody is there yet")

	one, two := named(t, "one"), named(t, "two")
	b.Add(one.Addr().String())
	b.Add(two.Addr().String())
	g.Expect([]string{ask(t, b), ask(t, b)}).To(ConsistOf("one?", "two?"))

	_ = one.Close()
	g.Expect([]string{ask(t, b), ask(t, b)}).To(ConsistOf("two?", "two?"))

	three := named(t, "three")
	b.Set([]string{three.Addr().String()})
	g.Expect(ask(t, b)).To(Equal("three?"))
}
