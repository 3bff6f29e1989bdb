package audit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// checkStrayPods finds pods that run under a component's service account without its labels: somebody removed the labels from a running
// pod. Its ReplicaSet has released and replaced it. The pod keeps running with the component's credentials, and no policy of the stack
// selects it.
func checkStrayPods(m *Model) []Finding {
	var found []Finding
	for pod := range m.runningPods() {
		if pod.Namespace != m.graph.Namespace {
			continue
		}
		for _, c := range m.components {
			if pod.Spec.ServiceAccountName == m.serviceOf(c).Name && !carries(pod.Labels, c.Labels(m.graph.Stack)) {
				found = append(found, strayPod(m, pod, c))
			}
		}
	}
	return found
}

// strayPod evaluates the policies that select the pod by its present labels. Public ports are left out: they may be open.
func strayPod(m *Model, pod *corev1.Pod, c *component) Finding {
	opened := make([]bool, len(m.targets))
	class := []*evaluate.Class{m.live.ClassOf(evaluate.End{Pod: pod})}
	for i, t := range m.targets {
		if t.component != c || t.public {
			continue
		}
		for _, from := range m.unexpected {
			opened[i] = opened[i] || m.reaches(from, class, t.port)
		}
	}
	lets := fmt.Sprintf("its policies are not those of %s", c.Name)
	if names := m.targetNames(opened); len(names) > 0 {
		lets = fmt.Sprintf("anyone reaches %s at this pod, and it may connect to anything that its own policies do not deny", list(names))
	}
	return Finding{
		Kind: StrayPod, Severity: worse(m.worst(opened), Medium), Object: podObject(pod),
		Reason: fmt.Sprintf("this pod runs under the service account of %s without its labels, so the stack's policies do not select it", c.Name),
		Lets:   lets,
		Fix: deleteCommand(podObject(pod)) + "; its Deployment has already replaced it. Remove the permission to change pods from the " +
			"account that removed its labels",
		Ports: m.targetNames(opened),
	}
}
