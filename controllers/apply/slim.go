package apply

import (
	"encoding/hex"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// slimmed is the operation of the managed field in which a slim object carries its digest. The API server accepts Apply and Update alone
// (apimachinery pkg/apis/meta/v1/validation, ValidateManagedFields), so that nobody can give an object a digest that is not its own.
const slimmed metav1.ManagedFieldsOperationType = "Slimmed"

// Slim is a transform of a cache (client-go, cache.TransformFunc). Of children whose content nobody reads it keeps the metadata and the
// digest by which Apply compares them: the content of a hundred stacks would be tens of megabytes. Services and Ingresses that clients
// outside the cluster reach keep the addresses that they were given, too, and objects of the Gateway API what its implementation says of
// them. Other objects lose their managed fields. All share texts that are the same (intern.go).
func Slim(object any) (any, error) {
	o, ok := object.(client.Object)
	if !ok {
		return object, nil // a tombstone
	}
	if _, done := slimPrint(o); done {
		return o, nil // a cache may transform an object twice
	}
	o.SetManagedFields(nil)
	var slim client.Object
	switch o := o.(type) {
	case *networkingv1.NetworkPolicy:
		slim = &networkingv1.NetworkPolicy{}
	case *corev1.ServiceAccount:
		slim = &corev1.ServiceAccount{}
	case *corev1.ConfigMap:
		slim = &corev1.ConfigMap{}
	case *corev1.Service:
		kept := &corev1.Service{}
		if o.Spec.Type == corev1.ServiceTypeLoadBalancer || o.Spec.Type == corev1.ServiceTypeNodePort {
			kept.Spec.Type, kept.Spec.Ports, kept.Status.LoadBalancer = o.Spec.Type, o.Spec.Ports, o.Status.LoadBalancer
			kept.Spec.ExternalTrafficPolicy = o.Spec.ExternalTrafficPolicy
		}
		slim = kept
	case *networkingv1.Ingress:
		slim = &networkingv1.Ingress{Status: o.Status}
	case *gatewayv1.HTTPRoute:
		slim = &gatewayv1.HTTPRoute{Status: o.Status}
	case *gatewayv1.BackendTLSPolicy:
		slim = &gatewayv1.BackendTLSPolicy{Status: o.Status}
	case *policyv1.PodDisruptionBudget:
		slim = &policyv1.PodDisruptionBudget{}
	case *autoscalingv2.HorizontalPodAutoscaler:
		slim = &autoscalingv2.HorizontalPodAutoscaler{}
	case *appsv1.Deployment:
		shared.share(o, &o.Spec)
		return o, nil
	default:
		return o, nil
	}
	print, err := fingerprint(o, false)
	if err != nil {
		return nil, fmt.Errorf("comparing %T %s: %w", o, client.ObjectKeyFromObject(o), err)
	}
	slim.SetName(o.GetName())
	slim.SetNamespace(o.GetNamespace())
	slim.SetUID(o.GetUID())
	slim.SetResourceVersion(o.GetResourceVersion())
	slim.SetGeneration(o.GetGeneration())
	slim.SetCreationTimestamp(o.GetCreationTimestamp())
	slim.SetDeletionTimestamp(o.GetDeletionTimestamp())
	slim.SetOwnerReferences(o.GetOwnerReferences())
	slim.SetLabels(o.GetLabels())
	slim.SetManagedFields([]metav1.ManagedFieldsEntry{{Operation: slimmed, Manager: hex.EncodeToString(print[:])}})
	shared.share(slim, nil)
	return slim, nil
}

// SameContent reports whether two versions of a slim object differ in nothing but their status. It reports false when one is not slim.
func SameContent(before, after metav1.Object) bool {
	a, slimBefore := slimPrint(before)
	b, slimAfter := slimPrint(after)
	return slimBefore && slimAfter && a == b
}

// slimPrint returns the digest that a slim object carries. It reports false for another object.
func slimPrint(o metav1.Object) (print digest, ok bool) {
	managed := o.GetManagedFields()
	if len(managed) != 1 || managed[0].Operation != slimmed {
		return digest{}, false
	}
	n, err := hex.Decode(print[:], []byte(managed[0].Manager))
	return print, err == nil && n == len(print)
}

// cachedPrint returns the digest of an object of the cache.
func cachedPrint(o client.Object, anyReplicas bool) (digest, error) {
	if print, ok := slimPrint(o); ok {
		return print, nil // slim kinds have no replicas
	}
	return fingerprint(o, anyReplicas)
}
