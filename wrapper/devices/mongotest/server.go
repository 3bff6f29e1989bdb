package mongotest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/procstop"
)

// startTimeout bounds one start, also on a busy machine.
const startTimeout = 60 * time.Second

// buildTimeout bounds a build from an empty cache.
const buildTimeout = 20 * time.Minute

// Server is the database server of one test. Its data survives a restart.
type Server struct {
	Address string

	t       testing.TB
	args    []string
	program string
	process *exec.Cmd
	output  bytes.Buffer
}

// imagesCommand is the command that builds the stand-in's programs and prints their folders. Product code does not import hack.
const imagesCommand = "github.com/openimstack/openim-operator/hack/images"

// programs returns the paths of ferretdb and mongodb, which are built if the cache does not hold them. All tests of a process share
// the outcome.
var programs = sync.OnceValues(func() (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "run", imagesCommand, "programs", "ferretdb", "mongodb")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // a test with the race detector has it on
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running go run %s programs: %w", imagesCommand, err)
	}
	paths := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, folder, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			paths[name] = filepath.Join(folder, name)
		}
	}
	if paths["ferretdb"] == "" || paths["mongodb"] == "" {
		return nil, fmt.Errorf("running go run %s programs: it printed %q: want the folders of ferretdb and mongodb", imagesCommand, out)
	}
	return paths, nil
})

// Start runs a server until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	paths, err := programs()
	if err != nil {
		t.Fatalf("building the stand-in for MongoDB: %v", err)
	}
	dir, err := os.MkdirTemp("", "mongo") //nolint:usetesting // the path of a socket must be short, and a test's name can be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, Address: freeport.Address(t), program: paths["mongodb"]}
	s.args = []string{"--listen=" + s.Address, "--ferretdb=" + paths["ferretdb"], "--data-dir=" + dir}
	t.Cleanup(s.Stop)
	s.Restart()
	return s
}

// URI returns the connection string for the wrapper.
func (s *Server) URI() string { return "mongodb://" + s.Address + "/" }

// Restart stops the server if it runs and starts it again on the same port and data, and waits until it listens.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.output.Reset()
	s.process = exec.Command(s.program, s.args...) //nolint:gosec // the project's own program
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	// The server ends with the test process, even if the latter is killed.
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("starting the stand-in for MongoDB: %v", err)
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

// Stop kills the server and its child process, as a crash of the machine does. Open connections break.
func (s *Server) Stop() {
	if s.process == nil {
		return
	}
	_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGKILL)
	_ = s.process.Wait()
	s.process = nil
}

// Freeze suspends the server: the kernel accepts connections, but nothing is answered.
func (s *Server) Freeze() { s.signal(procstop.Halt) }

// Thaw resumes a frozen server.
func (s *Server) Thaw() { s.signal(procstop.Resume) }

func (s *Server) signal(do func(group int) error) {
	s.t.Helper()
	if err := do(s.process.Process.Pid); err != nil {
		s.t.Fatalf("the stand-in for MongoDB: %v", err)
	}
}
