package apply

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// secretBytes is the entropy of a generated value: 256 bit.
const secretBytes = 32

// GenerateSecret creates a Secret with one random, URL-safe value, and returns it. It fails when a Secret of that name exists: an existing
// Secret is never written. object holds name, namespace, labels and owner. An immutable Secret can only be replaced.
func (a *Applier) GenerateSecret(ctx context.Context, object metav1.ObjectMeta, dataKey string, immutable bool) (*corev1.Secret, error) {
	name := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
	value := make([]byte, secretBytes)
	if _, err := rand.Read(value); err != nil {
		return nil, fmt.Errorf("generating Secret %s: %w", name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: object,
		Immutable:  &immutable,
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{dataKey: []byte(base64.RawURLEncoding.EncodeToString(value))},
	}
	if err := a.client.Create(ctx, secret, a.owner); err != nil {
		return nil, fmt.Errorf("generating Secret %s: %w", name, err)
	}
	return secret, nil
}

// SecretMetadata returns the metadata of a Secret, without reading its data. It is nil when the Secret does not exist.
func (a *Applier) SecretMetadata(ctx context.Context, name types.NamespacedName) (*metav1.PartialObjectMetadata, error) {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := a.live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret, nil
}

// CopySecret creates an immutable Secret with data. It fails when a Secret of that name exists: an existing Secret is never written. object
// holds name, namespace, labels and owner.
func (a *Applier) CopySecret(ctx context.Context, object metav1.ObjectMeta, data map[string][]byte) (*corev1.Secret, error) {
	immutable := true
	secret := &corev1.Secret{ObjectMeta: object, Immutable: &immutable, Type: corev1.SecretTypeOpaque, Data: data}
	if err := a.client.Create(ctx, secret, a.owner); err != nil {
		return nil, fmt.Errorf("copying to Secret %s/%s: %w", object.Namespace, object.Name, err)
	}
	return secret, nil
}

// MayDeleteSecrets reports whether the operator may delete Secrets of a namespace.
func (a *Applier) MayDeleteSecrets(ctx context.Context, namespace string) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: namespace, Verb: "delete", Version: "v1", Resource: "secrets"},
	}}
	if err := a.client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("asking for the right to delete Secrets of namespace %s: %w", namespace, err)
	}
	return review.Status.Allowed, nil
}

// DeleteSecret deletes a Secret, unless another one has its name by now. object is only read.
func (a *Applier) DeleteSecret(ctx context.Context, object *metav1.PartialObjectMetadata) error {
	uid := object.UID
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name}}
	err := a.client.Delete(ctx, secret, client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("deleting Secret %s/%s: %w", object.Namespace, object.Name, err)
	}
	return nil
}
