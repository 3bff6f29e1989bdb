package kube

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Watch calls check for every existing object of a kind and for every change, until check returns true, fails, or ctx
// ends. A deleted object arrives as watch.Deleted. list selects the kind and is not filled.
func (c *Cluster) Watch(ctx context.Context, list client.ObjectList, where client.ListOptions, check toolswatch.ConditionFunc) error {
	at := func(options metav1.ListOptions) (client.ObjectList, *client.ListOptions) {
		narrowed := where
		if where.FieldSelector != nil {
			options.FieldSelector = where.FieldSelector.String()
		}
		if where.LabelSelector != nil {
			options.LabelSelector = where.LabelSelector.String()
		}
		narrowed.Raw = &options
		return list.DeepCopyObject().(client.ObjectList), &narrowed
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			found, narrowed := at(options)
			return found, c.List(ctx, found, narrowed)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			found, narrowed := at(options)
			return c.WithWatch.Watch(ctx, found, narrowed)
		},
	}
	_, err := toolswatch.UntilWithSync(ctx, cache.ToListWatcherWithWatchListSemantics(source, c.WithWatch), nil, nil, check)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("watching: %w", context.Cause(ctx))
	}
	return err
}

// Until watches one object until check returns true.
func Until[T client.Object](ctx context.Context, c *Cluster, list client.ObjectList, key types.NamespacedName, check func(T) (bool, error)) error {
	where := client.ListOptions{Namespace: key.Namespace, FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, key.Name)}
	err := c.Watch(ctx, list, where, func(event watch.Event) (bool, error) {
		object, ok := event.Object.(T)
		if !ok || event.Type == watch.Deleted {
			return false, nil
		}
		return check(object)
	})
	if err != nil {
		return fmt.Errorf("%T %s: %w", *new(T), key, err)
	}
	return nil
}

// Gone watches until no object of that name exists.
func (c *Cluster) Gone(ctx context.Context, object client.Object, list client.ObjectList) error {
	key := client.ObjectKeyFromObject(object)
	where := client.ListOptions{Namespace: key.Namespace, FieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, key.Name)}
	absent := func() (bool, error) {
		err := c.Get(ctx, key, object)
		return client.IgnoreNotFound(err) == nil && err != nil, client.IgnoreNotFound(err)
	}
	for {
		if gone, err := absent(); gone || err != nil {
			return err
		}
		seen := errors.New("deleted: check once more")
		err := c.Watch(ctx, list, where, func(event watch.Event) (bool, error) {
			if event.Type == watch.Deleted {
				return false, seen
			}
			gone, err := absent() // the object may have been deleted between the check and the watch
			return gone, err
		})
		if err != nil && !errors.Is(err, seen) {
			return fmt.Errorf("waiting for the removal of %T %s: %w", object, key, err)
		}
	}
}

// WaitForCRD waits until the API server serves a CRD.
func (c *Cluster) WaitForCRD(ctx context.Context, name string) error {
	return Until(ctx, c, &apiextensionsv1.CustomResourceDefinitionList{}, types.NamespacedName{Name: name},
		func(crd *apiextensionsv1.CustomResourceDefinition) (bool, error) {
			for _, condition := range crd.Status.Conditions {
				if condition.Type == apiextensionsv1.Established {
					return condition.Status == apiextensionsv1.ConditionTrue, nil
				}
			}
			return false, nil
		})
}

// WaitForDeployment waits until all replicas of the current template are available and no other replica is left.
func (c *Cluster) WaitForDeployment(ctx context.Context, key types.NamespacedName) error {
	return Until(ctx, c, &appsv1.DeploymentList{}, key, func(d *appsv1.Deployment) (bool, error) { return RolledOut(d), nil })
}

// RolledOut reports whether all replicas of a Deployment's current template are available and no other replica is left.
func RolledOut(d *appsv1.Deployment) bool {
	wanted := int32(1)
	if d.Spec.Replicas != nil {
		wanted = *d.Spec.Replicas
	}
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == wanted && s.AvailableReplicas == wanted && s.Replicas == wanted
}

// WaitForContainer waits until an ordinary or ephemeral container of a pod runs.
func (c *Cluster) WaitForContainer(ctx context.Context, pod types.NamespacedName, container string) error {
	return Until(ctx, c, &corev1.PodList{}, pod, func(p *corev1.Pod) (bool, error) {
		for _, status := range append(p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses...) {
			if status.Name != container {
				continue
			}
			if t := status.State.Terminated; t != nil {
				return false, fmt.Errorf("container %s ended with code %d: %s %s", container, t.ExitCode, t.Reason, t.Message)
			}
			return status.State.Running != nil && (len(p.Status.PodIP) > 0), nil
		}
		return false, nil
	})
}
