package setup

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/infra"
)

// passwordBytes is the length of a generated password before hexadecimal encoding.
const passwordBytes = 24

// InstallStores installs hack/infra into a namespace and waits until all of it is ready.
func (e *Environment) InstallStores(ctx context.Context, namespace string) error {
	content, err := e.kustomize(ctx, filepath.Join("hack", "infra"))
	if err != nil {
		return err
	}
	objects, err := kube.Decode(content)
	if err != nil {
		return fmt.Errorf("hack/infra: %w", err)
	}
	moveTo(objects, namespace)
	e.Images.Retag(objects)
	if err := e.ensureNamespaces(ctx, map[string]map[string]string{namespace: nil}); err != nil {
		return err
	}
	if err := e.ensurePasswords(ctx, namespace); err != nil {
		return err
	}
	if err := e.ensureFiles(ctx, namespace); err != nil {
		return err
	}
	if err := e.Cluster.Apply(ctx, objects...); err != nil {
		return err
	}
	return e.waitForDeployments(ctx, objects)
}

// waitForDeployments waits for all Deployments and StatefulSets among objects.
func (e *Environment) waitForDeployments(ctx context.Context, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		key := client.ObjectKeyFromObject(object)
		var err error
		switch object.GetKind() {
		case "Deployment":
			err = e.Cluster.WaitForDeployment(ctx, key)
		case "StatefulSet":
			err = kube.Until(ctx, e.Cluster, &appsv1.StatefulSetList{}, key, func(s *appsv1.StatefulSet) (bool, error) {
				return s.Status.ObservedGeneration >= s.Generation && s.Spec.Replicas != nil && s.Status.ReadyReplicas == *s.Spec.Replicas &&
					s.Status.CurrentRevision == s.Status.UpdateRevision, nil
			})
		default:
			continue
		}
		if err != nil {
			return fmt.Errorf("%w (check `kubectl -n %s get pods`)", err, key.Namespace)
		}
		e.Journal.Say("%s is ready", key.Name)
	}
	return nil
}

// moveTo moves the stores to another namespace than StoresNamespace: the objects, and the host names in their fields.
func moveTo(objects []*unstructured.Unstructured, namespace string) {
	if namespace == StoresNamespace {
		return
	}
	for _, object := range objects {
		walk(object.Object, func(field string, value any) any {
			text, isText := value.(string)
			switch {
			case !isText:
				return value
			case text == StoresNamespace && (field == "namespace" || field == corev1.LabelMetadataName),
				text == StoresNamespace && field == "name" && object.GetKind() == "Namespace":
				return namespace
			default:
				return InNamespace(text, namespace)
			}
		})
	}
}

// InNamespace replaces StoresNamespace in the host names of a text, for example redis.infra.svc:6379, with another namespace.
func InNamespace(text, namespace string) string {
	return strings.ReplaceAll(text, "."+StoresNamespace+".svc", "."+namespace+".svc")
}

// ensurePasswords writes the Secrets of OpenIM's Redis and of the wrapper's Redis to a namespace: the stores' or a stack's.
func (e *Environment) ensurePasswords(ctx context.Context, namespace string) error {
	for _, name := range []string{infra.RedisSecret, infra.WrapperRedisSecret} {
		password, err := e.password(ctx, name)
		if err != nil {
			return err
		}
		if err := e.ensureSecret(ctx, namespace, name, map[string][]byte{v1alpha1.KeyPassword: password}); err != nil {
			return err
		}
	}
	return nil
}

// password returns the current password of a Redis, or a new one.
func (e *Environment) password(ctx context.Context, name string) ([]byte, error) {
	data, err := e.secret(ctx, name)
	if err != nil {
		return nil, err
	}
	if current := data[v1alpha1.KeyPassword]; len(current) > 0 {
		return current, nil
	}
	return newPassword(), nil
}

// secret reads a Secret of the stores' namespace. It returns nothing for one that does not exist.
func (e *Environment) secret(ctx context.Context, name string) (map[string][]byte, error) {
	var secret corev1.Secret
	err := e.Cluster.Get(ctx, types.NamespacedName{Namespace: StoresNamespace, Name: name}, &secret)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret.Data, nil
}

// newPassword returns a random password, in hexadecimal digits.
func newPassword() []byte {
	random := make([]byte, passwordBytes)
	_, _ = rand.Read(random) // never fails: the runtime ends the program when the system has no randomness
	return []byte(hex.EncodeToString(random))
}

// ensureSecret applies a Secret with data.
func (e *Environment) ensureSecret(ctx context.Context, namespace, name string, data map[string][]byte) error {
	u, err := kube.ToUnstructured(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data})
	if err != nil {
		return err
	}
	return e.Cluster.Apply(ctx, u)
}

// ensureNamespaces applies namespaces with their labels.
func (e *Environment) ensureNamespaces(ctx context.Context, wanted map[string]map[string]string) error {
	for name, labels := range wanted {
		u, err := kube.ToUnstructured(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
		if err != nil {
			return err
		}
		if err := e.Cluster.Apply(ctx, u); apierrors.IsForbidden(err) {
			return fmt.Errorf("creating namespace %s: the kubeconfig's user needs the right to create namespaces: %w", name, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}
