package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/openim"
)

// Copies are immutable Secrets with what a resourceRef leads to: pods read no Secret of another namespace, and authorities that are in the
// status of an object are in no Secret. Another content has another name, so that a rollout has the earlier content until it is complete.
// The rights to read the objects of other operators and to delete copies are in config/references, which is not installed by default.

// referencesInterval is the time after which objects of other operators are read again. They are not watched: their kinds come and go.
const referencesInterval = 30 * time.Second

// copySecrets makes the copies of the facts, and takes their values out of the facts. Components whose copy could not be made keep their
// templates, as if the reference could not be read.
func (r *Reconciler) copySecrets(ctx context.Context, s *scope) error {
	copies := s.facts.Copies
	s.facts.Copies = nil
	var failures []error
	for _, c := range copies {
		if err := r.copySecret(ctx, s, c); err != nil {
			failures = append(failures, &dependencies.ReadError{Components: c.Readers, Err: err})
		}
	}
	return errors.Join(failures...)
}

func (r *Reconciler) copySecret(ctx context.Context, s *scope, c openim.SecretCopy) error {
	name := types.NamespacedName{Namespace: s.stack.Namespace, Name: c.Name}
	found, err := r.secretMetadataOf(ctx, s, name)
	if err != nil {
		return err
	}
	if found == nil && s.suspended() {
		s.pending = append(s.pending, "Secret/"+c.Name)
		return nil
	}
	if found != nil {
		// Whoever made it does not know the key of the digest in its name, unless this operator did.
		if owner := metav1.GetControllerOf(found); owner == nil || owner.UID != s.stack.UID {
			return outcome.NewWaiting(v1alpha1.ReasonNameConflict, fmt.Sprintf("copying to Secret %s: it exists and is not the stack's: delete it",
				name), collection)
		}
		return nil
	}
	labels := manifests.CommonLabels(s.stack.Name)
	labels[v1alpha1.LabelReference] = c.Store
	secret, err := r.applier.CopySecret(ctx, metav1.ObjectMeta{
		Name: c.Name, Namespace: s.stack.Namespace, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(s.stack)},
	}, c.Data)
	if err != nil {
		return err
	}
	s.note(eventkind.Created, secret)
	return nil
}

// pruneCopies deletes the copies of references that may not be followed any longer, at once, and those that no pod uses once the stack is
// at rest.
func (r *Reconciler) pruneCopies(ctx context.Context, s *scope) error {
	if s.suspended() {
		return nil
	}
	secrets, err := r.generatedMetadata(ctx, s)
	if err != nil {
		return err
	}
	unused := s.resolved() && s.applied && !s.lagging && s.settled()
	var failures []error
	for i := range secrets {
		secret := &secrets[i]
		store, owner := secret.Labels[v1alpha1.LabelReference], metav1.GetControllerOf(secret)
		if store == "" || owner == nil || owner.UID != s.stack.UID || slices.Contains(s.facts.Secrets, secret.Name) {
			continue
		}
		revoked := slices.Contains(s.facts.Revoked, store)
		if !revoked && !unused {
			continue
		}
		switch err := r.applier.DeleteSecret(ctx, secret); {
		case err == nil:
			s.note(eventkind.Deleted, secret)
		case apierrors.IsForbidden(err) && !revoked:
			s.undeletable = append(s.undeletable, secret.Name) // status.unusedSecrets lists it
		default:
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// follows reports whether a stack has a resourceRef.
func follows(stack *v1alpha1.OpenIMStack) bool {
	d, w := stack.Spec.Dependencies, stack.Spec.Wrapper
	return d.Kafka.ResourceRef != nil || d.Redis.ResourceRef != nil || d.MongoDB.ResourceRef != nil ||
		w.Redis != nil && w.Redis.ResourceRef != nil || w.MongoDB != nil && w.MongoDB.ResourceRef != nil
}

// referencesRecheck returns the time after which the objects of resourceRefs are read again, 0 for a stack without any.
func (r *Reconciler) referencesRecheck(stack *v1alpha1.OpenIMStack) time.Duration {
	if !follows(stack) {
		return 0
	}
	return r.referencesEvery
}
