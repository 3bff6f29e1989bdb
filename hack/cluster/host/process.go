package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a process as /proc describes it.
type Process struct {
	PID     int
	Parent  int
	Command string
	Mark    string // value of the mark in its environment, "" without a mark
	Cgroups string // content of /proc/PID/cgroup
}

// Processes reads the process table under proc (normally "/proc"). A process that ends meanwhile is left out.
func Processes(proc, mark string) ([]Process, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, err
	}
	var all []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		p, err := process(filepath.Join(proc, entry.Name()), pid, mark)
		if err == nil {
			all = append(all, p)
		}
	}
	return all, nil
}

func process(dir string, pid int, mark string) (Process, error) {
	p := Process{PID: pid}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, err
	}
	// The command is in parentheses and may contain any character; the fields after it are plain.
	left, right := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[right+1:]))
	if left < 0 || right < left || len(fields) < 2 {
		return p, fmt.Errorf("parsing %s/stat: unknown format", dir)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return p, os.ErrProcessDone
	}
	p.Command = string(stat[left+1 : right])
	if p.Parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, err
	}
	// Kernel threads and processes of other users may refuse these files; then they do not belong to the cluster.
	environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
	for _, variable := range strings.Split(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(variable, mark+"="); ok {
			p.Mark = value
		}
	}
	cgroups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
	p.Cgroups = string(cgroups)
	return p, nil
}

// InCgroup reports whether the process is in the named cgroup, or below it, in any hierarchy.
func (p Process) InCgroup(name string) bool {
	for _, line := range strings.Split(p.Cgroups, "\n") {
		_, path, _ := strings.Cut(line, ":")
		_, path, _ = strings.Cut(path, ":")
		if path == "/"+name || strings.HasPrefix(path, "/"+name+"/") {
			return true
		}
	}
	return false
}

func (p Process) String() string { return fmt.Sprintf("%d (%s)", p.PID, p.Command) }

// Children returns the children of a process, in the order of the table.
func Children(all []Process, parent int) []Process {
	var children []Process
	for _, p := range all {
		if p.Parent == parent {
			children = append(children, p)
		}
	}
	return children
}
