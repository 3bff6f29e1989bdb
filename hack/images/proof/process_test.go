package proof

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a program under test. Its output goes to a file that a failed test shows the end of.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// run starts a program and sees to it that it ends with the test. ready says when it can be used.
func run(t *testing.T, name string, ready func(context.Context) error, env []string, program string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(logs(t), name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(program, args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, out, out
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() { p.stop(t) })

	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return p
		}
		select {
		case <-p.done:
			t.Fatalf("%s ended before it was ready (%s):\n%s", name, p.cmd.ProcessState, p.tail(t))
		case <-ctx.Done():
			t.Fatalf("%s is not ready: %v\n%s", name, err, p.tail(t))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// logs is the folder of all output: one that outlives the test if OPENIM_PROOF_LOGS names it.
func logs(t *testing.T) string {
	if dir := os.Getenv("OPENIM_PROOF_LOGS"); dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	return t.TempDir()
}

// stop asks the process to end, insists after a while, and reports what was left of it. It may be called twice.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
		t.Errorf("%s did not end within 20 s of SIGTERM", p.name)
	}
}

// alive fails the test if the process has ended.
func (p *process) alive(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
		t.Errorf("%s has ended (%s):\n%s", p.name, p.cmd.ProcessState, p.tail(t))
	default:
	}
}

func (p *process) output(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func (p *process) tail(t *testing.T) string {
	lines := strings.Split(strings.TrimSpace(p.output(t)), "\n")
	lines = lines[max(0, len(lines)-10):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 400)]
	}
	return strings.Join(lines, "\n")
}

// accepts is ready when somebody listens on the address.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// serves is ready when a GET is answered with 200.
func serves(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
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

// atOnce is for what listens nowhere.
func atOnce(context.Context) error { return nil }

// free gives an address on loopback that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// vacant fails with the port's number if somebody listens on it already: OpenIM's ports are fixed.
func vacant(port int32) error {
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("port %d is in use: end the process that listens there", port)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	return nil
}
