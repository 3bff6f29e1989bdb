package loopback

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout bounds the start of one process.
	startTimeout = 60 * time.Second
	// stopTimeout bounds how long a process may take to end after SIGTERM. It exceeds OpenIM's own 15 s.
	stopTimeout = 20 * time.Second
	// pollInterval is the pause between two polls.
	pollInterval = 25 * time.Millisecond
)

// program describes how to start a process.
type program struct {
	path string
	args []string
	// env is the process's whole environment.
	env []string
	// ready returns nil when the process is ready.
	ready func(context.Context) error
	// user that the process runs as, in group 0 and no other. 0 is the caller's.
	user uint32
}

// process is a running program. Its output is appended to a file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
}

// run starts a program and waits until it is ready.
func run(ctx context.Context, name, log string, what program) (*process, error) {
	p := &process{name: name, log: log, done: make(chan struct{})}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer func() { _ = out.Close() }()
	p.cmd = exec.Command(what.path, what.args...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = what.env, out, out
	// A process group of its own: signals reach its children, and a terminal's Ctrl-C does not, so that Close can stop it in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if what.user != 0 {
		p.cmd.SysProcAttr.Credential = &syscall.Credential{Uid: what.user}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	if err := p.await(ctx, what.ready); err != nil {
		p.kill()
		return nil, err
	}
	return p, nil
}

func (p *process) await(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended before it was ready (%s):\n%s", p.name, p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, err, p.tail())
		case <-time.After(pollInterval):
		}
	}
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal signals the process and its children.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// terminate sends SIGTERM, and SIGCONT for a frozen process.
func (p *process) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

// wait waits for the end after terminate. After stopTimeout it kills the process and returns an error.
func (p *process) wait() error {
	select {
	case <-p.done:
		p.signal(syscall.SIGKILL) // children that outlived it
		return nil
	case <-time.After(stopTimeout):
		p.kill()
		return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, stopTimeout)
	}
}

func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

func (p *process) output() (string, error) {
	content, err := os.ReadFile(p.log)
	return string(content), err
}

// tail returns the end of the process's output, for errors.
func (p *process) tail() string {
	content, err := p.output()
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(content), "\n")
	lines = lines[max(0, len(lines)-10):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 400)]
	}
	return strings.Join(lines, "\n")
}

// errEnded is the error of a process that has ended unexpectedly.
var errEnded = errors.New("has ended by itself")
