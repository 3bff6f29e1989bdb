package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

// observeExposure reads the addresses of what brings the gateway out of the cluster, from the cache. services are those of the stack.
func (r *Reconciler) observeExposure(ctx context.Context, s *scope, services []corev1.Service) error {
	s.ways = nil
	for _, e := range exposed(s.stack) {
		name := v1alpha1.ListenerName(s.stack.Name, e.Listener)
		if e.Service != nil {
			s.ways = append(s.ways, exposure.ByService(e.Listener, name, ownService(s.stack, services, name)))
		}
		if e.Ingress != nil {
			ingress := &networkingv1.Ingress{}
			err := r.client.Get(ctx, types.NamespacedName{Namespace: s.stack.Namespace, Name: name}, ingress)
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("reading Ingress %s: %w", name, err)
			}
			if err != nil || !metav1.IsControlledBy(ingress, s.stack) {
				ingress = nil
			}
			s.ways = append(s.ways, exposure.ByIngress(e.Listener, name, ingress))
		}
	}
	return nil
}

// ownService returns the stack's Service of a name, nil when there is none.
func ownService(stack *v1alpha1.OpenIMStack, services []corev1.Service, name string) *corev1.Service {
	for i := range services {
		if services[i].Name == name && metav1.IsControlledBy(&services[i], stack) {
			return &services[i]
		}
	}
	return nil
}

// exposedCondition returns the condition Exposed, the zero condition when the spec exposes nothing. What the audit finds of the peers is as
// of this process's last audit; until the first one the condition does not warn of peers.
func (s *scope) exposedCondition() metav1.Condition {
	if len(exposed(s.stack)) == 0 {
		return metav1.Condition{}
	}
	peers := exposure.Peers{OnHostNetwork: s.assessment.PeersOnHostNetwork, Nothing: s.assessment.PeersSelectNothing}
	return exposure.Condition(s.ways, exposure.Warnings(&s.stack.Spec, peers))
}
