package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// enforcer is the program that enforces NetworkPolicies.
const enforcer = "kube-router"

// Enforce switches the enforcement of NetworkPolicies on, or off as on a cluster whose network ignores them. Off lasts until Enforce
// switches it on, or `up` starts missing processes.
func (n *Node) Enforce(ctx context.Context, on bool) error {
	p, unlock, err := n.running(ctx, enforcer)
	if err != nil {
		return err
	}
	defer unlock()
	if !on {
		return n.step("NetworkPolicies are enforced no more", func() error { return n.stopEnforcing(ctx, p) })
	}
	if _, alive := n.alive(p.Name); !alive {
		if err := n.launch(ctx, p); err != nil {
			return err
		}
	}
	return n.step("NetworkPolicies are enforced", func() error { return n.awaitHealthy(ctx, p) })
}

// stopEnforcing ends the enforcer and removes its rules. The enforcer itself leaves them when it ends, so that a restart opens nothing.
func (n *Node) stopEnforcing(ctx context.Context, p program) error {
	if err := n.kill(ctx, p.Name); err != nil {
		return err
	}
	init, err := n.recall("init")
	if err != nil {
		return err
	}
	for _, command := range forget {
		if _, err := run(
			ctx,
			nil,
			"nsenter",
			append([]string{"--target=" + strconv.Itoa(init.PID), "--mount", "--net", "--"}, command...)...); err != nil {
			return err
		}
	}
	return nil
}

// RestartKubelet kills the kubelet and starts it again, as on a node whose kubelet crashes or is replaced. The containers go on.
func (n *Node) RestartKubelet(ctx context.Context) error {
	p, unlock, err := n.running(ctx, "kubelet")
	if err != nil {
		return err
	}
	defer unlock()
	return n.step("the kubelet was killed and answers again", func() error {
		if err := n.kill(ctx, p.Name); err != nil {
			return err
		}
		if err := n.launch(ctx, p); err != nil {
			return err
		}
		return n.awaitHealthy(ctx, p)
	})
}

// running locks a cluster that runs, and returns one of its programs. The caller unlocks.
func (n *Node) running(ctx context.Context, name string) (p program, unlock func(), err error) {
	if unlock, err = n.lock(ctx); err != nil {
		return program{}, nil, err
	}
	b, ok := n.completed()
	if !ok {
		unlock()
		return program{}, nil, errors.New("the cluster does not run: start it with `go run ./hack/cluster up`")
	}
	programs := plan(n.paths, b)
	return programs[slices.IndexFunc(programs, func(p program) bool { return p.Name == name })], unlock, nil
}

// kill ends a program at once, and waits until it has ended.
func (n *Node) kill(ctx context.Context, name string) error {
	r, alive := n.alive(name)
	if !alive {
		return nil
	}
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return n.await(ctx, "the end of "+name, 10*time.Second, name, func() (bool, error) {
		_, alive := n.alive(name)
		return !alive, nil
	})
}

// forget flushes the enforcer's chains. The enforcer's own --cleanup-config panics when it runs without its routes. The enforcer creates
// its rules again when it starts.
var forget = [][]string{
	{"iptables", "--wait", "--flush", "KUBE-ROUTER-INPUT"},
	{"iptables", "--wait", "--flush", "KUBE-ROUTER-FORWARD"},
	{"iptables", "--wait", "--flush", "KUBE-ROUTER-OUTPUT"},
}
