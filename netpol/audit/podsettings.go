package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// The settings below take the stack's own pods out of reach of policies, or open a path past them. The operator's templates have none.

// checkHostNetwork finds pods of the stack on their node's network.
func checkHostNetwork(m *Model) []Finding {
	var found []Finding
	for _, c := range m.components {
		for _, pod := range c.pods {
			if !pod.Spec.HostNetwork {
				continue
			}
			ports, worst := m.sealedPorts(c)
			found = append(found, Finding{
				Kind: HostNetwork, Severity: worse(worst, Medium), Object: podObject(pod),
				Reason: "this pod of the stack is on its node's network, where NetworkPolicies have no effect",
				Lets:   joined("clients of the node's address reach "+list(ports), "the pod itself may connect to anything"),
				Fix:    restartFix(m, c, "hostNetwork"), Ports: ports,
			})
		}
	}
	return found
}

// checkHostPorts finds containers of the stack whose sealed ports the node forwards. On the node's network every port is one.
func checkHostPorts(m *Model) []Finding {
	var found []Finding
	for _, c := range m.components {
		for _, pod := range c.pods {
			ports := hostPorts(m, c, pod)
			if pod.Spec.HostNetwork || len(ports) == 0 {
				continue
			}
			found = append(found, Finding{
				Kind: HostPort, Severity: filtered(worstOf(ports)), Object: podObject(pod),
				Reason: "a container of this pod has a hostPort: the node listens and forwards to a sealed port",
				Lets: fmt.Sprintf("clients of the node are forwarded to %s; no policy stops traffic from the node itself",
					list(namesOf(ports))),
				Fix: restartFix(m, c, "hostPort"), Ports: namesOf(ports),
			})
		}
	}
	return found
}

// hostPorts returns the sealed ports of a pod that its node forwards. Init containers count: a sidecar is one.
func hostPorts(m *Model, c *component, pod *corev1.Pod) []protectedPort {
	var ports []protectedPort
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		for _, p := range container.Ports {
			i := m.targetAt(c.Name, p.ContainerPort)
			if p.HostPort != 0 && i >= 0 && !m.targets[i].public && protocolOf(p.Protocol) == m.targets[i].port.Protocol {
				ports = append(ports, protectedPort{name: m.targets[i].String(), severity: m.targets[i].impact()})
			}
		}
	}
	return ports
}

// checkDebugContainers finds running debug containers. They share the pod's network, so policies apply to them as to the component.
func checkDebugContainers(m *Model) []Finding {
	var found []Finding
	for _, c := range m.components {
		for _, pod := range c.pods {
			names := debugContainers(pod)
			if len(names) == 0 {
				continue
			}
			found = append(found, Finding{
				Kind: DebugContainer, Severity: Medium, Object: podObject(pod),
				Reason: fmt.Sprintf("a debug container runs in this pod (%s): policies apply to it as to %s", list(names), c.Name),
				Lets: fmt.Sprintf("its users reach what %s reaches (%s), and the pod's own ports at localhost",
					c.Name, list(m.targetNames(m.table[c.Name]))),
				Fix: deleteCommand(podObject(pod)) + ": a debug container ends with its pod",
			})
		}
	}
	return found
}

// debugContainers returns the names of the debug containers that run. Those that have ended stay in the status and do no harm.
func debugContainers(pod *corev1.Pod) []string {
	var names []string
	for _, status := range pod.Status.EphemeralContainerStatuses {
		if status.State.Running != nil {
			names = append(names, status.Name)
		}
	}
	return names
}

// restartFix says how to remove a setting that the operator's template does not have. Deleting the pod alone would bring the setting back.
func restartFix(m *Model, c *component, field string) string {
	name := m.serviceOf(c).Name
	return fmt.Sprintf("find what sets %s (a mutating webhook, or an edit of Deployment %s, which the operator reverts) and stop it; "+
		"then kubectl -n %s rollout restart deployment %s", field, name, m.graph.Namespace, name)
}
