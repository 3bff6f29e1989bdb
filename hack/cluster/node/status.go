package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// Status is the status of the cluster.
type Status struct {
	// Running is true when every component is healthy and the node is Ready.
	Running    bool              `json:"running"`
	Kubeconfig string            `json:"kubeconfig"`
	AuditLog   string            `json:"auditLog"`
	StateDir   string            `json:"stateDir"`
	Kubectl    string            `json:"kubectl,omitempty"`
	Versions   map[string]string `json:"versions,omitempty"`
	Components []ComponentStatus `json:"components,omitempty"`
}

// ComponentStatus is one process of the node.
type ComponentStatus struct {
	Name string `json:"name"`
	PID  int    `json:"pid,omitempty"`
	// Health is "healthy", "unhealthy: why" or "dead".
	Health string `json:"health"`
	Log    string `json:"log"`
}

// Status reads the status of the cluster without changing it.
func (n *Node) Status(ctx context.Context) (Status, error) {
	s := Status{Kubeconfig: n.paths.UserKubeconfig(), AuditLog: n.paths.AuditLog(), StateDir: n.paths.State}
	if _, err := os.Stat(n.paths.Complete()); err == nil {
		if err := host.Require("seeing the processes of the local cluster"); err != nil {
			return s, err
		}
	}
	b, ok := n.completed()
	if !ok {
		return s, nil
	}
	s.Running = true
	s.Kubectl = b.kubernetes("kubectl")
	s.Versions = map[string]string{}
	for _, dir := range []string{b.Kubernetes, b.Etcd, b.KubeRouter, b.CoreDNS} {
		if r, err := component.Read(dir); err == nil {
			s.Versions[r.Name] = r.Version
		}
	}
	for _, p := range plan(n.paths, b) {
		c := ComponentStatus{Name: p.Name, Health: "healthy", Log: n.paths.Log(p.Name)}
		r, alive := n.alive(p.Name)
		if err := probe(ctx, p.Health); !alive {
			c.Health = "dead"
		} else if c.PID = r.PID; err != nil {
			c.Health = "unhealthy: " + err.Error()
		}
		s.Running = s.Running && c.Health == "healthy"
		s.Components = append(s.Components, c)
	}
	return s, nil
}

// Kubeconfig returns the path of the kubeconfig for the host. It fails if the cluster has not come up.
func (n *Node) Kubeconfig() (string, error) {
	if _, ok := n.completed(); !ok {
		return "", errors.New("the cluster does not run: start it with `go run ./hack/cluster up`")
	}
	return filepath.Clean(n.paths.UserKubeconfig()), nil
}
