package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// accepts returns a readiness check that connects to the address.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// serves returns a readiness check that expects 200 for a GET.
func serves(url string) func(context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", url, resp.Status)
		}
		return nil
	}
}

// atOnce is the readiness check of a process without a port.
func atOnce(context.Context) error { return nil }

// vacant fails if a port is in use.
func vacant(port int32) error {
	conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("port %d is in use: end the process that listens there, OpenIM's ports are fixed", port)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("looking whether port %d is free: %w", port, err)
	}
	return nil
}

// lockFile is shared by all users of this machine. The kernel releases the lock when its holder ends.
func lockFile() string { return filepath.Join(os.TempDir(), "openim-loopback.lock") }

// lock waits until no other stack runs on this machine.
func lock(ctx context.Context, progress func(string)) (release func(), err error) {
	file, err := os.OpenFile(lockFile(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of OpenIM's ports: %w", err)
	}
	for told := false; ; {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = file.Close()
			return nil, fmt.Errorf("locking %s: %w", file.Name(), err)
		}
		if !told {
			progress("waiting for another stack on this machine to end")
			told = true
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("another stack still runs on this machine: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
