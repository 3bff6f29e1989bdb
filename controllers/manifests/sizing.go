package manifests

import (
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// size is the effective size of a component.
type size struct {
	replicas int32
	// initial is true when the spec names no number of replicas: the number then counts at creation alone.
	initial   bool
	resources *v1alpha1.Resources
}

// size returns the effective size of a component. A component that is scaled by somebody has no number of the spec, not even one that the
// spec names beside: such a spec is refused, and until it is corrected the number stays with whoever scales.
func (b *builder) size(c graph.Component) size {
	if c.Name == v1alpha1.ComponentCheck { // one pod, as large as one of the backend's
		return size{replicas: 1, resources: openim.SizeOf(&b.stack.Spec, v1alpha1.ComponentBackend).Resources}
	}
	own := openim.SizeOf(&b.stack.Spec, c.Name)
	s := size{replicas: openim.DefaultReplicas(c.Name), initial: true, resources: own.Resources}
	if process, ok := openim.Lookup(openim.Name(c.Name)); ok && process.Singleton {
		s.initial = false
		return s
	}
	scaling := pods.ScalingOf(&b.stack.Spec, c.Name)
	switch {
	case scaling != nil && scaling.Managed:
		s.replicas = scaling.Min
	case scaling == nil && !b.scaled && own.Replicas != nil:
		s.replicas, s.initial = ptr.Deref(own.Replicas, 0), false
	}
	return s
}
