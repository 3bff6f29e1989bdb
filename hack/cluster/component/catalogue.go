package component

import (
	"path/filepath"
	"strings"
)

// The components of the cluster itself, for the repository at root. hack/images uses Etcd as well.

// Kubernetes is kube-apiserver, kube-controller-manager, kube-scheduler, kubelet, kube-proxy, kubeadm and kubectl.
func Kubernetes(root string) Spec {
	return Spec{
		Name:   "kubernetes",
		Dir:    folder(root, "kubernetes"),
		Module: "k8s.io/kubernetes",
		Stamp: func(version string) []string { // without it the API server reports v0.0.0
			numbers := strings.SplitN(strings.TrimPrefix(version, "v")+"..", ".", 3)
			return []string{
				"k8s.io/component-base/version.gitVersion=" + version,
				"k8s.io/component-base/version.gitMajor=" + numbers[0],
				"k8s.io/component-base/version.gitMinor=" + numbers[1],
			}
		},
	}
}

// Etcd is the server without its client, as "etcd".
func Etcd(root string) Spec {
	return Spec{
		Name:   "etcd",
		Dir:    folder(root, "etcd"),
		Module: "go.etcd.io/etcd/server/v3",
		Rename: map[string]string{"server": "etcd"},
	}
}

// CoreDNS is "coredns" with the plugins that a cluster's DNS needs.
func CoreDNS(root string) Spec {
	return Spec{
		Name:     "coredns",
		Dir:      folder(root, "coredns"),
		Module:   "github.com/coredns/coredns",
		Packages: []string{"."},
	}
}

// KubeRouter is "kube-router", of which the cluster uses the firewall for NetworkPolicies.
func KubeRouter(root string) Spec {
	return Spec{
		Name:   "kube-router",
		Dir:    folder(root, "kube-router"),
		Module: "github.com/cloudnativelabs/kube-router/v2",
	}
}

// Pause is "pause", the project's own program that holds the namespaces of pods and of the node.
func Pause(root string) Spec {
	return Spec{
		Name:     "pause",
		Dir:      folder(root, "pause"),
		Version:  "local",
		Packages: []string{"."},
	}
}

func folder(root, name string) string {
	return filepath.Join(root, "hack", "cluster", "components", name)
}
