package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// routingTimeout bounds how long the cluster's network may take to route to new pods after they are ready.
const routingTimeout = 30 * time.Second

// WaitReady waits until a stack is ready in its current generation, and prints what it waits for. A condition describes a past moment:
// after a pod was deleted, Ready may still be True. So WaitReady checks the pods as well, and finally calls OpenIM through the wrapper.
func (e *Environment) WaitReady(ctx context.Context, key client.ObjectKey) (*v1alpha1.OpenIMStack, error) {
	stack, err := e.waitCondition(ctx, key)
	if err != nil {
		return stack, err
	}
	for _, c := range graph.DeploymentsOf(stack) {
		if err := e.waitForPods(ctx, stack, c); err != nil {
			return stack, err
		}
	}
	if stack, err = e.waitCondition(ctx, key); err != nil || stack.Spec.Wrapper.ExternalRef != nil {
		return stack, err
	}
	return stack, e.waitForAnswer(ctx, stack)
}

// waitForPods waits until the pods of a component match its Deployment, and until gateway and backend have the image that they should.
func (e *Environment) waitForPods(ctx context.Context, stack *v1alpha1.OpenIMStack, c graph.Component) error {
	name := types.NamespacedName{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, c.Name)}
	var deployment *appsv1.Deployment
	err := kube.Until(ctx, e.Cluster, &appsv1.DeploymentList{}, name, func(d *appsv1.Deployment) (bool, error) {
		deployment = d
		return (c.App != v1alpha1.NameWrapper || e.hasImage(stack, d)) && kube.RolledOut(d), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the rollout: %w", err)
	}
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return fmt.Errorf("the selector of Deployment %s: %w", name, err)
	}
	where := client.ListOptions{Namespace: stack.Namespace, LabelSelector: selector}
	err = e.Cluster.Watch(ctx, &corev1.PodList{}, where, func(watch.Event) (bool, error) {
		var pods corev1.PodList
		if err := e.Cluster.List(ctx, &pods, &where); err != nil {
			return false, fmt.Errorf("listing pods: %w", err)
		}
		return matchDeployment(deployment, pods.Items), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the pods of Deployment %s: %w", name, err)
	}
	return nil
}

// hasImage reports whether a Deployment of gateway or backend has the image of the spec, or else the one of this checkout: an operator that
// has just been replaced may still be about to roll it out. It has another before this checkout has built any, and while the operator waits
// for a request to update the stack: no longer when AskForUpdate has made one, although the condition may not show that yet.
func (e *Environment) hasImage(stack *v1alpha1.OpenIMStack, d *appsv1.Deployment) bool {
	want := cmp.Or(stack.Spec.Wrapper.Image, e.Images[WrapperImage])
	waits := currentTrue(stack, v1alpha1.ConditionUpdateAvailable) != nil && stack.Annotations[v1alpha1.AnnotationUpdate] != e.updateRequest()
	return want == "" || d.Spec.Template.Spec.Containers[0].Image == want || waits
}

// matchDeployment reports whether pods are as many as the Deployment's replicas, all ready and none terminating. A pod without a
// controller does not count: it carries the labels only.
func matchDeployment(d *appsv1.Deployment, pods []corev1.Pod) bool {
	var ready int32
	for i := range pods {
		if metav1.GetControllerOf(&pods[i]) == nil {
			continue
		}
		if !truthtable.Ready(&pods[i]) {
			return false
		}
		ready++
	}
	return ready == ptr.Deref(d.Spec.Replicas, 1)
}

// waitForAnswer waits until an administrator's call through the wrapper to OpenIM succeeds.
func (e *Environment) waitForAnswer(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	ctx, cancel := context.WithCancel(ctx) // ends the port-forward
	defer cancel()
	admin, err := e.Admin(ctx, stack)
	if err != nil {
		return err
	}
	var last chat.Reply
	err = wait.PollUntilContextTimeout(ctx, pollInterval, routingTimeout, true, func(ctx context.Context) (bool, error) {
		last, err = admin.FirstUser(ctx)
		return last.OK(), err
	})
	if err != nil {
		return fmt.Errorf("calling OpenIM through the wrapper, all pods being ready: last answer %s: %w", last, err)
	}
	return nil
}

func (e *Environment) waitCondition(ctx context.Context, key client.ObjectKey) (*v1alpha1.OpenIMStack, error) {
	start, said := time.Now(), ""
	var last *v1alpha1.OpenIMStack
	err := kube.Until(ctx, e.Cluster, &v1alpha1.OpenIMStackList{}, key, func(stack *v1alpha1.OpenIMStack) (bool, error) {
		last = stack
		if now := Progress(stack); now != said {
			said = now
			e.Journal.Say("%5.1fs  %s", time.Since(start).Seconds(), now)
		}
		if stalled := currentTrue(stack, v1alpha1.ConditionStalled); stalled != nil {
			return false, fmt.Errorf("stack is stalled: %s: %s", stalled.Reason, stalled.Message)
		}
		return currentTrue(stack, v1alpha1.ConditionReady) != nil, nil
	})
	if err != nil && last != nil {
		return last, errors.Join(err, fmt.Errorf("last seen: %s (check `kubectl -n %s describe openimstack %s` and `kubectl -n %s get pods`)",
			Progress(last), key.Namespace, key.Name, key.Namespace))
	}
	return last, err
}

// currentTrue returns a condition that is True for the current generation, or nil.
func currentTrue(stack *v1alpha1.OpenIMStack, kind string) *metav1.Condition {
	c := apimeta.FindStatusCondition(stack.Status.Conditions, kind)
	if c == nil || c.Status != metav1.ConditionTrue || c.ObservedGeneration != stack.Generation {
		return nil
	}
	return c
}

// Progress describes in one line how far a stack is.
func Progress(stack *v1alpha1.OpenIMStack) string {
	if stack.Status.ObservedGeneration != stack.Generation {
		return "this generation is not applied yet" + readyMessage(stack)
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
	return text + readyMessage(stack)
}

// readyMessage returns the message of the condition Ready, behind a semicolon.
func readyMessage(stack *v1alpha1.OpenIMStack) string {
	if c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return "; " + c.Message
	}
	return ""
}
