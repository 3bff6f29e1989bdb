package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/infra"
)

// sample is the file of the stack that the demo and the suites use.
const sample = "config/samples/demo.yaml"

// restricted returns the label that enforces the restricted pod security standard.
func restricted() map[string]string {
	return map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
}

// Sample reads config/samples/demo.yaml. For a cluster other than the local one, its images are in the registry of IMAGE_PREFIX.
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

// Prepare creates the namespaces of the stack and of the intruders, and the Secrets that the sample refers to. Only the stack's
// namespace carries the label that the stores' NetworkPolicies admit.
func (e *Environment) Prepare(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	allowed := restricted()
	allowed[infra.AllowedLabel] = infra.Allowed
	if err := e.ensureNamespaces(ctx, map[string]map[string]string{stack.Namespace: allowed, IntruderNamespace: restricted()}); err != nil {
		return err
	}
	if err := e.ensurePasswords(ctx, stack.Namespace); err != nil {
		return err
	}
	if err := e.ensureFilesOf(ctx, stack); err != nil {
		return err
	}
	keys, err := e.Provider.JWKS()
	if err != nil {
		return err
	}
	for _, issuer := range stack.Spec.Wrapper.Auth.Admins.Issuers {
		ref := issuer.JWKS.SecretRef
		if ref == nil {
			continue // the gateway fetches the keys itself
		}
		if err := e.ensureSecret(ctx, stack.Namespace, ref.Name, map[string][]byte{ref.Key: keys}); err != nil {
			return err
		}
	}
	return nil
}

// Apply applies a stack.
func (e *Environment) Apply(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	u, err := kube.ToUnstructured(stack)
	if err != nil {
		return err
	}
	return e.Cluster.Apply(ctx, u)
}

// AskForUpdate makes a stack ask for the images of this checkout. They replace those of an earlier one, whose stack still runs.
func (e *Environment) AskForUpdate(stack *v1alpha1.OpenIMStack) {
	metav1.SetMetaDataAnnotation(&stack.ObjectMeta, v1alpha1.AnnotationUpdate, e.updateRequest())
}

// updateRequest is the request of this checkout, another one for other images.
func (e *Environment) updateRequest() string {
	return e.Images[OperatorImage] + " " + e.Images[WrapperImage]
}

// Token returns an administrator's token of the stack's first issuer. change may alter its claims.
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

// Inside injects the prober into one ready pod of a component of a stack.
func (e *Environment) Inside(ctx context.Context, stack client.ObjectKey, component string) (kube.Container, error) {
	pod, err := e.ReadyPod(ctx, stack, component)
	if err != nil {
		return kube.Container{}, err
	}
	return e.Cluster.InjectProber(ctx, pod, e.Images[OperatorImage])
}

// ReadyPod returns one ready pod of a component of a stack.
func (e *Environment) ReadyPod(ctx context.Context, stack client.ObjectKey, component string) (*corev1.Pod, error) {
	return e.anyPod(
		ctx,
		client.InNamespace(stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: component},
	)
}
