package observe

import (
	"cmp"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// usageError is the exit code of a wrapper that does not know the arguments of the check.
const usageError = 2

// CheckState is the state of the check of OpenIM that a Deployment makes.
type CheckState struct {
	// Run is the run of the check, "" without one.
	Run string
	// Passed and Failed are the result. Both are false while there is none.
	Passed, Failed bool
	// Message says what failed, or why there is no result yet.
	Message string
}

// Check returns the state of a check: its init container makes it, once for each pod, and the pod's other container only waits. Pods of
// another run do not count, nor do other init containers, which a webhook may have added. Only a container that says so has failed its
// check: one that was killed, or could not start, is started again.
func Check(deployment *appsv1.Deployment, pods []corev1.Pod) CheckState {
	if deployment == nil {
		return CheckState{}
	}
	state := CheckState{Run: deployment.Spec.Template.Annotations[v1alpha1.AnnotationCheck]}
	for _, pod := range OfTemplate(deployment, pods) {
		if pod.Annotations[v1alpha1.AnnotationCheck] != state.Run {
			continue
		}
		i := slices.IndexFunc(pod.Status.InitContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == v1alpha1.ComponentCheck })
		if i < 0 {
			continue
		}
		s := pod.Status.InitContainerStatuses[i]
		switch ended := cmp.Or(s.State.Terminated, s.LastTerminationState.Terminated); {
		case ended == nil:
		case ended.ExitCode == 0:
			state.Passed, state.Message = true, ""
			return state
		default:
			if c, err := termination.DecodeCheck(ended.Message); err == nil {
				state.Failed, state.Message = true, c.Failed
				return state
			}
			state.Message = fmt.Sprintf("the check ended with exit code %d and without a result: look at the log of its pod", ended.ExitCode)
			if ended.ExitCode == usageError {
				state.Message = "the check crashed, or the wrapper's image is too old for it: look at the log of its pod; set a newer " +
					"spec.wrapper.image, or request its update with the annotation " + v1alpha1.AnnotationUpdate + ", or set spec.upgrade.check to None"
			}
		}
		if f, ok := podFailure(&pod); ok && state.Message == "" {
			state.Message = f.message
		}
	}
	if f, ok := refusedPods(deployment); ok && state.Message == "" {
		state.Message = f.message
	}
	return state
}
