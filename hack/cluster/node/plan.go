package node

import "path/filepath"

// program is one process of the node, in the order of start.
type program struct {
	Name string
	// Path is the path of the binary.
	Path string
	Args []string
	// Health is probed inside the node's network namespace: an HTTP address, or a Unix socket that must accept connections.
	Health string
	// AfterNode delays the start until the Node object exists.
	AfterNode bool
}

// binaries holds the folders and files of the built components.
type binaries struct {
	Kubernetes, Etcd, CoreDNS, KubeRouter, Pause string // folders in the cache
	Containerd, CNIBin                           string // of the system
}

func (b binaries) kubernetes(program string) string { return filepath.Join(b.Kubernetes, program) }

// plan lists the programs of the node with their arguments.
func plan(p paths, b binaries) []program {
	pki := func(name string) string { return filepath.Join(p.PKI(), name) }
	return []program{
		{
			Name: "etcd", Path: filepath.Join(b.Etcd, "etcd"), Health: "http://127.0.0.1:2379/health",
			Args: []string{
				"--data-dir=" + p.in("etcd"),
				"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
				"--listen-peer-urls=http://127.0.0.1:2380",
				"--unsafe-no-fsync", // the data is removed with the cluster
				"--log-level=warn",
			},
		},
		{
			Name: "containerd", Path: b.Containerd, Health: "unix://" + p.Socket(),
			Args: []string{"--config=" + p.Config("containerd.toml"), "--log-level=info"},
		},
		{
			Name: "kube-apiserver", Path: b.kubernetes("kube-apiserver"), Health: "https://" + nodeIP + ":" + apiPort + "/readyz",
			Args: []string{
				"--advertise-address=" + nodeIP, "--secure-port=" + apiPort,
				"--etcd-servers=http://127.0.0.1:2379",
				"--service-cluster-ip-range=" + serviceCIDR,
				"--authorization-mode=Node,RBAC",
				"--enable-admission-plugins=NodeRestriction",
				"--allow-privileged=true",
				"--client-ca-file=" + pki("ca.crt"),
				"--tls-cert-file=" + pki("apiserver.crt"), "--tls-private-key-file=" + pki("apiserver.key"),
				"--kubelet-client-certificate=" + pki("apiserver-kubelet-client.crt"),
				"--kubelet-client-key=" + pki("apiserver-kubelet-client.key"),
				"--kubelet-preferred-address-types=InternalIP", // nodes have no resolvable names
				"--proxy-client-cert-file=" + pki("front-proxy-client.crt"), "--proxy-client-key-file=" + pki("front-proxy-client.key"),
				"--requestheader-client-ca-file=" + pki("front-proxy-ca.crt"),
				"--requestheader-allowed-names=front-proxy-client",
				"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
				"--requestheader-extra-headers-prefix=X-Remote-Extra-",
				"--service-account-issuer=https://kubernetes.default.svc." + clusterDNS,
				"--service-account-key-file=" + pki("sa.pub"), "--service-account-signing-key-file=" + pki("sa.key"),
				"--audit-policy-file=" + p.Config("audit-policy.yaml"), "--audit-log-path=" + p.AuditLog(),
				"--audit-log-maxsize=500", "--audit-log-maxbackup=1",
			},
		},
		{
			Name: "kube-controller-manager", Path: b.kubernetes("kube-controller-manager"), Health: "https://127.0.0.1:10257/healthz",
			Args: []string{
				"--kubeconfig=" + p.Kubeconfig("controller-manager"),
				"--authentication-kubeconfig=" + p.Kubeconfig("controller-manager"),
				"--authorization-kubeconfig=" + p.Kubeconfig("controller-manager"),
				"--bind-address=127.0.0.1", "--leader-elect=false",
				"--use-service-account-credentials=true",
				"--root-ca-file=" + pki("ca.crt"), "--service-account-private-key-file=" + pki("sa.key"),
				"--cluster-signing-cert-file=" + pki("ca.crt"), "--cluster-signing-key-file=" + pki("ca.key"),
				"--cluster-name=" + Name,
				"--flex-volume-plugin-dir=" + p.in("kubelet", "volume-plugins"), // otherwise the kube-controller-manager creates a folder in /usr
				"--allocate-node-cidrs=true", "--cluster-cidr=" + podCIDR, "--node-cidr-mask-size=24",
				"--service-cluster-ip-range=" + serviceCIDR,
			},
		},
		{
			Name: "kube-scheduler", Path: b.kubernetes("kube-scheduler"), Health: "https://127.0.0.1:10259/healthz",
			Args: []string{
				"--kubeconfig=" + p.Kubeconfig("scheduler"),
				"--authentication-kubeconfig=" + p.Kubeconfig("scheduler"),
				"--authorization-kubeconfig=" + p.Kubeconfig("scheduler"),
				"--bind-address=127.0.0.1", "--leader-elect=false",
			},
		},
		{
			Name: "kubelet", Path: b.kubernetes("kubelet"), Health: "http://127.0.0.1:10248/healthz",
			Args: []string{
				"--config=" + p.Config("kubelet.yaml"), "--kubeconfig=" + p.Kubeconfig("kubelet"),
				"--root-dir=" + p.in("kubelet"), "--cert-dir=" + p.in("kubelet", "pki"),
				"--hostname-override=" + Name, "--node-ip=" + nodeIP,
			},
		},
		{
			Name: "kube-proxy", Path: b.kubernetes("kube-proxy"), Health: "http://127.0.0.1:10256/livez", AfterNode: true,
			Args: []string{"--config=" + p.Config("kube-proxy.yaml")},
		},
		{
			Name: "kube-router", Path: filepath.Join(b.KubeRouter, "kube-router"), Health: "http://127.0.0.1:20244/healthz", AfterNode: true,
			Args: []string{
				"--kubeconfig=" + p.Kubeconfig("kube-router"), "--hostname-override=" + Name,
				"--run-firewall=true", "--run-router=false", "--run-service-proxy=false",
				"--service-cluster-ip-range=" + serviceCIDR,
				"--metrics-port=0",
			},
		},
	}
}
