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

// Names of the strangers, which are also those of their pods.
const (
	// Intruder is in the stack's own namespace.
	Intruder = "intruder"
	// Outsider is in another namespace.
	Outsider = "outsider"
)

// settling is how long policies may take to be programmed.
const settling = 30 * time.Second

// Stranger puts a pod that has nothing to do with a stack somewhere and returns its place.
func (e *Environment) Stranger(ctx context.Context, key types.NamespacedName, labels map[string]string) (kube.Place, error) {
	return e.Cluster.Intrude(ctx, key, e.Images[OperatorImage], labels)
}

// Observer observes the truth table of a stack, from one stranger in its namespace and one in another besides its own pods.
func (e *Environment) Observer(ctx context.Context, stack *v1alpha1.OpenIMStack) (*truthtable.Observer, error) {
	o := &truthtable.Observer{
		Cluster: e.Cluster, Namespace: stack.Namespace, Stack: stack.Name, Image: e.Images[OperatorImage], Patience: settling,
		Services: map[string]string{string(openim.API): string(openim.HTTP), string(openim.MsgGateway): string(openim.WebSocket)},
	}
	for _, c := range graph.NewGraph(stack, openim.Facts{}).Connections {
		if c.To.Name == graph.DNS {
			o.DNS, o.DNSPorts = c.To, c.Ports
		}
	}
	for _, key := range []types.NamespacedName{{Namespace: stack.Namespace, Name: Intruder}, {Namespace: StrangerNamespace, Name: Outsider}} {
		place, err := e.Stranger(ctx, key, nil)
		if err != nil {
			return nil, err
		}
		o.Strangers = append(o.Strangers, truthtable.Stranger{Name: key.Name, Place: place})
	}
	return o, nil
}

// TruthTable of a stack. Where its stores are makes no difference to it: they are outside.
func TruthTable(stack *v1alpha1.OpenIMStack) []graph.Cell {
	return graph.NewGraph(stack, openim.Facts{}).TruthTable()
}
