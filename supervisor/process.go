package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Exit codes of the supervisor itself. Otherwise it has the program's.
const (
	// exitUsage: the arguments are wrong, or probes cannot be answered.
	exitUsage = 2
	// exitRestart: the supervisor ended the program so that it is started anew (EX_TEMPFAIL of sysexits.h).
	exitRestart = 75
	// exitNotFound: the program cannot be started, as in a shell.
	exitNotFound = 127
	// exitSignal is added to the number of the signal that ended the program, as in a shell.
	exitSignal = 128
)

// locate returns the one path that a pattern matches.
func locate(pattern string) (string, error) {
	if !strings.Contains(pattern, "*") {
		return pattern, nil
	}
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("looking for %s: %w: write a path whose only special character is *", pattern, err)
	}
	if len(found) != 1 {
		return "", fmt.Errorf("looking for %s: %d files match: use an image with this program for one architecture", pattern, len(found))
	}
	return found[0], nil
}

// process is the program. All methods are called from one goroutine, so that a signal never reaches a process of another program that got
// the same number.
type process struct {
	pid    int
	ended  bool
	status syscall.WaitStatus
}

// start starts the program with the supervisor's own environment, input and output.
func start(program []string) (*process, error) {
	path, err := locate(program[0])
	if err != nil {
		return nil, err
	}
	// As process 1 the supervisor gets all orphans. Elsewhere this makes it so.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming the reaper of orphans: %w", err)
	}
	pid, err := syscall.ForkExec(path, append([]string{path}, program[1:]...), &syscall.ProcAttr{ //nolint:gosec // its task
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w: check spec.image", path, err)
	}
	return &process{pid: pid}, nil
}

// reap collects all ended children, orphans included, and records the program's end.
func (p *process) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil || pid <= 0:
			return
		case pid == p.pid:
			p.ended, p.status = true, status
		}
	}
}

// signal sends a signal to the program, unless it has ended.
func (p *process) signal(s syscall.Signal) {
	if !p.ended {
		_ = syscall.Kill(p.pid, s)
	}
}

// code returns the exit code of the ended program.
func (p *process) code() int {
	if p.status.Signaled() {
		return exitSignal + int(p.status.Signal())
	}
	return p.status.ExitStatus()
}
