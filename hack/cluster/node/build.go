package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// build builds components that are not in the cache, and finds the system's programs.
func (n *Node) build(ctx context.Context) (binaries, error) {
	root, err := component.Root()
	if err != nil {
		return binaries{}, err
	}
	specs := []component.Spec{
		component.Kubernetes(root), component.Etcd(root), component.KubeRouter(root), component.CoreDNS(root), component.Pause(root),
	}
	for i := range specs {
		specs[i].Out = n.out
	}
	dirs, err := component.BuildAll(ctx, specs...)
	if err != nil {
		return binaries{}, err
	}
	b := binaries{
		Kubernetes: dirs[0], Etcd: dirs[1], KubeRouter: dirs[2], CoreDNS: dirs[3], Pause: dirs[4],
		Containerd: host.Find("containerd"),
	}
	for _, file := range host.CNIPlugins.AnyOf {
		if _, err := os.Stat(file); err == nil {
			b.CNIBin = filepath.Dir(file)
			return b, nil
		}
	}
	return b, fmt.Errorf("finding the CNI plugins: not in any of %v", host.CNIPlugins.AnyOf)
}

// Assets builds what envtest needs and returns a folder with kube-apiserver, etcd, kube-controller-manager and kubectl.
// It needs neither root nor Linux packages.
func Assets(ctx context.Context) (string, error) {
	root, err := component.Root()
	if err != nil {
		return "", err
	}
	dirs, err := component.BuildAll(ctx, component.Kubernetes(root), component.Etcd(root))
	if err != nil {
		return "", err
	}
	cache, err := component.Cache()
	if err != nil {
		return "", err
	}
	// One folder of links for each pair of builds.
	folder := filepath.Join(cache, "assets", filepath.Base(dirs[0])+"+"+filepath.Base(dirs[1]))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for _, file := range []string{
		filepath.Join(dirs[0], "kube-apiserver"), filepath.Join(dirs[0], "kube-controller-manager"), filepath.Join(dirs[0], "kubectl"),
		filepath.Join(dirs[1], "etcd"),
	} {
		if err := link(file, filepath.Join(folder, filepath.Base(file))); err != nil {
			return "", err
		}
	}
	return folder, nil
}

// link creates a symbolic link atomically, so that two callers do not conflict.
func link(target, path string) error {
	if now, err := os.Readlink(path); err == nil && now == target {
		return nil
	}
	scratch := fmt.Sprintf("%s.%d", path, os.Getpid())
	if err := os.Symlink(target, scratch); err != nil {
		return err
	}
	return os.Rename(scratch, path)
}
