package snapshot

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// AddIntended adds objects that the operator will create: NetworkPolicies, Services, and the pods of Deployments. An object that the
// snapshot already holds is not changed. Other kinds do not affect reachability and are not added.
func (w *Snapshot) AddIntended(objects ...metav1.Object) {
	for _, o := range objects {
		switch o := o.(type) {
		case *networkingv1.NetworkPolicy:
			policy := o.DeepCopy()
			defaultPolicy(policy)
			w.Policies = addMissing(w.Policies, *policy)
		case *corev1.Service:
			service := o.DeepCopy()
			defaultService(service)
			w.Services = addMissing(w.Services, *service)
		case *appsv1.Deployment:
			w.intendPod(podOf(workloadKind("Deployment"), o, o.Spec.Template))
		}
	}
	w.finish()
}

// addMissing appends an object unless the list holds an object of the same name.
func addMissing[T any, P object[T]](items []T, wanted T) []T {
	name := func(item P) types.NamespacedName {
		return types.NamespacedName{Namespace: item.GetNamespace(), Name: item.GetName()}
	}
	if slices.ContainsFunc(items, func(item T) bool { return name(&item) == name(&wanted) }) {
		return items
	}
	return append(items, wanted)
}

// intendPod adds the pod of a Deployment unless the snapshot holds a replica. The check includes the pod's name, because other pods may
// have the same labels.
func (w *Snapshot) intendPod(pod corev1.Pod) {
	there := slices.ContainsFunc(w.Pods, func(p corev1.Pod) bool {
		name := p.Name == pod.Name || strings.HasPrefix(p.Name, pod.Name+"-")
		return name && p.Namespace == pod.Namespace && containsLabels(p.Labels, pod.Labels)
	})
	if !there {
		w.Pods = append(w.Pods, pod)
	}
}

func containsLabels(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if labels[key] != value {
			return false
		}
	}
	return true
}
