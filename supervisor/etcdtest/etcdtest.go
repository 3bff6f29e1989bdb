package etcdtest

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/procstop"
)

const (
	// startTimeout limits a start on a busy machine.
	startTimeout = 30 * time.Second
	pollInterval = 20 * time.Millisecond
)

var client = &http.Client{Timeout: time.Second}

// Server is the etcd of one test.
type Server struct {
	// Address of the clients' listener, host:port.
	Address string

	t       testing.TB
	binary  string
	peer    string
	dir     string
	process *exec.Cmd
	output  bytes.Buffer
}

// Start starts etcd: the binary in $KUBEBUILDER_ASSETS, or the one of the Debian package etcd-server.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, binary: binary(t), Address: freeport.Address(t), peer: freeport.Address(t), dir: filepath.Join(t.TempDir(), "data")}
	t.Cleanup(s.Stop)
	s.Run()
	return s
}

func binary(t testing.TB) string {
	t.Helper()
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		return filepath.Join(assets, "etcd")
	}
	path, err := exec.LookPath("etcd")
	if err != nil {
		t.Fatal("starting etcd: not installed: run go run ./hack/packages etcd-server, or set KUBEBUILDER_ASSETS to a folder with etcd")
	}
	return path
}

// Run starts a stopped server on its data, and waits until it answers.
func (s *Server) Run() {
	s.t.Helper()
	s.output.Reset()
	arguments := []string{
		"--data-dir=" + s.dir, "--log-level=warn", "--listen-client-urls=http://" + s.Address, "--advertise-client-urls=http://" + s.Address,
		"--listen-peer-urls=http://" + s.peer, "--initial-advertise-peer-urls=http://" + s.peer, "--initial-cluster=default=http://" + s.peer,
	}
	if !strings.HasPrefix(s.version(), "etcd Version: 3.4") {
		arguments = append(arguments, "--unsafe-no-fsync") // the flag is younger
	}
	s.process = exec.Command(s.binary, arguments...) //nolint:gosec // the server that the test found
	s.process.Stdout, s.process.Stderr = &s.output, &s.output
	s.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Freeze finds it
	if err := s.process.Start(); err != nil {
		s.t.Fatalf("starting etcd: %v", err)
	}
	deadline := time.Now().Add(startTimeout)
	for !s.answers() {
		if time.Now().After(deadline) {
			s.t.Fatalf("etcd did not answer within %s:\n%s", startTimeout, s.output.String())
		}
		time.Sleep(pollInterval) //nolint:forbidigo // between two looks
	}
}

func (s *Server) version() string {
	out, err := exec.Command(s.binary, "--version").Output() //nolint:gosec // the server that the test found
	if err != nil {
		s.t.Fatalf("asking etcd for its version: %v", err)
	}
	return string(out)
}

func (s *Server) answers() bool {
	reply, err := client.Get("http://" + s.Address + "/health")
	if err != nil {
		return false
	}
	_ = reply.Body.Close()
	return reply.StatusCode == http.StatusOK
}

// Stop kills the server. Its data stays.
func (s *Server) Stop() {
	if s.process != nil {
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		s.process = nil
	}
}

// Wipe stops the server and starts it with no data on the same address.
func (s *Server) Wipe() {
	s.t.Helper()
	s.Stop()
	if err := os.RemoveAll(s.dir); err != nil {
		s.t.Fatal(err)
	}
	s.Run()
}

// Freeze stops all threads: connections are accepted and nothing is answered.
func (s *Server) Freeze() {
	s.t.Helper()
	if err := procstop.Halt(s.process.Process.Pid); err != nil {
		s.t.Fatal(err)
	}
}

// Thaw ends Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if err := procstop.Resume(s.process.Process.Pid); err != nil {
		s.t.Fatal(fmt.Errorf("resuming etcd: %w", err))
	}
}
