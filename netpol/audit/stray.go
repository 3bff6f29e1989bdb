package audit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// strayPods run as a component, under its service account, and do not carry its labels: somebody took them off a pod that ran. Its
// ReplicaSet has let go of it and made another, and it goes on running with the component's credentials where the stack's policies do not
// select it.
func (s *scene) strayPods() []Finding {
	var found []Finding
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		if pod.Namespace != s.graph.Namespace || !runs(pod) {
			continue
		}
		for _, c := range s.components {
			if pod.Spec.ServiceAccountName == v1alpha1.ChildName(s.graph.Stack, c.Name) && !carries(pod.Labels, c.Labels(s.graph.Stack)) {
				found = append(found, s.stray(pod, c))
			}
		}
	}
	return found
}

func (s *scene) stray(pod *corev1.Pod, c *component) Finding {
	opened := make([]bool, len(s.targets))
	class := s.live.Single(s.pod(pod))
	for i, t := range s.targets {
		if t.component != c || t.door {
			continue
		}
		for _, from := range s.strangers {
			opened[i] = opened[i] || isOpen(s.live.Between(from.ends[0].live, class, t.port.Number, t.port.Protocol), false)
		}
	}
	lets := fmt.Sprintf("its policies are not those of %s", c.Name)
	if names := s.places(opened); len(names) > 0 {
		lets = fmt.Sprintf("anyone reaches %s at this pod, and it may connect to anything that its own policies do not deny", list(names))
	}
	return Finding{
		Kind: StrayPod, Severity: worse(s.worst(opened), Medium), Object: podObject(pod),
		Reason: fmt.Sprintf("this pod runs under the service account of %s without its labels, so that the stack's policies do not select it", c.Name),
		Lets:   lets,
		Fix:    fmt.Sprintf("kubectl -n %s delete pod %s; its Deployment has made another already. Take the right to change pods from whoever took its labels off", pod.Namespace, pod.Name),
		Ports:  s.places(opened),
	}
}
