package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/wrapper/procstop"
)

// Options configures a stack. The zero value is OpenIM without the wrapper.
type Options struct {
	// Release is OpenIM's release; DefaultRelease if it is empty. Configuration is rendered for it.
	Release string
	// Programs is a folder with the release's twelve programs. Empty: those of DefaultRelease, which
	// hack/cluster/components/openim pins, are built. FromEnvironment fills in both.
	Programs string
	// OpenIM returns additional environment variables of an OpenIM process.
	OpenIM func(openim.Process) []string
	// Render returns a process's files and its whole environment from the stores' addresses. It replaces the default configuration.
	Render func(*Stack, openim.Process) (files map[string]string, env []string, err error)
	// EtcdTLS gives etcd a certificate: it then serves clients with TLS alone.
	EtcdTLS *ServerCertificate
	// SecureKafka gives Kafka a certificate and users: it then serves clients with TLS and a login alone.
	SecureKafka *SecureKafka
	// Files runs a real object store, versitygw, and configures OpenIM and the wrapper with it. Not with Render.
	Files bool
	// Supervised runs OpenIM's processes under the supervisor, as in pods.
	Supervised bool
	// User runs OpenIM's processes as a user without a name, in group 0, as OpenShift does. It takes root, and is not for Supervised.
	User uint32
	// Wrapper runs the wrapper in front of OpenIM.
	Wrapper *Wrapper
	// Progress receives progress lines; os.Stderr if it is nil.
	Progress io.Writer
}

// ServerCertificate names the files of a server's certificate and private key, as PEM.
type ServerCertificate struct{ Certificate, Key string }

// SecureKafka names the files of Kafka's certificate, of the authorities of its clients' certificates, as PEM, and of its users,
// user:password a line.
type SecureKafka struct {
	ServerCertificate
	ClientCA, Users string
}

// Stack is a running OpenIM with its stores, and optionally the wrapper.
type Stack struct {
	// OpenIM is OpenIM's REST API with the administrator's token.
	OpenIM API
	// SocketURL is msggateway's, ws://host:port.
	SocketURL string
	// Redis, WrapperRedis, MongoDB, Kafka and Etcd are the stores' addresses, host:port.
	Redis, WrapperRedis, MongoDB, Kafka, Etcd string
	// Files is the address of the object store, host:port. Nothing listens there without Options.Files.
	Files string
	// Frontend is the wrapper. It is nil without the wrapper.
	Frontend *Frontend
	// Dir holds data, configuration and logs (Dir/logs). It is removed with the stack, unless Keep was called.
	Dir string

	options Options
	bin     map[string]string // component to folder
	order   []string          // of starting
	parts   map[string]*part
	health  map[openim.Name]string // addresses of the supervisors
	wrapper *wrapperSetup          // nil without the wrapper
	closers []func()
	unlock  func()
	keep    bool
}

// part is a process that can be started again.
type part struct {
	sync.Mutex
	what program
	p    *process // nil when it does not run
	// down is true after an intended stop.
	down bool
}

// New starts a stack that ends with the test. If the test fails, the folder with the logs is kept and its path is logged. A process that
// ends unexpectedly fails the test.
func New(t testing.TB, o Options) *Stack {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Err(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			s.Keep()
			t.Logf("the logs are kept in %s", s.Logs())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Start builds missing programs and starts all processes. ctx bounds the start, not the stack's lifetime, which Close ends.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	s := &Stack{options: o, bin: map[string]string{}, parts: map[string]*part{}, health: map[openim.Name]string{}}
	if err := s.build(ctx); err != nil {
		return nil, err
	}
	if s.unlock, err = lock(ctx, func(line string) { _, _ = fmt.Fprintln(o.Progress, "loopback:", line) }); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.Keep()
			err = fmt.Errorf("%w\nthe logs are kept in %s", errors.Join(err, s.Close()), s.Logs())
		}
	}()
	if s.Dir, err = os.MkdirTemp("", "openim-loopback-"); err != nil {
		return nil, fmt.Errorf("making a folder for data and logs: %w", err)
	}
	if err := os.Mkdir(s.Logs(), 0o755); err != nil {
		return nil, fmt.Errorf("making a folder for logs: %w", err)
	}
	for _, wave := range []func(context.Context) ([]string, error){s.addStores, s.addOpenIM, s.addWrapper} {
		names, err := wave(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.startAll(ctx, names); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Logs returns the folder of the processes' output, one file each: NAME.log.
func (s *Stack) Logs() string { return filepath.Join(s.Dir, "logs") }

// Keep keeps the stack's folder after Close.
func (s *Stack) Keep() { s.keep = true }

// Close stops all processes in reverse order. It reports processes that did not end after SIGTERM.
func (s *Stack) Close() error {
	var problems []error
	for _, store := range []bool{false, true} {
		var ending []*process
		for _, name := range slices.Backward(s.order) {
			part := s.parts[name]
			if part.p == nil || slices.Contains(storeNames, name) != store {
				continue
			}
			part.p.terminate()
			ending = append(ending, part.p)
			part.p, part.down = nil, true
		}
		for _, p := range ending {
			err := p.wait()
			if _, openIMs := openim.Lookup(openim.Name(p.name)); openIMs && err != nil {
				// After an outage of their stores, OpenIM's processes do not always end on SIGTERM: a kubelet kills them, and so does Close.
				_, _ = fmt.Fprintln(os.Stderr, "note:", err)
				continue
			}
			problems = append(problems, err)
		}
	}
	for _, close := range s.closers {
		close()
	}
	s.closers = nil
	if !s.keep && s.Dir != "" {
		problems = append(problems, os.RemoveAll(s.Dir))
	}
	if s.unlock != nil {
		s.unlock()
		s.unlock = nil
	}
	return errors.Join(problems...)
}

// Parts returns the names of all processes in the order of their start.
func (s *Stack) Parts() []string { return slices.Clone(s.order) }

// Err returns an error that lists the processes that ended unexpectedly.
func (s *Stack) Err() error {
	var problems []error
	for _, name := range s.order {
		part := s.parts[name]
		part.Lock()
		if part.p != nil && part.p.ended() {
			problems = append(problems, fmt.Errorf("%s %w (%s):\n%s", name, errEnded, part.p.cmd.ProcessState, part.p.tail()))
		}
		part.Unlock()
	}
	return errors.Join(problems...)
}

// Output returns the whole output of a process.
func (s *Stack) Output(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(s.Logs(), name+".log"))
	return string(content), err
}

// PeakBytes returns the peak resident memory of a process since its start: VmHWM of proc(5).
func (s *Stack) PeakBytes(name string) (peak int64, err error) {
	err = s.with(name, func(p *part) error {
		if p.p == nil {
			return fmt.Errorf("%s does not run", name)
		}
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.p.cmd.Process.Pid))
		if err != nil {
			return fmt.Errorf("reading the memory of %s: %w", name, err)
		}
		_, rest, _ := strings.Cut(string(content), "VmHWM:")
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			return fmt.Errorf("reading the memory of %s: no VmHWM: %w", name, err)
		}
		peak = kib << 10
		return nil
	})
	return peak, err
}

// UserOf returns the effective user of a process: the owner of its folder below /proc.
func (s *Stack) UserOf(name string) (user uint32, err error) {
	err = s.with(name, func(p *part) error {
		if p.p == nil {
			return fmt.Errorf("%s does not run", name)
		}
		var folder syscall.Stat_t
		if err := syscall.Stat(fmt.Sprintf("/proc/%d", p.p.cmd.Process.Pid), &folder); err != nil {
			return fmt.Errorf("reading the user of %s: %w", name, err)
		}
		user = folder.Uid
		return nil
	})
	return user, err
}

// with calls f with a process under its lock.
func (s *Stack) with(name string, f func(*part) error) error {
	p := s.parts[name]
	if p == nil {
		return fmt.Errorf("unknown process %q: use one of %q", name, s.order)
	}
	p.Lock()
	defer p.Unlock()
	return f(p)
}

// Start starts a stopped process on the same data and addresses, and waits until it is ready.
func (s *Stack) Start(ctx context.Context, name string) error {
	return s.with(name, func(p *part) (err error) {
		if p.p != nil && !p.p.ended() {
			return fmt.Errorf("%s runs already", name)
		}
		p.p, err = run(ctx, name, filepath.Join(s.Logs(), name+".log"), p.what)
		p.down = err != nil
		return err
	})
}

// Stop sends SIGTERM to a process and waits until it has ended.
func (s *Stack) Stop(name string) error {
	return s.ending(name, func(p *process) error {
		p.terminate()
		return p.wait()
	})
}

// Kill ends a process with SIGKILL.
func (s *Stack) Kill(name string) error {
	return s.ending(name, func(p *process) error {
		p.kill()
		return nil
	})
}

func (s *Stack) ending(name string, end func(*process) error) error {
	return s.with(name, func(part *part) error {
		if part.p == nil {
			return fmt.Errorf("%s does not run", name)
		}
		if part.p.ended() && !part.down {
			return fmt.Errorf("%s %w (%s):\n%s", name, errEnded, part.p.cmd.ProcessState, part.p.tail())
		}
		p := part.p
		part.p, part.down = nil, true
		return end(p)
	})
}

// Restart is Stop and Start.
func (s *Stack) Restart(ctx context.Context, name string) error {
	if err := s.Stop(name); err != nil {
		return err
	}
	return s.Start(ctx, name)
}

// Freeze suspends a process: its ports accept connections, but nothing is answered.
func (s *Stack) Freeze(name string) error { return s.pass(name, procstop.Halt) }

// Thaw resumes a frozen process.
func (s *Stack) Thaw(name string) error { return s.pass(name, procstop.Resume) }

func (s *Stack) pass(name string, do func(group int) error) error {
	return s.with(name, func(part *part) error {
		if part.p == nil || part.p.ended() {
			return fmt.Errorf("%s does not run", name)
		}
		return do(part.p.cmd.Process.Pid)
	})
}

// add adds a process, to be started after those added before it.
func (s *Stack) add(name string, what program) string {
	s.parts[name] = &part{what: what}
	s.order = append(s.order, name)
	return name
}

// startAll starts processes concurrently.
func (s *Stack) startAll(ctx context.Context, names []string) error {
	problems := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { problems[i] = s.Start(ctx, name) })
	}
	all.Wait()
	return errors.Join(problems...)
}

// data creates the folder of a process that survives restarts of the process.
func (s *Stack) data(name string) (string, error) {
	dir := filepath.Join(s.Dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making a folder for %s: %w", name, err)
	}
	return dir, nil
}
