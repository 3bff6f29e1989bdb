package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// podSettings of the stack's own pods that take them out of the reach of policies, or open a way past them. The operator's templates
// have none of them.
func (s *scene) podSettings() []Finding {
	var found []Finding
	for _, c := range s.components {
		for _, pod := range c.pods {
			if pod.Spec.HostNetwork {
				found = append(found, s.onHostNetwork(c, pod))
			} else {
				found = append(found, s.hostPorts(c, pod)...)
			}
			found = append(found, s.debugContainers(c, pod)...)
		}
	}
	return found
}

func (s *scene) onHostNetwork(c *component, pod *corev1.Pod) Finding {
	places, worst := s.ofComponent(c)
	return Finding{
		Kind: HostNetwork, Severity: worse(worst, Medium), Object: podObject(pod),
		Reason: "this pod of the stack is on its node's network, where NetworkPolicies do not bind",
		Lets:   joined("whoever reaches the node's address reaches "+list(places), "the pod itself may connect to anything"),
		Fix:    s.restore(c, "hostNetwork"), Ports: places,
	}
}

// ofComponent are all sealed ports of a component, and how severe it is to reach the worst of them.
func (s *scene) ofComponent(c *component) (places []string, worst Severity) {
	for _, t := range s.targets {
		if t.component == c && !t.door {
			places, worst = append(places, t.String()), worse(worst, t.impact())
		}
	}
	return places, worst
}

func (s *scene) hostPorts(c *component, pod *corev1.Pod) []Finding {
	var leads []lead
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, p := range container.Ports {
			i := s.targetAt(c.Name, p.ContainerPort)
			if p.HostPort != 0 && i >= 0 && !s.targets[i].door && protocol(p.Protocol) == s.targets[i].port.Protocol {
				leads = append(leads, lead{place: s.targets[i].String(), severity: s.targets[i].impact()})
			}
		}
	}
	if len(leads) == 0 {
		return nil
	}
	return []Finding{{
		Kind: HostPort, Severity: stepAway(worstOf(leads)), Object: podObject(pod),
		Reason: "a container of this pod has a hostPort: the node listens and passes on to a sealed port",
		Lets:   fmt.Sprintf("whoever reaches the node is passed on to %s; what comes from the node itself no policy stops", list(placesOf(leads))),
		Fix:    s.restore(c, "hostPort"), Ports: placesOf(leads),
	}}
}

// debugContainers that run share the pod's network: they are the component, to every policy.
func (s *scene) debugContainers(c *component, pod *corev1.Pod) []Finding {
	var names []string
	for _, status := range pod.Status.EphemeralContainerStatuses {
		if status.State.Running != nil {
			names = append(names, status.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	var reached []string
	for i, open := range s.table[c.Name] {
		if open {
			reached = append(reached, s.targets[i].String())
		}
	}
	return []Finding{{
		Kind: DebugContainer, Severity: Medium, Object: podObject(pod),
		Reason: fmt.Sprintf("a debug container runs in this pod (%s): to every policy it is %s", list(names), c.Name),
		Lets:   fmt.Sprintf("who is in it reaches what %s reaches (%s), and its own ports at localhost", c.Name, list(reached)),
		Fix:    fmt.Sprintf("kubectl -n %s delete pod %s: a debug container ends with its pod", pod.Namespace, pod.Name),
	}}
}

func (s *scene) restore(c *component, field string) string {
	name := v1alpha1.ChildName(s.graph.Stack, c.Name)
	return fmt.Sprintf("find who sets %s (a mutating webhook, or an edit of Deployment %s, which the operator takes back) and stop it; then kubectl -n %s rollout restart deployment %s",
		field, name, s.graph.Namespace, name)
}
