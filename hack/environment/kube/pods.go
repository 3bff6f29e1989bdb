package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/netpol/probe"
)

// The prober: the operator's own image, so that nothing else has to be at hand.
const (
	// Prober is the name of the container that runs it.
	Prober = "probe"
	// manager is the program in the operator's image.
	manager = "/manager"
	// nobody is the user it runs as.
	nobody = 65532
)

func confined() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsNonRoot:             ptr.To(true),
		RunAsUser:                ptr.To[int64](nobody),
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// IntruderPod is a pod that runs the prober and fulfils the restricted pod security standard.
// It is told by exec what to try, and can be tried itself on probe.ListenPort.
func IntruderPod(key types.NamespacedName, image string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: labels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			Containers: []corev1.Container{{
				Name: Prober, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{manager, "probe", "listen"}, SecurityContext: confined(),
			}},
		},
	}
}

// Intrude puts an intruder into a namespace and returns its place once it runs. A pod of that name with another image or other
// labels is replaced.
func (c *Cluster) Intrude(ctx context.Context, key types.NamespacedName, image string, labels map[string]string) (Place, error) {
	place := Place{Namespace: key.Namespace, Pod: key.Name, Container: Prober}
	there := &corev1.Pod{}
	err := c.Get(ctx, key, there)
	if client.IgnoreNotFound(err) != nil {
		return place, fmt.Errorf("looking for the intruder %s: %w", key, err)
	}
	if err == nil && !fits(there, image, labels) {
		if err := c.Remove(ctx, there, &corev1.PodList{}); err != nil {
			return place, err
		}
	}
	if err != nil || !fits(there, image, labels) {
		if err := c.Create(ctx, IntruderPod(key, image, labels)); err != nil {
			return place, fmt.Errorf("creating the intruder %s: %w", key, err)
		}
	}
	return place, c.WaitForContainer(ctx, key, Prober)
}

// fits tells whether a pod is the intruder that is wanted, and alive.
func fits(pod *corev1.Pod, image string, labels map[string]string) bool {
	return pod.Spec.Containers[0].Image == image && maps.Equal(pod.Labels, labels) && pod.DeletionTimestamp == nil &&
		pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
}

// Remove deletes an object and waits until it is gone.
func (c *Cluster) Remove(ctx context.Context, object client.Object, list client.ObjectList) error {
	if err := c.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s: %w", client.ObjectKeyFromObject(object), err)
	}
	return c.Gone(ctx, object, list)
}

// Enter puts the prober into a running pod as an ephemeral container and returns its place once it runs. It shares the pod's
// network namespace, so what it reaches the pod reaches. It stays until the pod ends; a second call finds it there.
func (c *Cluster) Enter(ctx context.Context, pod *corev1.Pod, image string) (Place, error) {
	place := Place{Namespace: pod.Namespace, Pod: pod.Name, Container: Prober}
	if slices.ContainsFunc(pod.Spec.EphemeralContainers, func(e corev1.EphemeralContainer) bool { return e.Name == Prober }) {
		return place, c.WaitForContainer(ctx, client.ObjectKeyFromObject(pod), Prober)
	}
	entered := pod.DeepCopy()
	entered.Spec.EphemeralContainers = append(entered.Spec.EphemeralContainers, corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: Prober, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{manager, "probe", "idle"}, SecurityContext: confined(),
		},
	})
	patch := client.StrategicMergeFrom(pod)
	if err := c.SubResource("ephemeralcontainers").Patch(ctx, entered, patch, FieldOwner); err != nil {
		return place, fmt.Errorf("entering pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	return place, c.WaitForContainer(ctx, client.ObjectKeyFromObject(pod), Prober)
}

// Ask asks each target, host:port, for a name by UDP from a place, and returns the results in the same order. Any answer is open.
func (c *Cluster) Ask(ctx context.Context, place Place, timeout time.Duration, targets ...string) ([]probe.Result, error) {
	return c.attempt(ctx, place, "dns", timeout, targets)
}

// Probe attempts a connection from a place to each target, host:port, and returns the results in the same order.
func (c *Cluster) Probe(ctx context.Context, place Place, timeout time.Duration, targets ...string) ([]probe.Result, error) {
	return c.attempt(ctx, place, "tcp", timeout, targets)
}

func (c *Cluster) attempt(ctx context.Context, place Place, how string, timeout time.Duration, targets []string) ([]probe.Result, error) {
	command := append([]string{manager, "probe", how, "--timeout", timeout.String()}, targets...)
	out, err := c.Exec(ctx, place, command...)
	if err != nil {
		return nil, err
	}
	var results []probe.Result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("the prober in %s printed no results: %w", place, err)
	}
	if len(results) != len(targets) {
		return nil, fmt.Errorf("the prober in %s printed %d results for %d targets", place, len(results), len(targets))
	}
	return results, nil
}
