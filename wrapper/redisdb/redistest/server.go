package redistest

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/procstop"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// startTimeout limits a start on a busy machine.
const startTimeout = 20 * time.Second

// Server is the redis-server of one test. It stores nothing on disk, so that it is empty after a restart.
type Server struct {
	Address      string
	Password     string
	PasswordFile string

	t       testing.TB
	dir     string
	extra   []string
	process *exec.Cmd
	output  bytes.Buffer
}

// Start starts a server, which runs until the test ends. Extra arguments are for redis-server, such as "--appendonly", "yes".
func Start(t testing.TB, extra ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("starting redis-server: not installed: install the Debian package redis-server (apt-get install redis-server)")
	}
	s := &Server{t: t, dir: t.TempDir(), Password: rand.Text(), extra: extra}
	s.Address = freeport.Address(t)
	s.PasswordFile = filepath.Join(s.dir, "password")
	if err := os.WriteFile(s.PasswordFile, []byte(s.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.Restart()
	return s
}

// StartCluster is Start for a node of a Redis Cluster. Its bus has a port that was taken for it: the default, the server's port plus 10000,
// is among those from which the kernel takes the source ports of outgoing connections, so any connection of the machine can have it.
func StartCluster(t testing.TB) *Server {
	t.Helper()
	_, bus, err := net.SplitHostPort(freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	return Start(t, "--cluster-enabled", "yes", "--cluster-port", bus)
}

// Config returns the wrapper's configuration for this server.
func (s *Server) Config(prefix string) redisdb.Config {
	return redisdb.Config{Addresses: []string{s.Address}, PasswordFile: s.PasswordFile, KeyPrefix: prefix}
}

// Open returns a client as the wrapper opens it. It is closed at the end of the test.
func (s *Server) Open(prefix string) *redisdb.DB {
	s.t.Helper()
	return s.open(s.Config(prefix))
}

func (s *Server) open(config redisdb.Config) *redisdb.DB {
	s.t.Helper()
	db, sources := redisdb.Open(config, slog.New(slog.DiscardHandler))
	for _, source := range sources {
		if _, err := source.Reload(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// OpenCluster is Open for a server of StartCluster. It assigns all slots to the server: a Cluster of one node.
func (s *Server) OpenCluster(prefix string) *redisdb.DB {
	s.t.Helper()
	ctx := s.t.Context()
	raw := s.Client()
	if err := raw.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		s.t.Fatalf("assigning the slots to the node: %v", err)
	}
	config := s.Config(prefix)
	config.Addresses = append(config.Addresses, s.Address) // two addresses make a Cluster's client
	return s.open(config)
}

// Client returns a client for the test itself, with the library's default timeouts and without prefix.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{Addr: s.Address, Password: s.Password})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Restart stops the server if it runs, starts it on the same port, and waits until it answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	host, port, _ := net.SplitHostPort(s.Address)
	s.output.Reset()
	//nolint:gosec // the arguments are the test's own
	s.process = exec.Command("redis-server", append([]string{"--bind", host, "--port", port, "--dir", s.dir,
		"--requirepass", s.Password, "--save", "", "--appendonly", "no", "--daemonize", "no"}, s.extra...)...)
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	// If the test is killed, the kernel kills the server.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("starting redis-server: %v", err)
	}
	if err := s.awaitAnswer(); err != nil {
		s.Stop()
		s.t.Fatalf("starting redis-server: it does not answer on %s: %v\n%s", s.Address, err, s.output.String())
	}
}

func (s *Server) awaitAnswer() error {
	c := redis.NewClient(&redis.Options{Addr: s.Address, Password: s.Password})
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := c.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %s: %w", startTimeout, err)
		case <-tick.C:
		}
	}
}

// Stop kills the server, as a crash would. Its connections fail.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGCONT)
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	s.process = nil
}

// Freeze suspends the server: it accepts connections and answers nothing.
func (s *Server) Freeze() { s.halting(procstop.Halt) }

// Thaw continues a frozen server.
func (s *Server) Thaw() { s.halting(procstop.Resume) }

func (s *Server) halting(do func(group int) error) {
	s.t.Helper()
	if err := do(s.process.Process.Pid); err != nil {
		s.t.Fatalf("redis-server: %v", err)
	}
}
