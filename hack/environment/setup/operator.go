package setup

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/hack/render"
)

// OperatorKey is the name of the operator's Deployment in config/default.
var OperatorKey = types.NamespacedName{Namespace: OperatorNamespace, Name: "openim-operator"}

// OperatorObjects returns the objects of config/default with the images that were built.
func (e *Environment) OperatorObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	return e.Objects(ctx, "config/default")
}

// Objects returns the objects of a folder of config with the images that were built, and with components of kustomize.
func (e *Environment) Objects(ctx context.Context, folder string, components ...string) ([]*unstructured.Unstructured, error) {
	content, err := render.Kustomize(ctx, e.Root, render.Overlay{
		Base: folder, Components: components,
		Images: map[string]string{
			render.OperatorImage: e.Images[OperatorImage], render.WrapperImage: e.Images[WrapperImage],
			render.SupervisorImage: e.Images[SupervisorImage],
		},
	})
	if err != nil {
		return nil, err
	}
	objects, err := kube.Decode(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", folder, err)
	}
	return objects, nil
}

func (e *Environment) installOperator(ctx context.Context) error {
	objects, err := e.OperatorObjects(ctx)
	if err != nil {
		return err
	}
	if err := e.Cluster.Apply(ctx, objects...); err != nil {
		return err
	}
	if err := e.waitForDeployments(ctx, objects); err != nil {
		return err
	}
	return e.WaitForLeader(ctx)
}

// UpgradeOperator builds the images of this checkout, and installs its operator over the one that runs. Stores and stacks stay as they are.
func (e *Environment) UpgradeOperator(ctx context.Context) error {
	if err := e.buildImages(ctx); err != nil {
		return err
	}
	return e.installOperator(ctx)
}

// WaitForLeader waits until a running pod of the operator holds the lease. A replaced pod may hold it a moment longer.
func (e *Environment) WaitForLeader(ctx context.Context) error {
	var operator appsv1.Deployment
	if err := e.Cluster.Get(ctx, OperatorKey, &operator); err != nil {
		return fmt.Errorf("reading the operator's Deployment: %w", err)
	}
	where := client.ListOptions{Namespace: OperatorNamespace}
	err := e.Cluster.Watch(ctx, &coordinationv1.LeaseList{}, where, func(event watch.Event) (bool, error) {
		lease, ok := event.Object.(*coordinationv1.Lease)
		if !ok || lease.Spec.HolderIdentity == nil {
			return false, nil
		}
		var pods corev1.PodList
		if err := e.Cluster.List(
			ctx,
			&pods,
			client.InNamespace(OperatorNamespace),
			client.MatchingLabels(operator.Spec.Selector.MatchLabels),
		); err != nil {
			return false, err
		}
		holder, _, _ := strings.Cut(*lease.Spec.HolderIdentity, "_")
		return slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.Name == holder && truthtable.Ready(&p) }), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for a pod of the operator that leads: %w", err)
	}
	return nil
}

// kustomize renders a folder of the project.
func (e *Environment) kustomize(ctx context.Context, folder string) ([]byte, error) {
	return output(e, render.Tool(ctx, e.Root, "kustomize", nil, "build", folder))
}
