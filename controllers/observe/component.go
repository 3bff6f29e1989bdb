package observe

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Class tells whose fault a failure is.
type Class string

// The classes.
const (
	// Environment: the cluster does not let the pods run, whatever their template is: quotas, admission, nodes, registries.
	Environment Class = "Environment"
	// Fault: the pods run and fail, or their template cannot run.
	Fault Class = "Fault"
)

// servingTime is how long a container may run without being ready before it counts as not serving.
const servingTime = time.Minute

// Component is the state of one component of a stack.
type Component struct {
	Name string
	// Complete is true when the Deployment runs the pods of its current template alone and all of them are available.
	Complete bool
	// Failed is true when Reason does not end by itself, or has lasted longer than the Deployment's deadline.
	Failed bool
	// Lasting is true when the reason itself does not end by waiting, whatever the Deployment controller's deadline says: right after a change
	// of the template that is still about the earlier one.
	Lasting bool
	// Reason and Message are empty when the component is complete and has replicas.
	Reason, Message string
	// Class of the failure. Empty unless Failed.
	Class Class
	// Since is the time at which the reason began, as far as the cluster tells.
	Since time.Time
	// Ready pods of the current template, all pods of the current template, wanted pods.
	Ready, Updated, Desired int32
	// Serving is true when a pod is ready, of whatever template.
	Serving bool
	// Restarts of containers of the present pods.
	Restarts int32
	// Versions of OpenIM that ready pods run, in order.
	Versions []string
	// Stores that pods of the component cannot use.
	Stores []StoreProblem
	// Recheck is the time at which the state changes without an event. Zero when there is none.
	Recheck time.Time
}

// Available reports whether the component runs as wanted: complete, and with at least one replica.
func (c Component) Available() bool { return c.Complete && c.Desired > 0 }

// Deployment returns the state of the component whose Deployment and pods are given. generation is the lowest generation of the Deployment
// that counts: an older one is a Deployment that the cache holds as it was before a write. deployment is nil when it does not exist.
func Deployment(name string, deployment *appsv1.Deployment, generation int64, pods []corev1.Pod, now time.Time) Component {
	c := Component{Name: name}
	if deployment == nil {
		c.Reason, c.Message = v1alpha1.ReasonStarting, "its Deployment does not exist yet"
		return c
	}
	c.Desired = ptr.Deref(deployment.Spec.Replicas, 1)
	all := classify(deployment, pods)
	c.count(all)
	c.Complete = Complete(deployment) && deployment.Generation >= generation
	switch {
	case c.Complete && c.Desired > 0:
		c.Ready, c.Updated, c.Serving = c.Desired, c.Desired, true // the cache of pods may be behind
		c.Versions = nil
		if v := deployment.Spec.Template.Labels[v1alpha1.LabelVersion]; v != "" {
			c.Versions = []string{v}
		}
	case c.Complete:
		c.Reason = v1alpha1.ReasonScaledToZero
		c.Message = "no replica is wanted: resume the stack, or scale the Deployment"
	default:
		c.explain(deployment, all, now)
	}
	return c
}

// Complete reports whether a Deployment runs the pods of its current template alone, and all of them are available.
func Complete(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && d.Spec.Replicas != nil &&
		s.UpdatedReplicas == *d.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
}

// explain sets the reason of a component that is not complete: the first one that is found in the order of the sources.
func (c *Component) explain(deployment *appsv1.Deployment, all podSet, now time.Time) {
	found, ok := refusedPods(deployment)
	for _, pod := range all.notReady {
		f, has := podFailure(pod)
		if !has {
			continue
		}
		if !ok {
			found, ok = f, true
		}
		c.Stores = mergeStores(c.Stores, f.stores)
	}
	late := progressDeadlineExceeded(deployment)
	switch {
	case ok:
		c.Lasting, c.Failed = found.lasting, found.lasting || late != nil
	case late != nil:
		c.Failed = true
		found = failure{
			reason: v1alpha1.ReasonProgressDeadlineExceeded, class: Fault, since: late.LastTransitionTime.Time,
			message: "the rollout has made no progress for its deadline: check the pods' events and logs",
		}
	default:
		found, c.Recheck = c.starting(deployment, all, now)
	}
	c.Reason, c.Message, c.Since = found.reason, cut(found.message, maxMessage), found.since
	if c.Failed {
		c.Class = found.class
	}
}

func progressDeadlineExceeded(d *appsv1.Deployment) *appsv1.DeploymentCondition {
	for i, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentProgressing && c.Status == corev1.ConditionFalse && c.Reason == "ProgressDeadlineExceeded" {
			return &d.Status.Conditions[i]
		}
	}
	return nil
}
