package apply

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// secretBytes is the entropy of a generated value: 256 bit.
const secretBytes = 32

// GenerateSecret creates a Secret with one random, URL-safe value, unless a Secret of that name exists. An existing Secret is never
// written. object holds name, namespace, labels and owner. An immutable Secret can only be replaced.
func (a *Applier) GenerateSecret(ctx context.Context, object metav1.ObjectMeta, dataKey string, immutable bool) (Result, error) {
	name := types.NamespacedName{Namespace: object.Namespace, Name: object.Name}
	exists, err := a.Exists(ctx, name)
	if err != nil || exists {
		return Unchanged, err
	}
	value := make([]byte, secretBytes)
	if _, err := rand.Read(value); err != nil {
		return "", fmt.Errorf("generating Secret %s: %w", name, err)
	}
	secret := &corev1.Secret{
		ObjectMeta: object,
		Immutable:  &immutable,
		Type:       corev1.SecretTypeOpaque,
		Data:       map[string][]byte{dataKey: []byte(base64.RawURLEncoding.EncodeToString(value))},
	}
	if err := a.client.Create(ctx, secret, a.owner); apierrors.IsAlreadyExists(err) {
		return Unchanged, nil
	} else if err != nil {
		return "", fmt.Errorf("generating Secret %s: %w", name, err)
	}
	return Created, nil
}

// Exists reports whether a Secret exists, without reading its data.
func (a *Applier) Exists(ctx context.Context, name types.NamespacedName) (bool, error) {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	err := a.live.Get(ctx, name, secret)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return true, nil
}
