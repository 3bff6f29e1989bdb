package controllers

import (
	"context"
	"fmt"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/openim/pods"
)

// acceptedPods keeps spec.pods of each stack as it was accepted last, in memory: a new process knows none.
type acceptedPods struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]ownedPods
}

type ownedPods struct {
	owner types.UID
	pods  *v1alpha1.Pods
}

func newAcceptedPods() *acceptedPods {
	return &acceptedPods{byStack: map[types.NamespacedName]ownedPods{}}
}

func (a *acceptedPods) set(stack *v1alpha1.OpenIMStack) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.byStack[client.ObjectKeyFromObject(stack)] = ownedPods{stack.UID, stack.Spec.Pods.DeepCopy()}
}

// get reports false for a stack of which nothing is known, also for one that was deleted and created again.
func (a *acceptedPods) get(stack *v1alpha1.OpenIMStack) (*v1alpha1.Pods, bool) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	known, ok := a.byStack[client.ObjectKeyFromObject(stack)]
	return known.pods, ok && known.owner == stack.UID
}

func (a *acceptedPods) forget(stack types.NamespacedName) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	delete(a.byStack, stack)
}

// others returns the children that follow the newest spec at once. While a part of spec.pods is refused, ServiceAccounts, disruption
// budgets and autoscalers follow what was accepted last: they are created and repaired, because without its account no pod can be made. The
// autoscalers of a spec that was accepted by an earlier process stay as they are.
func (r *Reconciler) others(ctx context.Context, s *scope) ([]client.Object, error) {
	if !s.podsRefused() {
		if !s.suspended() {
			r.accepted.set(s.stack)
		}
		return r.otherChildren(ctx, s.stack, s)
	}
	earlier, known := r.accepted.get(s.stack)
	of := s.stack.DeepCopy()
	of.Spec.Pods = earlier
	objects, err := r.otherChildren(ctx, of, s)
	if err != nil || known {
		return objects, err
	}
	return objects, r.keepPods(ctx, s, objects)
}

func (r *Reconciler) otherChildren(ctx context.Context, stack *v1alpha1.OpenIMStack, s *scope) ([]client.Object, error) {
	stack, err := r.hotStack(ctx, stack, s)
	if err != nil {
		return nil, err
	}
	objects, err := manifests.Others(stack, s.facts, s.heldHot())
	if err != nil {
		return nil, outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, err.Error()) // pure: another attempt fails too
	}
	if s.podsRefused() || !s.resolved() || !s.proposed { // no autoscaler of an earlier spec is deleted now, see prune
		return objects, r.findAutoscaled(ctx, s, objects)
	}
	return objects, nil
}

// findAutoscaled notes which components have an autoscaler. Their number of replicas stays with it, whatever a spec names that is refused
// or does not resolve.
func (r *Reconciler) findAutoscaled(ctx context.Context, s *scope, objects []client.Object) error {
	var scalers autoscalingv2.HorizontalPodAutoscalerList
	labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	if err := r.client.List(ctx, &scalers, client.InNamespace(s.stack.Namespace), labels); err != nil {
		return fmt.Errorf("listing the HorizontalPodAutoscalers of the stack: %w", err)
	}
	s.autoscaled = map[string]bool{}
	for i := range scalers.Items {
		s.autoscaled[scalers.Items[i].Name] = metav1.IsControlledBy(&scalers.Items[i], s.stack)
	}
	for _, object := range objects {
		if _, scaler := object.(*autoscalingv2.HorizontalPodAutoscaler); scaler {
			s.autoscaled[object.GetName()] = true
		}
	}
	return nil
}

// keepPods gives the accounts and budgets that exist what they have: changes of it make no run revision, so that nothing else tells it to a
// new process. An account that is gone gets the annotations of another one, because all have the same. A budget that is gone gets the
// default.
func (r *Reconciler) keepPods(ctx context.Context, s *scope, objects []client.Object) error {
	in, labels := client.InNamespace(s.stack.Namespace), client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	var accounts corev1.ServiceAccountList // the cache does not hold their annotations, nor the budgets' content
	if err := r.live.List(ctx, &accounts, in, labels); err != nil {
		return fmt.Errorf("listing the ServiceAccounts of the stack: %w", err)
	}
	var budgets policyv1.PodDisruptionBudgetList
	if err := r.live.List(ctx, &budgets, in, labels); err != nil {
		return fmt.Errorf("listing the disruption budgets of the stack: %w", err)
	}
	annotations := map[string]map[string]string{}
	var sibling map[string]string
	for i := range accounts.Items {
		kept := pods.TakenAnnotations(accounts.Items[i].Annotations)
		annotations[accounts.Items[i].Name] = kept
		if sibling == nil {
			sibling = kept
		}
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.ServiceAccount:
			kept, exists := annotations[o.Name]
			if !exists {
				kept = sibling
			}
			o.Annotations = kept
		case *policyv1.PodDisruptionBudget:
			for i := range budgets.Items {
				if live := &budgets.Items[i]; live.Name == o.Name && live.Spec.MaxUnavailable != nil {
					o.Spec.MaxUnavailable = live.Spec.MaxUnavailable
				}
			}
		}
	}
	return nil
}
