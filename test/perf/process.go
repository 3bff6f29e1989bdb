package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CPUs of the two sides.
const (
	measured = "0"
	around   = "1"
)

// clockTick is the unit of CPU time in /proc (USER_HZ, 100 on every Linux that Go runs on).
const clockTick = 10 * time.Millisecond

// enoughFiles exceeds the need of 10,000 sockets with two ends each.
const enoughFiles = 65536

// process is a program that was started for the measurement.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan error
}

// start runs a program on a CPU, with its output in a file, and waits until address accepts connections.
func start(ctx context.Context, dir, cpu, name, address string, env []string, args ...string) (*process, error) {
	out, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command("taskset", append([]string{"-c", cpu}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan error, 1)}
	go func() { p.done <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.done:
			text, _ := os.ReadFile(out.Name())
			return nil, fmt.Errorf("%s ended at once:\n%s", name, text)
		case <-ctx.Done():
			p.stop()
			return nil, fmt.Errorf("%s does not listen on %s: see %s", name, address, out.Name())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop kills the process and its children.
func (p *process) stop() {
	for _, pid := range family(p.cmd.Process.Pid) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.done
}

// family returns a process and its descendants: nginx works in child processes.
func family(pid int) []int {
	all := []int{pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return all
	}
	for _, field := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(field); err == nil {
			all = append(all, family(child)...)
		}
	}
	return all
}

// use is the resource usage of processes.
type use struct {
	cpu       time.Duration
	proxyTime time.Duration // of it, the last process'
	rss       int64         // bytes
}

func (r *running) usage() (use, error) {
	var total use
	for _, p := range r.processes {
		total.proxyTime = 0
		for _, pid := range family(p.cmd.Process.Pid) {
			one, err := usageOf(pid)
			if err != nil {
				return use{}, fmt.Errorf("%s: %w", p.name, err)
			}
			total.cpu += one.cpu
			total.proxyTime += one.cpu
			total.rss += one.rss
		}
	}
	return total, nil
}

// usageOf reads proc(5): fields 14, 15 and 24 of stat.
func usageOf(pid int) (use, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return use{}, err
	}
	_, rest, found := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 22 {
		return use{}, errors.New("the kernel's stat is not understood")
	}
	var numbers [3]int64
	for i, field := range []int{11, 12, 21} { // counted from the third
		if numbers[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return use{}, err
		}
	}
	return use{cpu: time.Duration(numbers[0]+numbers[1]) * clockTick, rss: numbers[2] * int64(os.Getpagesize())}, nil
}
