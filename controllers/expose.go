package controllers

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/exposure"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/observe"
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

// certificate returns the name of the Secret with the certificate that the gateway's pods have now, "" when they serve plain HTTP. Without
// a Deployment of the gateway, that of the revision which is assigned to it counts, or else the newest spec. known is false when there is
// neither a Deployment nor a plan.
func (s *scope) certificate(assigned []client.Object) (name string, known bool) {
	gateway := s.deployments[v1alpha1.ComponentGateway]
	for _, object := range assigned {
		if d, ok := object.(*appsv1.Deployment); ok && gateway == nil && componentOf(d) == v1alpha1.ComponentGateway {
			gateway = d
		}
	}
	if gateway != nil {
		return observe.Certificate(gateway, s.pods), true
	}
	return manifests.Certificate(s.stack), s.planned != nil
}

// exposures returns the objects that bring the gateway out of the cluster, without those of refused entries, and without routes that the
// cluster does not serve. They follow the newest spec also while a reference is broken, so that narrowing takes effect at once; whether
// they lead to TLS follows the gateway's pods. assigned are the Deployments of the revisions that components are assigned to.
func (s *scope) exposures(assigned []client.Object) []client.Object {
	accepted := slices.DeleteFunc(slices.Clone(exposed(s.stack)), func(e v1alpha1.Exposure) bool {
		return len(exposure.Refusals([]v1alpha1.Exposure{e})) > 0
	})
	if len(accepted) == 0 {
		return nil
	}
	of := *s.stack
	gateway := *of.Spec.Wrapper.Gateway
	gateway.Expose = accepted
	of.Spec.Wrapper.Gateway = &gateway
	certificate, known := s.certificate(assigned)
	return slices.DeleteFunc(manifests.Exposures(&of, certificate != ""), func(object client.Object) bool {
		if _, policy := object.(*gatewayv1.BackendTLSPolicy); policy && slices.Contains(s.routePolicies, object.GetName()) {
			// What the spec says of the certificate's authority is about the spec's certificate, and not about an earlier one.
			return !known || !s.routing.ready || certificate != manifests.Certificate(s.stack)
		}
		return isRoute(object) && !s.routing.ready
	})
}

// wantedExposures returns the objects that bring the gateway out of the cluster and may stay, also those of refused entries. A policy
// stays until it is known that no pod has a certificate.
func (s *scope) wantedExposures() []client.Object {
	certificate, known := s.certificate(s.workloads)
	return manifests.Exposures(s.stack, !known || certificate != "")
}

// isRoute reports whether an object is of the Gateway API.
func isRoute(object client.Object) bool {
	switch object.(type) {
	case *gatewayv1.HTTPRoute, *gatewayv1.BackendTLSPolicy:
		return true
	}
	return false
}

// childLists returns lists of the kinds of children that the cluster serves.
func (s *scope) childLists() []client.ObjectList {
	if s.routing.ready {
		return slices.Concat(ownedLists(), routeLists())
	}
	return ownedLists()
}

// pruneExposures deletes what brings the gateway out of the cluster and has no entry in the newest spec. That only closes, so that it waits
// for nothing: neither for references that resolve, nor for settings that are accepted, nor for a rollout.
func (r *Reconciler) pruneExposures(ctx context.Context, s *scope) error {
	if s.suspended() {
		return nil
	}
	deleted, err := r.applier.Prune(ctx, s.exposurePruning())
	for _, object := range deleted {
		s.note(eventkind.Deleted, object)
	}
	return err
}

// exposurePruning selects the objects that no entry names. An entry that is refused keeps those that it names.
func (s *scope) exposurePruning() apply.PruneOptions {
	stack := s.stack
	lists := []client.ObjectList{&corev1.ServiceList{}, &networkingv1.IngressList{}}
	if s.routing.ready {
		lists = append(lists, routeLists()...)
	}
	names := []string{v1alpha1.ListenerName(stack.Name, v1alpha1.ListenerUsers), v1alpha1.ListenerName(stack.Name, v1alpha1.ListenerAdmins)}
	return apply.PruneOptions{
		Namespace: stack.Namespace, Labels: manifests.CommonLabels(stack.Name), Owner: stack.UID, Wanted: s.wantedExposures(),
		Lists: lists,
		Keep:  func(object client.Object) bool { return !slices.Contains(names, object.GetName()) },
	}
}

// observeExposure reads the addresses of what brings the gateway out of the cluster, from the cache. services are those of the stack.
func (r *Reconciler) observeExposure(ctx context.Context, s *scope, services []corev1.Service) error {
	s.ways, s.routePolicies, s.routeLacks = nil, nil, false
	for _, e := range exposed(s.stack) {
		name := v1alpha1.ListenerName(s.stack.Name, e.Listener)
		if e.Service != nil {
			s.ways = append(s.ways, exposure.ByService(e.Listener, name, ownService(s.stack, services, name)))
		}
		if e.Ingress != nil {
			ingress, err := ownObject(ctx, r.client, s.stack, name, &networkingv1.Ingress{})
			if err != nil {
				return err
			}
			s.ways = append(s.ways, exposure.ByIngress(e.Listener, name, ingress))
		}
		if e.HTTPRoute != nil {
			route, err := r.observeRoute(ctx, s, name)
			if err != nil {
				return err
			}
			s.ways = append(s.ways, exposure.ByRoute(e.Listener, name, route))
		}
	}
	return nil
}

// observeRoute reads the objects of the Gateway API that lead to a listener, from the cache.
func (r *Reconciler) observeRoute(ctx context.Context, s *scope, name string) (exposure.Route, error) {
	route := exposure.Route{Missing: s.routing.missing}
	if !s.routing.ready {
		return route, nil
	}
	for _, object := range s.wantedExposures() {
		switch o := object.(type) {
		case *gatewayv1.HTTPRoute:
			if o.Name == name {
				route.Wanted = o
			}
		case *gatewayv1.BackendTLSPolicy:
			route.WantsTLS = route.WantsTLS || o.Name == name
		}
	}
	var err error
	if route.Live, err = ownObject(ctx, r.client, s.stack, name, &gatewayv1.HTTPRoute{}); err != nil {
		return route, err
	}
	s.routeLacks = s.routeLacks || route.Live == nil
	route.TLS, err = ownObject(ctx, r.client, s.stack, name, &gatewayv1.BackendTLSPolicy{})
	if route.TLS != nil {
		s.routePolicies = append(s.routePolicies, name)
	}
	return route, err
}

// ownObject reads the stack's object of a name into an empty one, nil when there is none.
func ownObject[T client.Object](ctx context.Context, from client.Reader, stack *v1alpha1.OpenIMStack, name string, empty T) (T, error) {
	var none T
	err := from.Get(ctx, types.NamespacedName{Namespace: stack.Namespace, Name: name}, empty)
	switch {
	case apierrors.IsNotFound(err):
		return none, nil
	case err != nil:
		return none, fmt.Errorf("reading %s %s: %w", kindOf(empty), name, err)
	case !metav1.IsControlledBy(empty, stack):
		return none, nil
	}
	return empty, nil
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
