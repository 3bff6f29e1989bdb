package insight

import (
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"
)

// writes counts for all stacks, and is served by the operator's own metrics port.
var writes = newWrites(ctrlmetrics.Registry)

func newWrites(registry prometheus.Registerer) *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_operator_child_writes_total",
		Help: "Writes to a stack's children by kind and action: Created, Repaired (someone else had changed it) or Deleted.",
	}, []string{labelNamespace, labelStack, "kind", "action"})
	registry.MustRegister(counter)
	return counter
}

// Wrote counts a write to a child of a stack.
func Wrote(stack types.NamespacedName, kind, action string) {
	writes.WithLabelValues(stack.Namespace, stack.Name, kind, action).Inc()
}

// Forget deletes the counts of a deleted stack.
func Forget(stack types.NamespacedName) {
	writes.DeletePartialMatch(prometheus.Labels{labelNamespace: stack.Namespace, labelStack: stack.Name})
}
