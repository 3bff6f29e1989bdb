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

// Down ends the cluster and removes all of it but the caches; then it compares the host with what it
// was before, and fails if anything is left.
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
			fmt.Fprintf(n.out, "  new since up, not the cluster's: %s\n", l)
		}
	}
	if len(ours) == 0 {
		fmt.Fprintln(n.out, "left behind: nothing")
		return nil
	}
	for _, l := range ours {
		fmt.Fprintf(n.out, "left behind: %s\n", l)
	}
	return fmt.Errorf("the cluster has left %d things behind, see above; run down again, and remove by hand what stays", len(ours))
}

// hasRemains tells that something of a cluster is there.
func (n *Node) hasRemains() bool {
	processes, _ := n.ours.Processes()
	_, stateErr := os.Stat(n.paths.State)
	_, netErr := os.Stat(netnsFile)
	_, linkErr := os.Stat("/sys/class/net/" + hostLink)
	return len(processes) > 0 || stateErr == nil || netErr == nil || linkErr == nil || len(host.Cgroups(host.CgroupRoot, Name)) > 0
}

// clean removes everything, in whatever state it is. Each step is tried even if one before it failed.
func (n *Node) clean(ctx context.Context) error {
	containers := n.containers()
	states, err := n.endProcesses(ctx)
	failed := []error{err, n.unmount(), n.removeNetwork(ctx), host.RemoveCgroups(host.CgroupRoot, Name, cgroupPatience)}
	for _, id := range containers {
		failed = append(failed, host.RemoveCgroups(host.CgroupRoot, filepath.Join(runCgroup, id), cgroupPatience))
	}
	host.RemoveEmpty(host.CgroupRoot, runCgroup)
	for _, dir := range append(states, n.paths.State) {
		if checkStateDir(dir) == nil { // it was one of ours when its cluster came up
			failed = append(failed, os.RemoveAll(dir))
		}
	}
	failed = append(failed, os.RemoveAll(n.paths.UserKubeconfig()))
	return errors.Join(failed...)
}

// cgroupPatience is how long the kernel may take to let go of a cgroup whose processes are dead.
const cgroupPatience = 10 * time.Second

// containers lists the IDs of the containers that our containerd has made: their cgroups are named so.
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

// endProcesses kills until none is left, and returns the state folders named by their marks. The node's first
// process goes first: with it the kernel ends all others in its namespace, containers as well.
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

// unmount removes mounts in the host's own namespace below the state folder. There should be none.
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
