package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// kubeconfigs lists the kubeconfigs that kubeadm creates by a phase. The name of the phase is the file's name, too.
var phases = []string{"admin", "super-admin", "controller-manager", "scheduler", "kubelet"}

// users whose kubeconfigs have no phase: file name and user name.
var users = map[string]string{"kube-proxy": "system:kube-proxy", "kube-router": "kube-router"}

// makeCertificates creates all certificates and kubeconfigs with kubeadm.
func (n *Node) makeCertificates(ctx context.Context, b binaries) error {
	config, kubeadm := n.paths.Config("kubeadm.yaml"), b.kubernetes("kubeadm")
	if _, err := run(ctx, nil, kubeadm, "init", "phase", "certs", "all", "--config="+config); err != nil {
		return err
	}
	folder := filepath.Dir(n.paths.Kubeconfig("any"))
	for _, phase := range phases {
		if _, err := run(ctx, nil, kubeadm, "init", "phase", "kubeconfig", phase, "--config="+config, "--kubeconfig-dir="+folder); err != nil {
			return err
		}
	}
	for name, user := range users {
		content, err := run(ctx, nil, kubeadm, "kubeconfig", "user", "--client-name="+user, "--config="+config)
		if err != nil {
			return err
		}
		if err := writeFile(n.paths.Kubeconfig(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// publishKubeconfig copies the administrator's kubeconfig to its published path.
func (n *Node) publishKubeconfig() error {
	return copyFile(n.paths.Kubeconfig("admin"), n.paths.UserKubeconfig(), 0o600)
}

// writeConfigs renders the configuration files of the programs.
func (n *Node) writeConfigs(v values) error {
	files := map[string]string{
		"kubeadm.yaml": "kubeadm.yaml", "kubelet.yaml": "kubelet.yaml", "kube-proxy.yaml": "kube-proxy.yaml",
		"containerd.toml": "containerd.toml", "audit-policy.yaml": "audit-policy.yaml",
		"cni.conflist": "cni/10-" + Name + ".conflist",
	}
	var failed []error
	for template, name := range files {
		content, err := render(template, v)
		if err == nil {
			err = writeFile(n.paths.Config(name), content, 0o600)
		}
		failed = append(failed, err)
	}
	failed = append(failed, os.MkdirAll(n.paths.in("log", "pods"), 0o755))
	return errors.Join(failed...)
}
