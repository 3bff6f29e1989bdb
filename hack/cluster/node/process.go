package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// record describes a started process in the state folder.
type record struct {
	Name string `json:"name"`
	PID  int    `json:"pid"`  // on the host
	Path string `json:"path"` // binary
}

// joinScript moves the shell into cgroups and then executes the command: "file... -- command...".
// Processes of the node leave the caller's cgroup, or they would be killed with it.
const joinScript = `while [ "$1" != -- ]; do echo 0 >"$1"; shift; done; shift; exec "$@"`

// start starts a process of the node that outlives this one, with its output in a log.
func (n *Node) start(name string, command []string) (*exec.Cmd, error) {
	if err := host.MakeCgroups(host.CgroupRoot, podCgroup); err != nil {
		return nil, fmt.Errorf("creating cgroup %s: %w", podCgroup, err)
	}
	joins, err := host.JoinFiles(host.CgroupRoot, nodeCgroup)
	if err != nil {
		return nil, fmt.Errorf("creating cgroup %s: %w", nodeCgroup, err)
	}
	if err := os.MkdirAll(filepath.Dir(n.paths.Log(name)), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(n.paths.Log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"-c", joinScript, "sh"}, joins...)
	cmd := exec.Command("/bin/sh", append(append(args, "--"), command...)...)
	cmd.Env = n.programEnvironment(environment())
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { _ = cmd.Wait() }() // so that the end of the process is visible to this one
	return cmd, nil
}

// programEnvironment returns the environment of a program of the node, made from base. The programs' garbage collector runs less often than
// by default: it took more than a third of the CPU of an API server to which stacks are applied. Containers do not inherit it.
func (n *Node) programEnvironment(base []string) []string {
	env := append(slices.Clone(base), Mark+"="+n.paths.State)
	set := func(name string) bool {
		return slices.ContainsFunc(base, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
	}
	for _, memory := range []struct{ name, value string }{{"GOGC", "400"}, {"GOMEMLIMIT", "1GiB"}} {
		if !set(memory.name) {
			env = append(env, memory.name+"="+memory.value)
		}
	}
	return env
}

// startInit creates the node's namespaces and their first process, whose end is the end of all processes in them.
func (n *Node) startInit(ctx context.Context, b binaries) error {
	script, err := templates.ReadFile("templates/init.sh")
	if err != nil {
		return err
	}
	pause := filepath.Join(n.paths.State, "pause") // a copy: the cache may be pruned or hidden
	if err := copyFile(filepath.Join(b.Pause, "pause"), pause, 0o755); err != nil {
		return err
	}
	cache := filepath.Dir(n.paths.ClusterDir)
	command := inNode("unshare", "--mount", "--pid", "--fork", "--propagation=private", "--",
		"/bin/sh", "-c", string(script), "init", pause, n.paths.State, cache)
	outer, err := n.start("init", command)
	if err != nil {
		return err
	}
	return n.await(ctx, "the node's first process", 10*time.Second, "init", func() (bool, error) {
		all, err := host.Processes("/proc", Mark)
		if err != nil {
			return false, err
		}
		for _, child := range host.Children(all, outer.Process.Pid) {
			if child.Command == "pause" {
				return true, n.remember(record{Name: "init", PID: child.PID, Path: pause})
			}
		}
		if syscall.Kill(outer.Process.Pid, 0) != nil {
			return false, fmt.Errorf("the first process ended%s", n.logTail("init"))
		}
		return false, nil
	})
}

// launch starts a program inside the node.
func (n *Node) launch(ctx context.Context, p program) error {
	init, err := n.recall("init")
	if err != nil {
		return err
	}
	command := append([]string{"nsenter", "--target=" + strconv.Itoa(init.PID), "--mount", "--pid", "--net", "--", p.Path}, p.Args...)
	outer, err := n.start(p.Name, command)
	if err != nil {
		return err
	}
	return n.await(ctx, p.Name, 10*time.Second, p.Name, func() (bool, error) {
		all, err := host.Processes("/proc", Mark)
		if err != nil {
			return false, err
		}
		for _, child := range host.Children(all, outer.Process.Pid) { // nsenter waits outside for the process inside
			return true, n.remember(record{Name: p.Name, PID: child.PID, Path: p.Path})
		}
		if syscall.Kill(outer.Process.Pid, 0) != nil {
			return false, fmt.Errorf("%s ended immediately%s", p.Name, n.logTail(p.Name))
		}
		return false, nil
	})
}

// alive reports whether the recorded process still runs and still belongs to this node.
func (n *Node) alive(name string) (record, bool) {
	r, err := n.recall(name)
	if err != nil {
		return r, false
	}
	all, err := n.ours.Processes()
	if err != nil {
		return r, false
	}
	for _, p := range all {
		if p.PID == r.PID {
			return r, true
		}
	}
	return r, false
}

func (n *Node) remember(r record) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(n.paths.Record(r.Name), content, 0o600)
}

func (n *Node) recall(name string) (record, error) {
	var r record
	content, err := os.ReadFile(n.paths.Record(name))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(content, &r)
}

// logTail returns the end of a program's log and the log's path, for error texts.
func (n *Node) logTail(name string) string {
	const lines = 20
	path := n.paths.Log(name)
	content, err := os.ReadFile(path)
	if err != nil {
		return "; it has no log (" + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return fmt.Sprintf("; the end of its log %s:\n    %s", path, strings.Join(all[max(0, len(all)-lines):], "\n    "))
}

func writeFile(path string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, content, mode)
}

func copyFile(from, to string, mode os.FileMode) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := writeFile(to, content, mode); err != nil {
		return err
	}
	return os.Chmod(to, mode)
}
