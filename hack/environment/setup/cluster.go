package setup

import (
	"context"
	"fmt"

	"github.com/openimstack/openim-operator/hack/environment/kube"
)

// clusterTitle returns the title of the step that starts the cluster.
func (e *Environment) clusterTitle() string {
	if e.Local {
		return "a Kubernetes node on this machine (the first time it is built from source, minutes)"
	}
	return "the cluster of kubectl's current context"
}

// startCluster starts the local node, unless kubectl's current context is used, and connects to the API server.
func (e *Environment) startCluster(ctx context.Context) error {
	if e.Local {
		n, err := e.node()
		if err != nil {
			return err
		}
		if err := n.Up(ctx); err != nil {
			return err
		}
		status, err := n.Status(ctx)
		if err != nil {
			return err
		}
		e.Kubeconfig, e.APIServerLog = status.Kubeconfig, status.AuditLog
	}
	var err error
	if e.Cluster, err = kube.Connect(e.Kubeconfig); err != nil {
		return err
	}
	version, err := e.Cluster.Clientset.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("connecting to the cluster at %s: %w", e.Cluster.Config.Host, err)
	}
	e.Journal.Say("Kubernetes %s at %s", version.GitVersion, e.Cluster.Config.Host)
	return nil
}
