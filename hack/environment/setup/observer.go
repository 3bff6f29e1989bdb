package setup

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Names of the intruders and of their pods.
const (
	// Intruder is the pod in the stack's own namespace.
	Intruder = "intruder"
	// Outsider is the pod in another namespace.
	Outsider = "outsider"
)

// settleTimeout bounds how long the network plugin may take to program policies.
const settleTimeout = 30 * time.Second

// EnsureIntruder creates an intruder pod that runs the prober, and returns its container.
func (e *Environment) EnsureIntruder(ctx context.Context, key types.NamespacedName, labels map[string]string) (kube.Container, error) {
	return e.Cluster.EnsureIntruder(ctx, key, e.Images[OperatorImage], labels)
}

// Observer returns an observer of a stack's truth table. Besides the stack's pods, its sources are one intruder in the stack's namespace
// and one in another.
func (e *Environment) Observer(ctx context.Context, stack *v1alpha1.OpenIMStack) (*truthtable.Observer, error) {
	o := &truthtable.Observer{
		Cluster: e.Cluster, Namespace: stack.Namespace, Stack: stack.Name, Image: e.Images[OperatorImage], Timeout: settleTimeout,
		Services: map[string]string{string(openim.API): string(openim.HTTP), string(openim.MsgGateway): string(openim.WebSocket)},
	}
	for _, c := range graph.New(stack, openim.Facts{}).Edges {
		if c.To.Name == graph.DNS {
			o.DNS, o.DNSPorts = c.To, c.Ports
		}
	}
	for _, key := range []types.NamespacedName{{Namespace: stack.Namespace, Name: Intruder}, {Namespace: IntruderNamespace, Name: Outsider}} {
		container, err := e.EnsureIntruder(ctx, key, nil)
		if err != nil {
			return nil, err
		}
		o.ExtraSources = append(o.ExtraSources, truthtable.ExtraSource{Name: key.Name, Container: container})
	}
	return o, nil
}

// TruthTable returns the truth table of a stack. It does not depend on where the stores are: they are outside of the stack.
func TruthTable(stack *v1alpha1.OpenIMStack) []graph.Cell {
	return graph.New(stack, openim.Facts{}).TruthTable()
}
