package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// startTimeout bounds one program or condition. It is long for slow machines; an ended program is noticed immediately.
const startTimeout = 3 * time.Minute

// complete is the file that is written when the cluster has come up for the first time.
type complete struct {
	Binaries binaries `json:"binaries"`
}

// Up starts the cluster, or restarts processes that ended, and returns when the node is Ready and DNS answers.
func (n *Node) Up(ctx context.Context) error {
	if err := host.Require("the local cluster"); err != nil {
		return err
	}
	unlock, err := n.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := host.Ensure(ctx, n.out, host.ClusterPackages()...); err != nil {
		return err
	}
	b, err := n.build(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	if before, ok := n.completed(); ok {
		if before != b {
			fmt.Fprintln(n.out, "the cluster runs an older build: run `down` and `up` to use the new one")
		}
		fmt.Fprintln(n.out, "the cluster exists; checking it")
		b = before
	} else if err := n.prepare(ctx, b); err != nil {
		return err
	}
	if err := n.startAll(ctx, b); err != nil {
		return err
	}
	if err := n.publishKubeconfig(); err != nil {
		return err
	}
	content, err := json.Marshal(complete{b})
	if err != nil {
		return err
	}
	if err := writeFile(n.paths.Complete(), content, 0o600); err != nil {
		return err
	}
	fmt.Fprintf(n.out, "cluster is up in %.1fs. To use it:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH  # kubectl\n\n",
		time.Since(start).Seconds(), n.paths.UserKubeconfig(), b.Kubernetes)
	return nil
}

// completed returns the binaries of a cluster that has come up once and whose namespaces still exist.
func (n *Node) completed() (binaries, bool) {
	var c complete
	content, err := os.ReadFile(n.paths.Complete())
	if err != nil || json.Unmarshal(content, &c) != nil {
		return binaries{}, false
	}
	if _, alive := n.alive("init"); !alive {
		return binaries{}, false
	}
	for _, folder := range []string{c.Binaries.Kubernetes, c.Binaries.Etcd, c.Binaries.KubeRouter} {
		if _, err := os.Stat(folder); err != nil {
			return binaries{}, false
		}
	}
	return c.Binaries, true
}

// prepare removes the remains of a killed node, and creates everything up to the first process.
func (n *Node) prepare(ctx context.Context, b binaries) error {
	if n.hasRemains() {
		if err := n.step("clean the remains of an earlier up", func() error { return n.clean(ctx) }); err != nil {
			return err
		}
	}
	version, err := run(ctx, nil, b.kubernetes("kubeadm"), "version", "--output=short")
	if err != nil {
		return err
	}
	v := newValues(n.paths)
	v.CNIBin, v.KubernetesVersion, v.LacksSysResource = b.CNIBin, trim(version), lacksSysResource()
	if err := os.MkdirAll(n.paths.State, 0o711); err != nil {
		return err
	}
	if err := n.noteBefore(); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"configuration", func() error { return n.writeConfigs(v) }},
		{"certificates", func() error { return n.makeCertificates(ctx, b) }},
		{"network", func() error { return makeNetwork(ctx) }},
		{"namespaces", func() error { return n.startInit(ctx, b) }},
	} {
		if err := n.step(step.name, step.do); err != nil {
			return err
		}
	}
	return nil
}

// noteBefore saves the state of the host for the comparison in Down.
func (n *Node) noteBefore() error {
	snapshot, err := host.Take(n.ours)
	if err != nil {
		return fmt.Errorf("saving the state of the host: %w", err)
	}
	return snapshot.Save(n.paths.Before())
}
