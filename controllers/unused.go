package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// maxUnusedSecrets bounds status.unusedSecrets.
const maxUnusedSecrets = 64

// findUnusedSecrets lists the generated Secrets that the spec no longer uses. It reads metadata alone. While pods of an older spec may
// still run, no Secret is added to the list: they may use it.
func (r *Reconciler) findUnusedSecrets(ctx context.Context, s *scope) error {
	if !s.resolved() {
		return nil
	}
	secrets, err := r.generatedMetadata(ctx, s)
	if err != nil {
		return err
	}
	var existing []string
	for _, secret := range secrets {
		if secret.Labels[v1alpha1.LabelReference] == "" || slices.Contains(s.undeletable, secret.Name) {
			existing = append(existing, secret.Name)
		}
	}
	used := slices.Clone(s.facts.Secrets)
	for _, g := range generated(s.stack, s.shareSuffix) {
		used = append(used, v1alpha1.ChildName(s.stack.Name, g.suffix))
	}
	settled := !s.suspended() && s.applied && s.settled()
	s.unusedSecrets, s.secretsListed = unusedSecrets(existing, used, s.stack.Status.UnusedSecrets, settled), true
	return nil
}

// generatedMetadata returns the metadata of the Secrets with the stack's labels, as they were when this reconciliation first asked. They
// come from the cache, whose watch wakes the stack when they change. It may lack a Secret that was just created: a caller that acts on
// the absence of one asks the API server.
func (r *Reconciler) generatedMetadata(ctx context.Context, s *scope) ([]metav1.PartialObjectMetadata, error) {
	if s.secretMetadata != nil {
		return s.secretMetadata.Items, nil
	}
	reader := r.watched(secretKind)
	if reader == nil {
		reader = r.live
	}
	list, err := listGenerated(ctx, reader, s)
	if err == nil {
		s.secretMetadata = list
	}
	return list.Items, err
}

// listGenerated lists the metadata of the Secrets with the stack's labels. They may be the cache's own objects and must not be changed.
func listGenerated(ctx context.Context, reader client.Reader, s *scope) (*metav1.PartialObjectMetadataList, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	if err := reader.List(ctx, list, client.InNamespace(s.stack.Namespace), labels, apply.Shared); err != nil {
		return list, fmt.Errorf("listing the metadata of generated Secrets: %w", err)
	}
	return list, nil
}

// secretMetadataOf returns the metadata of a generated Secret, nil when it does not exist. One that lost its labels is read by its name.
func (r *Reconciler) secretMetadataOf(ctx context.Context, s *scope, name types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	all, err := r.generatedMetadata(ctx, s)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == name.Name {
			return &all[i], nil
		}
	}
	return r.applier.SecretMetadata(ctx, name)
}

// unusedSecrets returns the names of existing Secrets that are not used, sorted. Names that are not in before are added only when settled.
func unusedSecrets(existing, used, before []string, settled bool) []string {
	var unused []string
	for _, name := range existing {
		if !slices.Contains(used, name) && (settled || slices.Contains(before, name)) {
			unused = append(unused, name)
		}
	}
	slices.Sort(unused)
	return unused[:min(len(unused), maxUnusedSecrets)]
}
