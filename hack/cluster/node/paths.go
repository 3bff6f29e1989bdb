package node

import "path/filepath"

// paths of one cluster. All but those under Cluster are below the state folder.
type paths struct {
	State      string
	ClusterDir string // <cache>/cluster: files that outlive a state folder or that others read
}

func (p paths) in(parts ...string) string {
	return filepath.Join(append([]string{p.State}, parts...)...)
}

func (p paths) PKI() string                  { return p.in("pki") }
func (p paths) Kubeconfig(who string) string { return p.in("kubeconfig", who+".conf") }
func (p paths) Config(name string) string    { return p.in("config", name) }
func (p paths) Log(name string) string       { return p.in("log", name+".log") }
func (p paths) Record(name string) string    { return p.in("run", name+".json") }
func (p paths) Socket() string               { return p.in("containerd", "containerd.sock") }
func (p paths) AuditLog() string             { return p.in("audit.log") }
func (p paths) Complete() string             { return p.in("complete.json") }

// UserKubeconfig is the published kubeconfig for users and programs on the host.
func (p paths) UserKubeconfig() string { return filepath.Join(p.ClusterDir, "kubeconfig") }

// Before is the snapshot of the host taken before the first up.
func (p paths) Before() string { return filepath.Join(p.ClusterDir, "before.json") }

// Lock is the lock file of commands that start or stop the cluster.
func (p paths) Lock() string { return filepath.Join(p.ClusterDir, "lock") }
