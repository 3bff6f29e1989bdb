package procstop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// haltTimeout limits the wait for threads that the kernel has not stopped yet.
	haltTimeout  = 10 * time.Second
	pollInterval = time.Millisecond
)

// Halt sends SIGSTOP to all processes of a process group, and returns when all of their threads have stopped. A signal is sent before it
// takes effect, and on a busy machine a server can answer another request in between.
func Halt(group int) error {
	if err := syscall.Kill(-group, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("halting process group %d: %w", group, err)
	}
	late, tick := time.After(haltTimeout), time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		running, err := runningThreads(group)
		if err != nil || running == 0 {
			return err
		}
		select {
		case <-late:
			return fmt.Errorf("halting process group %d: %d threads still run after %s", group, running, haltTimeout)
		case <-tick.C:
		}
	}
}

// Resume continues the processes of a halted process group.
func Resume(group int) error {
	if err := syscall.Kill(-group, syscall.SIGCONT); err != nil {
		return fmt.Errorf("resuming process group %d: %w", group, err)
	}
	return nil
}

// runningThreads returns the number of threads of a process group that are neither stopped nor dead, according to proc(5).
func runningThreads(group int) (running int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return 0, err
		}
		state, of, ok := parseStat(string(text))
		if !ok {
			return 0, fmt.Errorf("parsing %s: unknown format", path)
		}
		if of == group && !strings.ContainsAny(state, "TtZX") {
			running++
		}
	}
	return running, nil
}

// parseStat returns the state and the process group from proc_pid_stat(5): "pid (name) state ppid pgrp ...". The name can contain any
// character.
func parseStat(text string) (state string, group int, ok bool) {
	_, rest, ok := cutLast(text, ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 3 {
		return "", 0, false
	}
	group, err := strconv.Atoi(fields[2])
	return fields[0], group, err == nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}
