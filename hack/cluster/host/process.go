package host

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is what /proc tells about one.
type Process struct {
	PID     int
	Parent  int
	Command string
	Mark    string // value of the mark in its environment, "" if it has none
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
	// The command stands in parentheses and may hold any character; what follows is plain.
	left, right := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[right+1:]))
	if left < 0 || right < left || len(fields) < 2 {
		return p, fmt.Errorf("%s/stat is not understood", dir)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return p, os.ErrProcessDone
	}
	p.Command = string(stat[left+1 : right])
	if p.Parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, err
	}
	// Kernel threads and processes of other users may refuse these; then they are not ours.
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

// InCgroup tells that the process is in the named cgroup, or below it, in any hierarchy.
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
