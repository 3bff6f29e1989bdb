package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// startAll starts every program that does not run, and waits until the cluster is usable.
func (n *Node) startAll(ctx context.Context, b binaries) error {
	programs := plan(n.paths, b)
	started := map[string]bool{}
	start := func(want func(program) bool) error {
		for _, p := range programs {
			if _, alive := n.alive(p.Name); alive || !want(p) {
				continue
			}
			if err := n.launch(ctx, p); err != nil {
				return err
			}
			started[p.Name] = true
		}
		return nil
	}
	wait := func(names ...string) error {
		for _, p := range programs {
			for _, name := range names {
				if p.Name == name {
					if err := n.step(name, func() error { return n.awaitHealthy(ctx, p) }); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	if err := start(func(p program) bool { return p.Name == "etcd" || p.Name == "containerd" }); err != nil {
		return err
	}
	if err := wait("etcd", "containerd"); err != nil {
		return err
	}
	if err := start(func(p program) bool { return p.Name == "kube-apiserver" }); err != nil {
		return err
	}
	if err := n.step("images of the node", func() error { return n.loadOwnImages(ctx, b) }); err != nil {
		return err
	}
	if err := wait("kube-apiserver"); err != nil {
		return err
	}
	if err := n.step("access rules", func() error { return n.apply(ctx, b, "rbac.yaml") }); err != nil {
		return err
	}
	if err := start(func(p program) bool { return !p.AfterNode }); err != nil {
		return err
	}
	if err := wait("kube-controller-manager", "kube-scheduler", "kubelet"); err != nil {
		return err
	}
	if err := n.step("node registered", func() error { return n.awaitNode(ctx, b, func(nodeStatus) bool { return true }) }); err != nil {
		return err
	}
	if err := n.step("cluster DNS applied", func() error { return n.apply(ctx, b, "coredns.yaml") }); err != nil {
		return err
	}
	if err := start(func(program) bool { return true }); err != nil {
		return err
	}
	if err := wait("kube-proxy", "kube-router"); err != nil {
		return err
	}
	if err := n.step("node Ready", func() error { return n.awaitNode(ctx, b, nodeStatus.ready) }); err != nil {
		return err
	}
	return n.step("cluster DNS answers", func() error { return n.awaitDNS(ctx, b) })
}

// awaitHealthy waits until a program is healthy, and fails as soon as the program has ended.
func (n *Node) awaitHealthy(ctx context.Context, p program) error {
	return n.await(ctx, p.Name, startTimeout, p.Name, func() (bool, error) {
		if err := probe(ctx, p.Health); err == nil {
			return true, nil
		}
		return false, n.checkAlive(p.Name)
	})
}

func (n *Node) checkAlive(names ...string) error {
	for _, name := range names {
		if _, alive := n.alive(name); !alive {
			return fmt.Errorf("%s has ended%s", name, n.logTail(name))
		}
	}
	return nil
}

// essential lists the programs without which no condition of the cluster can become true.
var essential = []string{"etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}

// nodeStatus is the part of a Node that this package reads.
type nodeStatus struct {
	Status struct {
		Conditions []struct{ Type, Status string }
	}
}

func (s nodeStatus) ready() bool {
	for _, c := range s.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

func (n *Node) awaitNode(ctx context.Context, b binaries, holds func(nodeStatus) bool) error {
	return n.await(ctx, "node "+Name, startTimeout, "kubelet", func() (bool, error) {
		out, err := n.kubectl(ctx, b, nil, "get", "node", Name, "--output=json")
		var s nodeStatus
		if err == nil && json.Unmarshal([]byte(out), &s) == nil && holds(s) {
			return true, nil
		}
		return false, n.checkAlive(essential...)
	})
}

// awaitDNS waits until the Service of the cluster's DNS has a ready endpoint.
func (n *Node) awaitDNS(ctx context.Context, b binaries) error {
	return n.await(ctx, "cluster DNS", startTimeout, "kubelet", func() (bool, error) {
		out, err := n.kubectl(ctx, b, nil, "--namespace=kube-system", "get", "deployment", "coredns", "--output=jsonpath={.status.readyReplicas}")
		if err == nil && trim(out) == "1" {
			return true, nil
		}
		return false, n.checkAlive(essential...)
	})
}

// apply applies a template's objects. It is idempotent.
func (n *Node) apply(ctx context.Context, b binaries, template string) error {
	v := newValues(n.paths)
	v.CoreDNSImage = coreDNSImage(b)
	content, err := render(template, v)
	if err != nil {
		return err
	}
	_, err = n.kubectl(ctx, b, content, "apply", "--server-side", "--force-conflicts", "--filename=-")
	return err
}

func trim(s string) string { return strings.TrimSpace(s) }

// lacksSysResource reports whether this process, and so its children, lack CAP_SYS_RESOURCE, as in many containers and small virtual
// machines.
func lacksSysResource() bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	return !hasSysResource(string(status))
}

func hasSysResource(status string) bool {
	const capSysResource = 24 // linux/capability.h
	for _, line := range strings.Split(status, "\n") {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			set, err := strconv.ParseUint(trim(value), 16, 64)
			return err == nil && set&(1<<capSysResource) != 0
		}
	}
	return false
}
