package node

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// probe checks the health of a program: nil when it is healthy.
func probe(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return conn.Close()
	}
	client := http.Client{Transport: &http.Transport{
		DialContext:       dialInNode,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // self-signed ports in a namespace of their own; nothing secret is sent
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// dialInNode connects from inside the node's network namespace. A socket belongs to the namespace of the thread that creates it, so one
// thread enters the namespace and returns.
func dialInNode(ctx context.Context, network, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		runtime.LockOSThread()
		conn, back, err := dialThere(ctx, network, address)
		if back {
			runtime.UnlockOSThread() // otherwise the thread ends with this goroutine
		}
		done <- result{conn, err}
	}()
	r := <-done
	return r.conn, r.err
}

// dialThere also reports whether the thread is in its old namespace again.
func dialThere(ctx context.Context, network, address string) (conn net.Conn, back bool, err error) {
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, true, err
	}
	defer here.Close()
	there, err := os.Open(netnsFile)
	if err != nil {
		return nil, true, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, true, fmt.Errorf("entering the node's network namespace: %w", err)
	}
	conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
	return conn, unix.Setns(int(here.Fd()), unix.CLONE_NEWNET) == nil, err
}
