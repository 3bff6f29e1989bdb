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

// maxPodOwners bounds how many pods own the default deny policy. One remaining owner keeps the policy alive.
const maxPodOwners = 500

// retainDefaultDeny makes the stack's pods owners of the stack's default deny policy, in addition to the stack itself. The garbage
// collector keeps an object while one of its owners exists. When a stack is deleted, its other policies go at once and in no order, and the
// default deny policy goes with the last pod. So nothing can connect to the stack's pods while they terminate, without a finalizer and
// without the operator.
func (r *Reconciler) retainDefaultDeny(ctx context.Context, s *scope) error {
	name := v1alpha1.ChildName(s.stack.Name, graph.DefaultDeny)
	i := slices.IndexFunc(s.policies, func(policy client.Object) bool { return policy.GetName() == name })
	if i < 0 {
		return nil
	}
	policy := s.policies[i].(*networkingv1.NetworkPolicy)
	owners, err := r.podOwners(ctx, s, policy)
	policy.OwnerReferences = append(policy.OwnerReferences, owners...)
	return err
}

// podOwners returns owner references to the pods that a policy selects. While the stack is suspended nothing is written, and the policy
// keeps its present owners; it keeps them also when the pods cannot be listed.
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
	selected := client.MatchingLabels(policy.Spec.PodSelector.MatchLabels)
	err := r.live.List(ctx, pods, client.InNamespace(policy.Namespace), selected, client.Limit(maxPodOwners))
	if err != nil {
		return present, fmt.Errorf("listing the pods of OpenIMStack %s: %w", client.ObjectKeyFromObject(s.stack), err)
	}
	var owners []metav1.OwnerReference
	for _, pod := range pods.Items {
		owners = append(owners, metav1.OwnerReference{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Pod", Name: pod.Name, UID: pod.UID})
	}
	slices.SortFunc(owners, func(a, b metav1.OwnerReference) int { return cmp.Compare(a.Name, b.Name) })
	return owners, nil
}
