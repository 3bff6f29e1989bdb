package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// maxPodOwners is how many pods may own the policy that denies everything. One that is left would do.
const maxPodOwners = 500

// retainDefaultDeny makes the stack's pods owners of the policy that denies everything for them, beside the stack itself. The garbage collector keeps an
// object for as long as one of its owners is there: of a deleted stack the other policies go at once, in no order, and this one with the
// last pod. So nobody gets in while processes end, without a finalizer and without the operator.
func (r *Reconciler) retainDefaultDeny(ctx context.Context, s *scope) error {
	name := v1alpha1.ChildName(s.stack.Name, graph.DefaultDeny)
	i := slices.IndexFunc(s.objects, func(o client.Object) bool {
		_, policy := o.(*networkingv1.NetworkPolicy)
		return policy && o.GetName() == name
	})
	if i < 0 {
		return nil
	}
	policy := s.objects[i].(*networkingv1.NetworkPolicy).DeepCopy()
	holders, err := r.podOwners(ctx, s, policy)
	policy.OwnerReferences = append(policy.OwnerReferences, holders...)
	s.objects = slices.Clone(s.objects) // the last good ones are kept without pods
	s.objects[i] = policy
	return err
}

// podOwners are the pods that a policy selects, as owners. While the stack is suspended nothing is written, and they stay those that it has;
// so they do when the pods cannot be read.
func (r *Reconciler) podOwners(ctx context.Context, s *scope, policy *networkingv1.NetworkPolicy) ([]metav1.OwnerReference, error) {
	var live networkingv1.NetworkPolicy
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(policy), &live); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading NetworkPolicy %s: %w", client.ObjectKeyFromObject(policy), err)
	}
	present := slices.DeleteFunc(live.OwnerReferences, func(o metav1.OwnerReference) bool { return !apply.IsPod(o) })
	if s.suspended() {
		return present, nil
	}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	err := r.live.List(ctx, pods, client.InNamespace(policy.Namespace), client.MatchingLabels(policy.Spec.PodSelector.MatchLabels), client.Limit(maxPodOwners))
	if err != nil {
		return present, fmt.Errorf("listing the pods of OpenIMStack %s: %w", client.ObjectKeyFromObject(s.stack), err)
	}
	var holders []metav1.OwnerReference
	for _, pod := range pods.Items {
		holders = append(holders, metav1.OwnerReference{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Pod", Name: pod.Name, UID: pod.UID})
	}
	slices.SortFunc(holders, func(a, b metav1.OwnerReference) int { return cmp.Compare(a.Name, b.Name) })
	return holders, nil
}
