package etcdtest

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/procstop"
)

const (
	// startTimeout limits a start on a busy machine.
	startTimeout = 30 * time.Second
	pollInterval = 20 * time.Millisecond
)

// client asks whether the server answers: who answers is checked by the tests.
var client = &http.Client{Timeout: time.Second, Transport: &http.Transport{
	TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
}}

// Server is the etcd of one test.
type Server struct {
	// Address of the clients' listener, host:port.
	Address string

	// scheme of the clients' listener, and the flags that it needs.
	scheme string
	secure []string

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
	return start(t, "http")
}

// StartTLS starts etcd with a certificate and its private key, which are PEM, and without access for clients that do not use TLS.
func StartTLS(t testing.TB, certificate, key []byte) *Server {
	t.Helper()
	return start(t, "https", "--cert-file="+certtest.File(t, "tls.crt", certificate), "--key-file="+certtest.File(t, "tls.key", key))
}

func start(t testing.TB, scheme string, secure ...string) *Server {
	t.Helper()
	s := &Server{
		scheme: scheme, secure: secure, t: t, binary: binary(t), Address: freeport.Address(t), peer: freeport.Address(t),
		dir: filepath.Join(t.TempDir(), "data"),
	}
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
		"--data-dir=" + s.dir, "--log-level=warn", "--listen-client-urls=" + s.scheme + "://" + s.Address,
		"--advertise-client-urls=" + s.scheme + "://" + s.Address,
		"--listen-peer-urls=http://" + s.peer, "--initial-advertise-peer-urls=http://" + s.peer, "--initial-cluster=default=http://" + s.peer,
	}
	arguments = append(arguments, s.secure...)
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
	reply, err := client.Get(s.scheme + "://" + s.Address + "/health")
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
