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
	// patience bounds the wait for threads that the system has not halted yet.
	patience = 10 * time.Second
	between  = time.Millisecond
)

// Halt sends SIGSTOP to every process of a process group, and returns when each of their threads has stopped: a signal is sent before it
// takes effect, and on a busy machine a server answers another request meanwhile.
func Halt(group int) error {
	if err := syscall.Kill(-group, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("halt process group %d: %w", group, err)
	}
	late, tick := time.After(patience), time.NewTicker(between)
	defer tick.Stop()
	for {
		running, err := runningThreads(group)
		if err != nil || running == 0 {
			return err
		}
		select {
		case <-late:
			return fmt.Errorf("process group %d: %d threads still run %s after they were halted", group, running, patience)
		case <-tick.C:
		}
	}
}

// Resume lets the processes of a halted process group go on.
func Resume(group int) error {
	if err := syscall.Kill(-group, syscall.SIGCONT); err != nil {
		return fmt.Errorf("resume process group %d: %w", group, err)
	}
	return nil
}

// runningThreads counts the threads of a process group that are neither stopped nor dead, by proc(5).
func runningThreads(group int) (running int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return 0, err
		}
		state, of, ok := parseStat(string(text))
		if !ok {
			return 0, fmt.Errorf("%s is not understood", path)
		}
		if of == group && !strings.ContainsAny(state, "TtZX") {
			running++
		}
	}
	return running, nil
}

// parseStat gives state and process group of proc_pid_stat(5): "pid (name) state ppid pgrp ...". The name can hold anything.
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
