package setup

import (
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

// routing is how long the cluster's network may take to lead to new pods: it hears of them after they are ready.
const routing = 30 * time.Second

// WaitReady waits until a stack is ready in its present generation, and tells what it waits for. A condition is of a moment that is over:
// whoever has just deleted a pod may still read Ready. So the pods themselves are asked as well, and in the end OpenIM, through the wrapper.
func (e *Environment) WaitReady(ctx context.Context, key client.ObjectKey) (*v1alpha1.OpenIMStack, error) {
	stack, err := e.waitCondition(ctx, key)
	if err != nil {
		return stack, err
	}
	for _, c := range graph.ComponentsOf(stack) {
		if err := e.waitForPods(ctx, stack, c); err != nil {
			return stack, err
		}
	}
	if stack, err = e.waitCondition(ctx, key); err != nil || stack.Spec.Wrapper.ExternalRef != nil {
		return stack, err
	}
	return stack, e.waitForAnswer(ctx, stack)
}

// waitForPods waits until the pods of a component are those that its Deployment asks for. An operator that has just been replaced may
// still be about to roll out another wrapper.
func (e *Environment) waitForPods(ctx context.Context, stack *v1alpha1.OpenIMStack, c graph.Component) error {
	name := types.NamespacedName{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, c.Name)}
	var deployment *appsv1.Deployment
	err := kube.Until(ctx, e.Cluster, &appsv1.DeploymentList{}, name, func(d *appsv1.Deployment) (bool, error) {
		deployment = d
		built := c.App != v1alpha1.NameWrapper || d.Spec.Template.Spec.Containers[0].Image == e.Images[WrapperImage]
		return built && kube.RolledOut(d), nil
	})
	if err != nil {
		return fmt.Errorf("waiting until it is rolled out: %w", err)
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
		return areAsAsked(deployment, pods.Items), nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the pods of Deployment %s: %w", name, err)
	}
	return nil
}

// areAsAsked tells whether pods are as many as a Deployment asks for, all ready, none on its way out. A pod that nobody controls, and that
// only looks like one, does not count.
func areAsAsked(d *appsv1.Deployment, pods []corev1.Pod) bool {
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

// waitForAnswer waits until an administrator's question gets through the wrapper to OpenIM and back.
func (e *Environment) waitForAnswer(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	ctx, cancel := context.WithCancel(ctx) // ends the port-forward
	defer cancel()
	admin, err := e.Admin(ctx, stack)
	if err != nil {
		return err
	}
	var last chat.Reply
	err = wait.PollUntilContextTimeout(ctx, look, routing, true, func(ctx context.Context) (bool, error) {
		last, err = admin.FirstUser(ctx)
		return last.OK(), err
	})
	if err != nil {
		return fmt.Errorf("all pods are ready, and the wrapper answers %s: %w", last, err)
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
