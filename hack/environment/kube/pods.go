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

// The prober is a command of the operator's own image, so that no other image is needed.
const (
	// Prober is the name of the container that runs the prober.
	Prober = "probe"
	// manager is the program in the operator's image.
	manager = "/manager"
	// nobody is the user ID of the prober.
	nobody = 65532
)

func restrictedContext() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		RunAsNonRoot:             ptr.To(true),
		RunAsUser:                ptr.To[int64](nobody),
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// IntruderPod returns a pod that runs the prober and fulfils the restricted pod security standard. Exec tells the prober what to connect
// to; the pod itself listens on probe.ListenPort.
func IntruderPod(key types.NamespacedName, image string, labels map[string]string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: labels},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false),
			TerminationGracePeriodSeconds: ptr.To[int64](1),
			Containers: []corev1.Container{{
				Name: Prober, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
				Command: []string{manager, "probe", "listen"}, SecurityContext: restrictedContext(),
			}},
		},
	}
}

// EnsureIntruder creates an intruder pod and returns its container once it runs. A pod of that name with another image or other
// labels is replaced.
func (c *Cluster) EnsureIntruder(ctx context.Context, key types.NamespacedName, image string, labels map[string]string) (Container, error) {
	container := Container{Namespace: key.Namespace, Pod: key.Name, Container: Prober}
	there := &corev1.Pod{}
	err := c.Get(ctx, key, there)
	if client.IgnoreNotFound(err) != nil {
		return container, fmt.Errorf("reading the intruder pod %s: %w", key, err)
	}
	if err == nil && !isIntruder(there, image, labels) {
		if err := c.Remove(ctx, there, &corev1.PodList{}); err != nil {
			return container, err
		}
	}
	if err != nil || !isIntruder(there, image, labels) {
		if err := c.Create(ctx, IntruderPod(key, image, labels)); err != nil {
			return container, fmt.Errorf("creating the intruder pod %s: %w", key, err)
		}
	}
	return container, c.WaitForContainer(ctx, key, Prober)
}

// isIntruder reports whether a pod has the image and labels of the wanted intruder and is neither finished nor terminating.
func isIntruder(pod *corev1.Pod, image string, labels map[string]string) bool {
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

// InjectProber adds the prober to a running pod as an ephemeral container and returns the container once it runs. It shares the pod's
// network namespace, so the pod reaches what the prober reaches. It stays until the pod ends; a second call reuses it.
func (c *Cluster) InjectProber(ctx context.Context, pod *corev1.Pod, image string) (Container, error) {
	container := Container{Namespace: pod.Namespace, Pod: pod.Name, Container: Prober}
	if slices.ContainsFunc(pod.Spec.EphemeralContainers, func(e corev1.EphemeralContainer) bool { return e.Name == Prober }) {
		return container, c.WaitForContainer(ctx, client.ObjectKeyFromObject(pod), Prober)
	}
	entered := pod.DeepCopy()
	entered.Spec.EphemeralContainers = append(entered.Spec.EphemeralContainers, corev1.EphemeralContainer{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{
			Name: Prober, Image: image, ImagePullPolicy: corev1.PullIfNotPresent,
			Command: []string{manager, "probe", "idle"}, SecurityContext: restrictedContext(),
		},
	})
	patch := client.StrategicMergeFrom(pod)
	if err := c.SubResource("ephemeralcontainers").Patch(ctx, entered, patch, FieldOwner); err != nil {
		return container, fmt.Errorf("adding the prober to pod %s: %w", client.ObjectKeyFromObject(pod), err)
	}
	return container, c.WaitForContainer(ctx, client.ObjectKeyFromObject(pod), Prober)
}

// ProbeDNS sends a DNS query by UDP from a container to each target, host:port, and returns the results in order. Any answer is open.
func (c *Cluster) ProbeDNS(ctx context.Context, container Container, timeout time.Duration, targets ...string) ([]probe.Result, error) {
	return c.attempt(ctx, container, "dns", timeout, targets)
}

// Probe attempts a TCP connection from a container to each target, host:port, and returns the results in the same order.
func (c *Cluster) Probe(ctx context.Context, container Container, timeout time.Duration, targets ...string) ([]probe.Result, error) {
	return c.attempt(ctx, container, "tcp", timeout, targets)
}

func (c *Cluster) attempt(ctx context.Context, container Container, how string, timeout time.Duration, targets []string) ([]probe.Result, error) {
	command := append([]string{manager, "probe", how, "--timeout", timeout.String()}, targets...)
	out, err := c.Exec(ctx, container, command...)
	if err != nil {
		return nil, err
	}
	var results []probe.Result
	if err := json.Unmarshal(out, &results); err != nil {
		return nil, fmt.Errorf("decoding the results of the prober in %s: %w", container, err)
	}
	if len(results) != len(targets) {
		return nil, fmt.Errorf("the prober in %s printed %d results for %d targets", container, len(results), len(targets))
	}
	return results, nil
}
