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
	// stopTimeout is how long a process may take to end by itself: longer than OpenIM's own 15 s.
	stopTimeout = 20 * time.Second
	// pollInterval is the pause between two looks for something.
	pollInterval = 25 * time.Millisecond
)

// program says how to start a process, again if need be.
type program struct {
	path string
	args []string
	// env is its whole environment.
	env []string
	// ready tells when it can be used.
	ready func(context.Context) error
}

// process is a running program. Its output is added to a file.
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
	// A group of its own: its children are reached with it, and a terminal's Ctrl-C reaches whoever stops it in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
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

// ended reports whether it is there no more.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// signal reaches the process and its children.
func (p *process) signal(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }

// terminate asks it to end. One that is frozen hears of it too.
func (p *process) terminate() {
	p.signal(syscall.SIGTERM)
	p.signal(syscall.SIGCONT)
}

// wait is for the end after terminate. It insists when the time is over, and says so.
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

// tail is the end of its output, for messages.
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

// errEnded is said of a part that has ended by itself.
var errEnded = errors.New("has ended by itself")
