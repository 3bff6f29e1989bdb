package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/infra"
)

// sample is the stack that everything is shown with.
const sample = "config/samples/demo.yaml"

// restricted is the strictest pod security standard.
func restricted() map[string]string {
	return map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
}

// Sample reads config/samples/demo.yaml, with images from the registry of another cluster than the local one.
func (e *Environment) Sample() (*v1alpha1.OpenIMStack, error) {
	content, err := os.ReadFile(filepath.Join(e.Root, sample))
	if err != nil {
		return nil, fmt.Errorf("reading the sample: %w", err)
	}
	stack := &v1alpha1.OpenIMStack{}
	if err := yaml.UnmarshalStrict(content, stack); err != nil {
		return nil, fmt.Errorf("%s: %w", sample, err)
	}
	if stack.Spec.Image != nil {
		stack.Spec.Image.Repository = e.prefixed(stack.Spec.Image.Repository)
	}
	return stack, nil
}

// Prepare makes the namespaces of stack and strangers, and the Secrets that the sample refers to. The stores let in the one alone.
func (e *Environment) Prepare(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	allowed := restricted()
	allowed[infra.AllowedLabel] = infra.Allowed
	if err := e.ensureNamespaces(ctx, map[string]map[string]string{stack.Namespace: allowed, StrangerNamespace: restricted()}); err != nil {
		return err
	}
	if err := e.ensurePasswords(ctx, stack.Namespace); err != nil {
		return err
	}
	keys, err := e.Provider.JWKS()
	if err != nil {
		return err
	}
	for _, issuer := range stack.Spec.Wrapper.Auth.Admins.Issuers {
		ref := issuer.JWKS.SecretRef
		if ref == nil {
			continue // its keys are fetched
		}
		if err := e.ensureSecret(ctx, stack.Namespace, ref.Name, map[string][]byte{ref.Key: keys}); err != nil {
			return err
		}
	}
	return nil
}

// Apply writes a stack.
func (e *Environment) Apply(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	u, err := kube.ToUnstructured(stack)
	if err != nil {
		return err
	}
	return e.Cluster.Apply(ctx, u)
}

// Token is an administrator's, as a stack's first issuer would sign it.
func (e *Environment) Token(stack *v1alpha1.OpenIMStack, change func(*identity.Claims)) (string, error) {
	issuer := stack.Spec.Wrapper.Auth.Admins.Issuers[0]
	claims := identity.Claims{
		Issuer: issuer.Issuer, Audience: issuer.Audiences[0], Subject: "ada@example.com",
		Role: issuer.Roles.Claim, Groups: []string{issuer.Roles.Admin[0]},
	}
	if change != nil {
		change(&claims)
	}
	return e.Provider.Token(claims)
}

// Inside enters one ready pod of a component of a stack.
func (e *Environment) Inside(ctx context.Context, stack client.ObjectKey, component string) (kube.Place, error) {
	pod, err := e.ReadyPod(ctx, stack, component)
	if err != nil {
		return kube.Place{}, err
	}
	return e.Cluster.Enter(ctx, pod, e.Images[OperatorImage])
}

// ReadyPod returns one ready pod of a component of a stack.
func (e *Environment) ReadyPod(ctx context.Context, stack client.ObjectKey, component string) (*corev1.Pod, error) {
	return e.anyPod(ctx, client.InNamespace(stack.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: component})
}
