package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/environment/kube"
)

// Down removes what Up and the demo created. The local cluster is removed as a whole unless keepCluster is set.
func (e *Environment) Down(ctx context.Context, keepCluster bool) error {
	path, err := identityFile()
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the identity provider's key: %w", err)
	}
	if e.Local && !keepCluster {
		return e.Journal.Step(ctx, "the cluster, with all that runs in it", func(ctx context.Context) error {
			n, err := e.node()
			if err != nil {
				return err
			}
			return n.Down(ctx)
		})
	}
	return e.Journal.Step(ctx, "stack, operator, stores and namespaces", e.removeObjects)
}

func (e *Environment) removeObjects(ctx context.Context) error {
	if err := e.connect(); err != nil {
		return err
	}
	// Namespaces first, while the operator still runs and can finalize its stacks.
	if err := e.RemoveNamespaces(ctx, StackNamespace, IntruderNamespace, StoresNamespace); err != nil {
		return err
	}
	objects, err := e.OperatorObjects(ctx)
	if err != nil {
		return err
	}
	for _, object := range slices.Backward(objects) {
		if err := e.Cluster.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	for _, object := range objects {
		if err := e.gone(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// connect connects to the running cluster.
func (e *Environment) connect() error {
	kubeconfig := ""
	if e.Local {
		n, err := e.node()
		if err != nil {
			return err
		}
		if kubeconfig, err = n.Kubeconfig(); err != nil {
			return err
		}
	}
	var err error
	e.Cluster, err = kube.Connect(kubeconfig)
	return err
}

// gone waits until an object is gone.
func (e *Environment) gone(ctx context.Context, object *unstructured.Unstructured) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(object.GroupVersionKind().GroupVersion().WithKind(object.GetKind() + "List"))
	return e.Cluster.Gone(ctx, object.DeepCopy(), list)
}

// RemoveNamespaces deletes namespaces with all that is in them, and waits until they are gone.
func (e *Environment) RemoveNamespaces(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := e.Cluster.Remove(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, &corev1.NamespaceList{}); err != nil {
			return err
		}
		e.Journal.Say("namespace %s is gone", name)
	}
	return nil
}
