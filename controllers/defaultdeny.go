package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
func (s *scope) retainDefaultDeny(owners []metav1.OwnerReference) {
	name := v1alpha1.ChildName(s.stack.Name, graph.DefaultDeny)
	i := slices.IndexFunc(s.policies, func(policy client.Object) bool { return policy.GetName() == name })
	if i >= 0 {
		s.policies[i].SetOwnerReferences(append(s.policies[i].GetOwnerReferences(), owners...))
	}
}

// ownersFor is the time for which a list of the stack's pods is used again while the cache shows the same pods. The cache lacks a pod that
// lost its name label, and the policy still selects it.
const ownersFor = time.Minute

// podOwners returns owner references to the pods that the default deny policy selects. The pods are listed from the API server when the
// cache shows others than at the last time. While the stack is suspended nothing is written, and the policy keeps its present owners; it
// keeps them also when the pods cannot be listed.
func (r *Reconciler) podOwners(ctx context.Context, s *scope) ([]metav1.OwnerReference, error) {
	if s.suspended() {
		return r.presentOwners(ctx, s)
	}
	selected, in := client.MatchingLabels(graph.DeniedPods(s.stack.Name)), client.InNamespace(s.stack.Namespace)
	var shown corev1.PodList // of the labels that the policy selects by, the cache keeps this one
	ofStack := client.MatchingLabels{v1alpha1.LabelInstance: s.stack.Name}
	if err := r.client.List(ctx, &shown, in, ofStack, apply.Shared); err != nil {
		return r.ownersUnlisted(ctx, s, err)
	}
	var seen []types.UID
	for i := range shown.Items {
		seen = append(seen, shown.Items[i].UID)
	}
	slices.Sort(seen)
	kept, now := r.kept.of(s.stack), r.pacer.now()
	if known := kept.pods; known != nil && slices.Equal(known.seen, seen) && now.Sub(known.at) < ownersFor {
		return known.owners, nil
	}
	pods := &metav1.PartialObjectMetadataList{}
	pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
	if err := r.live.List(ctx, pods, in, selected, client.Limit(maxPodOwners)); err != nil {
		return r.ownersUnlisted(ctx, s, err)
	}
	var owners []metav1.OwnerReference
	for _, pod := range pods.Items {
		owners = append(owners, metav1.OwnerReference{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Pod", Name: pod.Name, UID: pod.UID})
	}
	slices.SortFunc(owners, func(a, b metav1.OwnerReference) int { return cmp.Compare(a.Name, b.Name) })
	kept.pods = &keptOwners{seen, now, owners}
	return owners, nil
}

// ownersUnlisted returns the present owners, and that the pods could not be listed.
func (r *Reconciler) ownersUnlisted(ctx context.Context, s *scope, failure error) ([]metav1.OwnerReference, error) {
	present, unread := r.presentOwners(ctx, s)
	failure = fmt.Errorf("listing the pods of OpenIMStack %s: %w", client.ObjectKeyFromObject(s.stack), failure)
	return present, errors.Join(failure, unread)
}

// presentOwners returns the pods that own the default deny policy of the cache.
func (r *Reconciler) presentOwners(ctx context.Context, s *scope) ([]metav1.OwnerReference, error) {
	key := types.NamespacedName{Namespace: s.stack.Namespace, Name: v1alpha1.ChildName(s.stack.Name, graph.DefaultDeny)}
	var live networkingv1.NetworkPolicy
	if err := r.client.Get(ctx, key, &live); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading NetworkPolicy %s: %w", key, err)
	}
	return slices.DeleteFunc(live.OwnerReferences, func(o metav1.OwnerReference) bool { return !apply.IsPod(o) }), nil
}
