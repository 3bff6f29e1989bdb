package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
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

// exposureRefusals returns what the API server would refuse in the objects that bring the gateway out of the cluster. Meanwhile the objects
// of the refused entry stay as they are, and everything else of the stack follows the spec.
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

// exposures returns the objects that bring the gateway out of the cluster, without those of refused entries. They follow the newest spec
// also while a reference is broken, so that narrowing takes effect at once.
func exposures(stack *v1alpha1.OpenIMStack) []client.Object {
	accepted := slices.DeleteFunc(slices.Clone(exposed(stack)), func(e v1alpha1.Exposure) bool {
		return len(exposure.Refusals([]v1alpha1.Exposure{e})) > 0
	})
	if len(accepted) == 0 {
		return nil
	}
	of := *stack
	gateway := *of.Spec.Wrapper.Gateway
	gateway.Expose = accepted
	of.Spec.Wrapper.Gateway = &gateway
	return manifests.Exposures(&of)
}

// pruneExposures deletes what brings the gateway out of the cluster and has no entry in the newest spec. That only closes, so that it waits
// for nothing: neither for references that resolve, nor for settings that are accepted, nor for a rollout.
func (r *Reconciler) pruneExposures(ctx context.Context, s *scope) error {
	if s.suspended() {
		return nil
	}
	deleted, err := r.applier.Prune(ctx, exposurePruning(s.stack))
	for _, object := range deleted {
		s.note("Deleted", object)
	}
	return err
}

// exposurePruning selects the objects that no entry names. An entry that is refused keeps those that it names.
func exposurePruning(stack *v1alpha1.OpenIMStack) apply.PruneOptions {
	names := []string{v1alpha1.ListenerName(stack.Name, v1alpha1.ListenerUsers), v1alpha1.ListenerName(stack.Name, v1alpha1.ListenerAdmins)}
	return apply.PruneOptions{
		Namespace: stack.Namespace, Labels: manifests.CommonLabels(stack.Name), Owner: stack.UID, Wanted: manifests.Exposures(stack),
		Lists: []client.ObjectList{&corev1.ServiceList{}, &networkingv1.IngressList{}},
		Keep:  func(object client.Object) bool { return !slices.Contains(names, object.GetName()) },
	}
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
// of this process's last audit; until the first one, what an earlier process found for this spec stays.
func (s *scope) exposedCondition() metav1.Condition {
	if len(exposed(s.stack)) == 0 {
		return metav1.Condition{}
	}
	peers := exposure.Peers{OnHostNetwork: s.assessment.PeersOnHostNetwork, Nothing: s.assessment.PeersSelectNothing}
	before := apimeta.FindStatusCondition(s.stack.Status.Conditions, v1alpha1.ConditionExposed)
	if !s.assessment.Audited && before != nil && before.ObservedGeneration == s.stack.Generation {
		peers = exposure.PeersIn(before.Message)
	}
	return exposure.Condition(s.ways, exposure.Warnings(&s.stack.Spec, peers))
}
