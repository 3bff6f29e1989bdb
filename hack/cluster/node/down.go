package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// Down ends the cluster and removes everything but the caches. Then it compares the host with its state before the cluster, and fails if
// anything is left behind.
func (n *Node) Down(ctx context.Context) error {
	if err := host.Require("removing the local cluster"); err != nil {
		return err
	}
	unlock, err := n.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	start := time.Now()
	if err := n.step("end and remove the cluster", func() error { return n.clean(ctx) }); err != nil {
		return err
	}
	if err := n.verify(); err != nil {
		return err
	}
	fmt.Fprintf(n.out, "cluster is down in %.1fs\n", time.Since(start).Seconds())
	return os.RemoveAll(n.paths.Before())
}

// verify compares the host with the snapshot from before the first up.
func (n *Node) verify() error {
	before, err := host.Load(n.paths.Before())
	if err != nil {
		return err
	}
	after, err := host.Take(n.ours)
	if err != nil {
		return err
	}
	ours, others := n.ours.Leftovers(before, after)
	if _, err := os.Stat(n.paths.State); err == nil {
		ours = append(ours, host.Leftover{Kind: host.KindPath, Name: n.paths.State})
	}
	for _, l := range others {
		if l.Suspicious() {
			ours = append(ours, l)
		} else {
			fmt.Fprintf(n.out, "  new since up, of another program: %s\n", l)
		}
	}
	if len(ours) == 0 {
		fmt.Fprintln(n.out, "left behind: nothing")
		return nil
	}
	for _, l := range ours {
		fmt.Fprintf(n.out, "left behind: %s\n", l)
	}
	return fmt.Errorf("the cluster has left %d objects behind, see above: run down again, and remove the rest by hand", len(ours))
}

// hasRemains reports whether anything of a cluster exists.
func (n *Node) hasRemains() bool {
	processes, _ := n.ours.Processes()
	_, stateErr := os.Stat(n.paths.State)
	_, netErr := os.Stat(netnsFile)
	_, linkErr := os.Stat("/sys/class/net/" + hostLink)
	return len(processes) > 0 || stateErr == nil || netErr == nil || linkErr == nil || len(host.Cgroups(host.CgroupRoot, Name)) > 0
}

// clean removes everything in any state. Each step is attempted even if an earlier step failed.
func (n *Node) clean(ctx context.Context) error {
	containers := n.containers()
	states, err := n.endProcesses(ctx)
	failed := []error{err, n.unmount(), n.removeNetwork(ctx), host.RemoveCgroups(host.CgroupRoot, Name, cgroupTimeout)}
	for _, id := range containers {
		failed = append(failed, host.RemoveCgroups(host.CgroupRoot, filepath.Join(runCgroup, id), cgroupTimeout))
	}
	host.RemoveEmpty(host.CgroupRoot, runCgroup)
	for _, dir := range append(states, n.paths.State) {
		if checkStateDir(dir) == nil { // the folder passed the same check when its cluster came up
			failed = append(failed, os.RemoveAll(dir))
		}
	}
	failed = append(failed, os.RemoveAll(n.paths.UserKubeconfig()))
	return errors.Join(failed...)
}

// cgroupTimeout bounds how long the kernel may take to release a cgroup whose processes have ended.
const cgroupTimeout = 10 * time.Second

// containers lists the IDs of the containers of the node's containerd, which are the names of their cgroups.
func (n *Node) containers() []string {
	bundles, err := os.ReadDir(n.paths.in("containerd", "state", "io.containerd.runtime.v2.task", imageNamespace))
	if err != nil {
		return nil // containerd never ran
	}
	var ids []string
	for _, bundle := range bundles {
		ids = append(ids, bundle.Name())
	}
	return ids
}

// endProcesses kills processes until none is left, and returns the state folders that their marks name. The node's first process is killed
// first: the kernel then ends all others in its namespace, including containers.
func (n *Node) endProcesses(ctx context.Context) ([]string, error) {
	var states []string
	if init, alive := n.alive("init"); alive {
		_ = syscall.Kill(init.PID, syscall.SIGKILL)
	}
	err := n.await(ctx, "the end of the cluster's processes", 30*time.Second, "init", func() (bool, error) {
		processes, err := n.ours.Processes()
		if err != nil {
			return false, err
		}
		for _, p := range processes {
			if p.Mark != "" && p.Mark != n.paths.State {
				states = append(states, p.Mark)
			}
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
		return len(processes) == 0, nil
	})
	return states, err
}

// unmount removes mounts in the host's own namespace below the state folder. Normally there are none.
func (n *Node) unmount() error {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return err
	}
	var failed []error
	for _, point := range host.MountsBelow(mounts, n.paths.State) {
		failed = append(failed, syscall.Unmount(point, syscall.MNT_DETACH))
	}
	return errors.Join(failed...)
}
