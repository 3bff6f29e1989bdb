package setup

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/hack/render"
	"github.com/openimstack/openim-operator/test/harness"
)

// OperatorKey is the operator's Deployment, as config/default names it.
var OperatorKey = types.NamespacedName{Namespace: OperatorNamespace, Name: "openim-operator"}

// OperatorObjects is what config/default installs, with the images that were built.
func (e *Environment) OperatorObjects(ctx context.Context) ([]*unstructured.Unstructured, error) {
	content, err := render.Kustomize(ctx, e.Root, render.Overlay{
		Base:   "config/default",
		Images: map[string]string{render.OperatorImage: e.Images[OperatorImage], render.WrapperImage: e.Images[WrapperImage]},
	})
	if err != nil {
		return nil, err
	}
	objects, err := harness.Decode(content)
	if err != nil {
		return nil, fmt.Errorf("config/default: %w", err)
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
	return e.waitForDeployments(ctx, objects)
}

// kustomize renders a folder of the project.
func (e *Environment) kustomize(ctx context.Context, folder string) ([]byte, error) {
	return output(e, render.Tool(ctx, e.Root, "kustomize", nil, "build", folder))
}
