package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// owned returns the kinds of children that are applied, watched, repaired and pruned. Generated Secrets are not among them: they are
// created once and never written again.
func owned() []client.Object {
	return []client.Object{
		&networkingv1.NetworkPolicy{}, &corev1.ServiceAccount{}, &corev1.ConfigMap{}, &corev1.Service{}, &appsv1.Deployment{},
		&policyv1.PodDisruptionBudget{}, &autoscalingv2.HorizontalPodAutoscaler{}, &networkingv1.Ingress{},
	}
}

// routeKinds returns the kinds of the Gateway API that are applied, watched, repaired and pruned where the cluster serves them.
func routeKinds() []client.Object {
	return []client.Object{&gatewayv1.HTTPRoute{}, &gatewayv1.BackendTLSPolicy{}}
}

func routeLists() []client.ObjectList {
	return []client.ObjectList{&gatewayv1.HTTPRouteList{}, &gatewayv1.BackendTLSPolicyList{}}
}

// revisions returns the kinds of children that keep what the operator must not forget. They are watched too, and each has rules of its own
// for what is deleted.
func revisions() []client.Object { return []client.Object{&appsv1.ControllerRevision{}} }

func ownedLists() []client.ObjectList {
	return []client.ObjectList{
		&networkingv1.NetworkPolicyList{}, &corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{}, &appsv1.DeploymentList{},
		&policyv1.PodDisruptionBudgetList{}, &autoscalingv2.HorizontalPodAutoscalerList{}, &networkingv1.IngressList{},
	}
}

// kindOf returns the kind of an owned object. Objects from the cache have no kind of their own.
func kindOf(object client.Object) string {
	switch object.(type) {
	case *networkingv1.NetworkPolicy:
		return "NetworkPolicy"
	case *corev1.ServiceAccount:
		return "ServiceAccount"
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *corev1.Service:
		return "Service"
	case *networkingv1.Ingress:
		return "Ingress"
	case *gatewayv1.HTTPRoute:
		return "HTTPRoute"
	case *gatewayv1.BackendTLSPolicy:
		return "BackendTLSPolicy"
	case *appsv1.Deployment:
		return "Deployment"
	case *policyv1.PodDisruptionBudget:
		return "PodDisruptionBudget"
	case *autoscalingv2.HorizontalPodAutoscaler:
		return "HorizontalPodAutoscaler"
	case *appsv1.ControllerRevision:
		return "ControllerRevision"
	case *corev1.Secret:
		return "Secret"
	default:
		return object.GetObjectKind().GroupVersionKind().Kind
	}
}
