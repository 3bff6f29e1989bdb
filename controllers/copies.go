package controllers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/openim"
)

// Copies are immutable Secrets with what a resourceRef leads to: pods read no Secret of another namespace, and authorities that are in the
// status of an object are in no Secret. Another content has another name, so that a rollout has the earlier content until it is complete.
// The rights to read the objects of other operators and to delete copies are in config/references, which is not installed by default.

// referencesInterval is the time after which objects of other operators are read again. They are not watched: their kinds come and go.
const referencesInterval = 30 * time.Second

// copySecrets makes the copies of the facts that a component can be built from, and takes their values out of the facts. Components whose
// copy could not be made keep their templates, as if the reference could not be read.
func (r *Reconciler) copySecrets(ctx context.Context, s *scope) error {
	copies := s.facts.Copies
	s.facts.Copies = nil
	var failures []error
	for _, c := range copies {
		s.copies = append(s.copies, c.Name)
		if !slices.ContainsFunc(c.Readers, func(reader string) bool { return !s.held(reader) }) {
			continue // nobody can be built from it, and the next content would be another copy
		}
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
	if found != nil {
		// Whoever made it does not know the key of the digest in its name, unless this operator did.
		owner := metav1.GetControllerOf(found)
		if owner != nil && owner.UID == s.stack.UID {
			return nil
		}
		if owner != nil || found.Labels[v1alpha1.LabelReference] != c.Store {
			return foreignCopy(name)
		}
	}
	if s.suspended() {
		s.pending = append(s.pending, "Secret/"+c.Name)
		return nil
	}
	if found != nil || c.From != "" {
		allowed, err := r.applier.MayDeleteSecrets(ctx, s.stack.Namespace)
		switch {
		case err != nil:
			return err
		case !allowed && found != nil:
			return foreignCopy(name)
		case !allowed:
			return outcome.NewWaiting(v1alpha1.ReasonReferenceNotPermitted, "the operator may not delete Secrets in namespace "+s.stack.Namespace+
				", so it could not take the copy of another namespace's Secret away when that namespace no longer permits it: give it the right "+
				"(config/references, or references.enabled of the chart)", referencesInterval)
		}
	}
	if found != nil { // from a backup, or left by a stack that was deleted without its children: its content is not trusted
		if err := r.applier.DeleteSecret(ctx, found); err != nil {
			return err
		}
	}
	labels := manifests.CommonLabels(s.stack.Name)
	labels[v1alpha1.LabelReference] = c.Store
	var annotations map[string]string
	if c.From != "" {
		annotations = map[string]string{v1alpha1.AnnotationCopiedFrom: c.From}
	}
	secret, err := r.applier.CopySecret(ctx, metav1.ObjectMeta{
		Name: c.Name, Namespace: s.stack.Namespace, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(s.stack)}, Annotations: annotations,
	}, c.Data)
	if err != nil {
		return err
	}
	s.note(eventkind.Created, secret)
	return nil
}

func foreignCopy(name types.NamespacedName) error {
	return outcome.NewWaiting(v1alpha1.ReasonNameConflict, fmt.Sprintf("copying to Secret %s: it exists and is not the stack's: delete it",
		name), collection)
}

// isCopyOf reports whether a Secret is a copy that the operator made for a stack, or one that has lost its owner, by a backup for example.
// Label and owner are not enough: the stack's keys have the same owner, and whoever may label a Secret could have one deleted.
func isCopyOf(stack *v1alpha1.OpenIMStack, secret *metav1.PartialObjectMetadata) bool {
	store, owner := secret.Labels[v1alpha1.LabelReference], metav1.GetControllerOf(secret)
	if store == "" || owner != nil && owner.UID != stack.UID {
		return false
	}
	return v1alpha1.IsReference(secret.Name) && strings.HasPrefix(secret.Name, v1alpha1.ReferenceName(stack.Name, store, ""))
}

// pruneCopies deletes the copies that neither the spec nor a run revision in use needs, and at once those that the namespace of their
// origin no longer permits. A copy is asked for by what it was made from: the spec may refer to something else by now.
func (r *Reconciler) pruneCopies(ctx context.Context, s *scope) error {
	if s.suspended() {
		return nil
	}
	secrets, err := r.generatedMetadata(ctx, s)
	if err != nil {
		return err
	}
	used := sync.OnceValues(func() (func(string) bool, error) { return r.copiesInUse(ctx, s) })
	var failures []error
	for i := range secrets {
		secret := &secrets[i]
		from := secret.Annotations[v1alpha1.AnnotationCopiedFrom]
		if !isCopyOf(s.stack, secret) {
			continue
		}
		if slices.Contains(s.copies, secret.Name) {
			s.keepsForeign = s.keepsForeign || from != ""
			continue // its consent has just been asked for
		}
		inUse, err := used()
		unused := err == nil && !inUse(secret.Name)
		if !unused {
			permitted, unasked := r.access.Permits(ctx, r.live, s.stack, from)
			failures = append(failures, err, unasked)
			if permitted || unasked != nil {
				s.keepsForeign = s.keepsForeign || from != ""
				continue
			}
		}
		switch err := r.applier.DeleteSecret(ctx, secret); {
		case err == nil:
			s.note(eventkind.Deleted, secret)
		case apierrors.IsForbidden(err) && unused:
			s.undeletable = append(s.undeletable, secret.Name) // status.unusedSecrets lists it
		default:
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// copiesInUse returns the function that reports whether a copy may be used although the spec does not lead to it: by the way to the spec or
// back from it. A run revision that is kept has its name, with its digest, and every pod and Deployment has such a revision. Once the stack
// is at rest none is used, and while it is not known which revisions these are, each is.
func (r *Reconciler) copiesInUse(ctx context.Context, s *scope) (func(string) bool, error) {
	lagging, err := r.behind(ctx, s)
	if err != nil {
		return nil, err
	}
	if lagging || !s.proposed || !s.applied { // a Deployment of a lost revision is left as it is, and nobody knows what it needs
		return func(string) bool { return true }, nil
	}
	if s.resolved() && s.settled() {
		return func(string) bool { return false }, nil
	}
	surplus := s.surplusRuns()
	var kept [][]byte
	for _, h := range s.history {
		if slices.Contains(surplus, h.Name) {
			continue
		}
		d, err := r.runData(ctx, s, h.Name)
		if err != nil {
			return nil, err
		}
		content, err := revision.Encode(d)
		if err != nil {
			return nil, err
		}
		kept = append(kept, content)
	}
	return func(name string) bool {
		return slices.ContainsFunc(kept, func(content []byte) bool { return bytes.Contains(content, []byte(name)) })
	}, nil
}

// follows reports whether a stack has a resourceRef.
func follows(stack *v1alpha1.OpenIMStack) bool {
	d, w := stack.Spec.Dependencies, stack.Spec.Wrapper
	return d.Kafka.ResourceRef != nil || d.Redis.ResourceRef != nil || d.MongoDB.ResourceRef != nil ||
		w.Redis != nil && w.Redis.ResourceRef != nil || w.MongoDB != nil && w.MongoDB.ResourceRef != nil
}

// referencesRecheck returns the time after which the objects of resourceRefs are read again, and the consent for copies is asked for again,
// 0 for a stack without any.
func (r *Reconciler) referencesRecheck(s *scope) time.Duration {
	if !follows(s.stack) && !s.keepsForeign {
		return 0
	}
	return r.referencesEvery
}
