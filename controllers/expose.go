package controllers

import (
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/exposure"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// exposed returns the entries of spec.wrapper.gateway.expose.
func exposed(stack *v1alpha1.OpenIMStack) []v1alpha1.Exposure {
	if stack.Spec.Wrapper.Gateway == nil {
		return nil
	}
	return stack.Spec.Wrapper.Gateway.Expose
}

// exposureRefusals returns what the API server would refuse in the objects that bring the gateway out of the cluster. Meanwhile the gateway
// and these objects stay as they are.
func exposureRefusals(stack *v1alpha1.OpenIMStack) []dependencies.Problem {
	var problems []dependencies.Problem
	for _, refusal := range exposure.Refusals(exposed(stack)) {
		problems = append(problems, dependencies.Problem{
			Reason: v1alpha1.ReasonSettingRefused, Field: refusal.Field, Message: refusal.Why, Stalled: true,
			Components: []string{v1alpha1.ComponentGateway},
		})
	}
	return problems
}

// exposures returns the objects that bring the gateway out of the cluster. They follow the newest spec also while a reference is broken, so
// that narrowing takes effect at once; none is written while one of them is refused.
func exposures(stack *v1alpha1.OpenIMStack) []client.Object {
	if len(exposure.Refusals(exposed(stack))) > 0 {
		return nil
	}
	return manifests.Exposures(stack)
}
