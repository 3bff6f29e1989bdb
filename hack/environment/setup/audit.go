package setup

import (
	"context"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Audit compares the live objects of the whole cluster with what a stack intends. source is the name of the cluster in the report.
func (e *Environment) Audit(ctx context.Context, key client.ObjectKey, source string) (audit.Report, error) {
	stack := &v1alpha1.OpenIMStack{}
	if err := e.Cluster.Get(ctx, key, stack); err != nil {
		return audit.Report{}, fmt.Errorf("reading OpenIMStack %s: %w", key, err)
	}
	facts, problems, err := dependencies.Resolve(ctx, e.Cluster, stack)
	if err != nil {
		return audit.Report{}, err
	}
	in := audit.Input{Stack: stack, Graph: graph.New(stack, facts), Now: time.Now()}
	for _, p := range problems {
		in.Problems = append(in.Problems, p.String())
	}
	if in.Snapshot, err = snapshot.Read(ctx, e.Cluster, snapshot.Scope{Name: source}); err != nil {
		return audit.Report{}, err
	}
	return audit.Run(in), nil
}
