package mongotest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/images/image"
	"github.com/openimstack/openim-operator/wrapper/procstop"
)

// startTimeout bounds a start, on a machine that is busy with other things.
const startTimeout = 60 * time.Second

// buildTimeout bounds a build from an empty cache.
const buildTimeout = 20 * time.Minute

// Server is a database server of one test. Its data outlives a restart.
type Server struct {
	Address string

	t       testing.TB
	args    []string
	program string
	process *exec.Cmd
	output  bytes.Buffer
}

// programs finds the two programs, built if the cache has none. The outcome is the same for all tests of a process.
var programs = sync.OnceValues(func() ([]string, error) {
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	return component.BuildAll(ctx, image.FerretDB(root), image.MongoDB(root))
})

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	dirs, err := programs()
	if err != nil {
		t.Fatalf("the stand-in for MongoDB cannot be built, run make components first: %v", err)
	}
	dir, err := os.MkdirTemp("", "mongo") //nolint:usetesting // the path of a socket must be short, and a test's name can be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, Address: free(t), program: filepath.Join(dirs[1], "mongodb")}
	s.args = []string{"--listen=" + s.Address, "--ferretdb=" + filepath.Join(dirs[0], "ferretdb"), "--data-dir=" + dir}
	t.Cleanup(s.Stop)
	s.Restart()
	return s
}

func free(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// URI is how the wrapper is told of the server.
func (s *Server) URI() string { return "mongodb://" + s.Address + "/" }

// Restart stops the server if it runs and starts it again on the same port and data, and waits until it listens.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.output.Reset()
	s.process = exec.Command(s.program, s.args...) //nolint:gosec // the project's own program
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	// Should the test be killed, its server does not stay.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("start the stand-in for MongoDB: %v", err)
	}
	deadline := time.Now().Add(startTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		conn, err := net.DialTimeout("tcp", s.Address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Stop()
			s.t.Fatalf("the stand-in for MongoDB does not listen on %s: %v\n%s", s.Address, err, strings.TrimSpace(s.output.String()))
		}
	}
}

// Stop kills the server and its child, as a crash of the machine would. Its connections break.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGKILL)
	_ = s.process.Wait()
	s.process = nil
}

// Freeze halts the server: it accepts connections and answers nothing.
func (s *Server) Freeze() { s.halting(procstop.Halt) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.halting(procstop.Resume) }

func (s *Server) halting(do func(group int) error) {
	s.t.Helper()
	if err := do(s.process.Process.Pid); err != nil {
		s.t.Fatalf("the stand-in for MongoDB: %v", err)
	}
}
