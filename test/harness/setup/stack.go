package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/infra"
	"github.com/openimstack/openim-operator/test/harness"
	"github.com/openimstack/openim-operator/test/harness/identity"
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
	u, err := harness.ToUnstructured(stack)
	if err != nil {
		return err
	}
	return e.Cluster.Apply(ctx, u)
}

// WaitReady waits until a stack is ready in its present generation, with the wrapper that was built, and tells what it waits for.
func (e *Environment) WaitReady(ctx context.Context, key client.ObjectKey) (*v1alpha1.OpenIMStack, error) {
	stack, err := e.waitCondition(ctx, key)
	if err != nil || stack.Spec.Wrapper.ExternalRef != nil {
		return stack, err
	}
	// An operator that has just been replaced may still be about to roll out another wrapper.
	if err := e.waitForWrapper(ctx, key); err != nil {
		return nil, err
	}
	return e.waitCondition(ctx, key)
}

func (e *Environment) waitForWrapper(ctx context.Context, key client.ObjectKey) error {
	for _, role := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
		name := types.NamespacedName{Namespace: key.Namespace, Name: v1alpha1.ChildName(key.Name, role)}
		err := harness.Until(ctx, e.Cluster, &appsv1.DeploymentList{}, name, func(d *appsv1.Deployment) (bool, error) {
			return d.Spec.Template.Spec.Containers[0].Image == e.Images[WrapperImage] && harness.RolledOut(d), nil
		})
		if err != nil {
			return fmt.Errorf("waiting for image %s: %w", e.Images[WrapperImage], err)
		}
	}
	return nil
}

func (e *Environment) waitCondition(ctx context.Context, key client.ObjectKey) (*v1alpha1.OpenIMStack, error) {
	start, said := time.Now(), ""
	var last *v1alpha1.OpenIMStack
	err := harness.Until(ctx, e.Cluster, &v1alpha1.OpenIMStackList{}, key, func(stack *v1alpha1.OpenIMStack) (bool, error) {
		last = stack
		if now := Progress(stack); now != said {
			said = now
			e.Journal.Say("%5.1fs  %s", time.Since(start).Seconds(), now)
		}
		if stalled := trueNow(stack, v1alpha1.ConditionStalled); stalled != nil {
			return false, fmt.Errorf("the stack is stalled: %s: %s", stalled.Reason, stalled.Message)
		}
		return trueNow(stack, v1alpha1.ConditionReady) != nil, nil
	})
	if err != nil && last != nil {
		return last, errors.Join(err, fmt.Errorf("last seen: %s (look at `kubectl -n %s describe openimstack %s` and `kubectl -n %s get pods`)",
			Progress(last), key.Namespace, key.Name, key.Namespace))
	}
	return last, err
}

// trueNow returns a condition that is True and speaks of the present generation.
func trueNow(stack *v1alpha1.OpenIMStack, kind string) *metav1.Condition {
	c := apimeta.FindStatusCondition(stack.Status.Conditions, kind)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != stack.Generation {
		return nil
	}
	return c
}

// Progress says in one line how far a stack is.
func Progress(stack *v1alpha1.OpenIMStack) string {
	if stack.Status.ObservedGeneration != stack.Generation {
		return "the operator has not seen this generation yet"
	}
	var ready, desired int32
	var waiting []string
	for _, p := range stack.Status.Processes {
		if p.Ready == nil || p.Desired == nil {
			continue
		}
		ready, desired = ready+*p.Ready, desired+*p.Desired
		if *p.Ready < *p.Desired {
			waiting = append(waiting, fmt.Sprintf("%s %d/%d", p.Name, *p.Ready, *p.Desired))
		}
	}
	text := fmt.Sprintf("%d of %d pods ready", ready, desired)
	if len(waiting) > 0 {
		return text + ", waiting for " + strings.Join(waiting, ", ")
	}
	if c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		text += "; " + c.Message
	}
	return text
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
func (e *Environment) Inside(ctx context.Context, stack client.ObjectKey, component string) (harness.Place, error) {
	pod, err := e.ReadyPod(ctx, stack, component)
	if err != nil {
		return harness.Place{}, err
	}
	return e.Cluster.Enter(ctx, pod, e.Images[OperatorImage])
}

// ReadyPod returns one ready pod of a component of a stack.
func (e *Environment) ReadyPod(ctx context.Context, stack client.ObjectKey, component string) (*corev1.Pod, error) {
	return e.anyPod(ctx, client.InNamespace(stack.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: component})
}
