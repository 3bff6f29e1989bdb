package node

import "path/filepath"

// paths of one cluster. All but those under Cluster are below the state folder.
type paths struct {
	State      string
	ClusterDir string // <cache>/cluster: what outlives a state folder or is read by others
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

// UserKubeconfig is for people and programs on the host.
func (p paths) UserKubeconfig() string { return filepath.Join(p.ClusterDir, "kubeconfig") }

// Before is the snapshot of the host from before the first up.
func (p paths) Before() string { return filepath.Join(p.ClusterDir, "before.json") }

// Lock keeps two ups and downs from running at once.
func (p paths) Lock() string { return filepath.Join(p.ClusterDir, "lock") }
