package node

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// Options configures a node.
type Options struct {
	// StateDir is the state folder; DefaultStateDir by default.
	StateDir string
	// Out receives progress; os.Stderr by default.
	Out io.Writer
}

// Node is the cluster's only node. A machine runs at most one.
type Node struct {
	paths paths
	out   io.Writer
	ours  host.Cluster
}

// New checks the options and changes nothing.
func New(o Options) (*Node, error) {
	if o.StateDir == "" {
		o.StateDir = DefaultStateDir
	}
	if o.Out == nil {
		o.Out = os.Stderr
	}
	state, err := filepath.Abs(o.StateDir)
	if err != nil {
		return nil, err
	}
	if err := checkStateDir(state); err != nil {
		return nil, err
	}
	cache, err := component.Cache()
	if err != nil {
		return nil, err
	}
	return &Node{
		paths: paths{State: state, ClusterDir: filepath.Join(cache, "cluster")},
		out:   o.Out,
		ours:  host.Cluster{Name: Name, Mark: Mark, StateDir: state},
	}, nil
}

// checkStateDir refuses folders that must not be removed with the cluster, and paths too long for a socket below them.
func checkStateDir(dir string) error {
	const socketLimit = 107 // bytes, unix(7)
	switch longest := (paths{State: dir}).Socket(); {
	case strings.Count(dir, "/") < 2:
		return fmt.Errorf("state folder %s would be removed with the cluster: use a dedicated folder, such as %s", dir, DefaultStateDir)
	case strings.ContainsAny(dir, " \t\n\"'\\,:"):
		return fmt.Errorf("state folder %q: use a path without spaces, quotes, commas or colons", dir)
	case len(longest)+len(".ttrpc") > socketLimit:
		return fmt.Errorf("state folder %s: the path is too long for the sockets in it: use a shorter one", dir)
	}
	return nil
}

// lock excludes other commands that start or stop the cluster until the returned function is called.
func (n *Node) lock(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(n.paths.ClusterDir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(n.paths.Lock(), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { file.Close() }, nil
		}
		if !told {
			fmt.Fprintln(n.out, "another cluster command is running, waiting for it")
			told = true
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// step runs one step and prints its name and duration. An error names the step.
func (n *Node) step(name string, do func() error) error {
	start := time.Now()
	err := do()
	took := time.Since(start).Seconds()
	if err != nil {
		fmt.Fprintf(n.out, "  %-34s FAILED after %.1fs\n", name, took)
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(n.out, "  %-34s %5.1fs\n", name, took)
	return nil
}
