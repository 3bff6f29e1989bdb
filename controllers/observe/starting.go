package observe

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// starting returns the reason of a component without a failure, and the time at which the reason changes by itself: containers that have
// run for servingTime without being ready do not serve.
func (c *Component) starting(d *appsv1.Deployment, all podSet, now time.Time) (failure, time.Time) {
	f := failure{reason: v1alpha1.ReasonStarting, class: Fault}
	var next time.Time
	for _, pod := range all.notReady {
		since := runningSince(pod)
		if since.IsZero() {
			continue
		}
		if due := since.Add(servingTime); now.Before(due) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		return failure{
			reason: v1alpha1.ReasonNotServing, class: Fault, since: since,
			message: fmt.Sprintf("container %s runs and is not ready: check the pod's log, and the stores that it uses", waitingContainer(pod)),
		}, time.Time{}
	}
	switch {
	case d.Status.ObservedGeneration < d.Generation:
		f.message = "Kubernetes has not started the rollout yet"
	case c.Updated < c.Desired:
		f.message = fmt.Sprintf("%d of %d pods are of the current template", c.Updated, c.Desired)
	case c.Ready < c.Desired:
		f.message = fmt.Sprintf("%d of %d pods are ready", c.Ready, c.Desired)
	case len(all.older) > 0:
		f.message = "the pods of the earlier template are being removed"
	default:
		f.message = "the pods were ready only a moment ago"
	}
	return f, next
}

// runningSince returns the time since which all containers run, the zero time when one does not.
func runningSince(pod *corev1.Pod) time.Time {
	var since time.Time
	if len(pod.Status.ContainerStatuses) == 0 {
		return since
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Running == nil {
			return time.Time{}
		}
		if at := s.State.Running.StartedAt.Time; at.After(since) {
			since = at
		}
	}
	return since
}

// waitingContainer names the first container that is not ready.
func waitingContainer(pod *corev1.Pod) string {
	for _, s := range pod.Status.ContainerStatuses {
		if !s.Ready {
			return cut(s.Name, maxName)
		}
	}
	return cut(pod.Status.ContainerStatuses[0].Name, maxName)
}
