package setup

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// supervisorPath is the program of a supervisor inside its container.
	supervisorPath = "/run/supervisor/supervisor"
	// clockTick is the unit of CPU time in /proc: USER_HZ is 100 on every architecture of Linux that this project builds for.
	clockTick = 10 * time.Millisecond
)

// Supervisor is what a running supervisor uses.
type Supervisor struct {
	// RSS and Anonymous are its resident memory and the part of it that is no page of a file, in bytes.
	RSS, Anonymous int64
	// CPU is the CPU time that it has used since its start.
	CPU time.Duration
}

// Supervisors reads what the supervisors of a stack use, by process number. The pods of the local node are processes of this machine.
func (e *Environment) Supervisors(stack *v1alpha1.OpenIMStack) (map[string]Supervisor, error) {
	if !e.Local {
		return nil, errors.New("reading the supervisors: the cluster's pods are not processes of this machine: use CLUSTER=local")
	}
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	root := "--key=openim." + stack.Namespace + "." + stack.Name // alone for a process that does not register
	ofStack := func(argument string) bool { return argument == root || strings.HasPrefix(argument, root+"/") }
	found := map[string]Supervisor{}
	for _, path := range paths {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		arguments := strings.Split(string(line), "\x00")
		if arguments[0] != supervisorPath || !slices.ContainsFunc(arguments, ofStack) {
			continue
		}
		process := filepath.Base(filepath.Dir(path))
		if found[process], err = usage(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("reading supervisor %s: %w", process, err)
		}
	}
	return found, nil
}

// usage reads /proc/PID/status and /proc/PID/stat.
func usage(folder string) (Supervisor, error) {
	var s Supervisor
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return s, err
		}
		switch fields[0] {
		case "VmRSS:":
			s.RSS = kilobytes << 10
		case "RssAnon:":
			s.Anonymous = kilobytes << 10
		}
	}
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return s, err
	}
	// The name in brackets may hold spaces. User and system time are the 14th and the 15th field, the state behind the name is the third.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 || s.RSS == 0 {
		return s, fmt.Errorf("%s lacks fields: has the process ended", folder)
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return s, err
		}
		s.CPU += time.Duration(ticks) * clockTick
	}
	return s, nil
}

// SupervisorBinary returns the size in bytes of the program that a supervisor runs, and the shared libraries and the loader that it needs:
// none, or it does not start in an image of OpenIM's.
func SupervisorBinary(process string) (size int64, needs []string, err error) {
	path := filepath.Join("/proc", process, "exe")
	info, err := os.Stat(path)
	if err != nil {
		return 0, nil, err
	}
	program, err := elf.Open(path)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = program.Close() }()
	if needs, err = program.ImportedLibraries(); err != nil {
		return 0, nil, err
	}
	for _, segment := range program.Progs {
		if segment.Type == elf.PT_INTERP {
			needs = append(needs, "a loader")
		}
	}
	return info.Size(), needs, nil
}
