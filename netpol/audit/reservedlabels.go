package audit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// checkReservedLabels finds pods that carry a component's labels and were not made by its Deployment. The stack's policies treat such a pod
// as the component: it reaches what the component reaches, and the component's Service sends it the component's traffic.
func checkReservedLabels(m *Model) []Finding {
	var found []Finding
	for _, from := range m.foreign {
		name, labelled := m.componentOf(from.pods[0])
		if !labelled {
			continue
		}
		reached := make([]bool, len(m.targets))
		for i, t := range m.targets {
			reached[i] = m.opens(from, t.component, t.port) && !m.expects(from, t.component, t.port)
		}
		for _, pod := range from.pods {
			found = append(found, reservedLabelsFinding(m, pod, name, reached))
		}
	}
	// Policies see a pod on its node's network as the node. The Service sends the component's traffic to the pod all the same.
	for pod := range m.runningPods() {
		if name, labelled := m.componentOf(pod); labelled && pod.Spec.HostNetwork && !m.owns(pod) {
			found = append(found, reservedLabelsFinding(m, pod, name, nil))
		}
	}
	return found
}

func reservedLabelsFinding(m *Model, pod *corev1.Pod, name string, reached []bool) Finding {
	c, _ := graph.Lookup(name)
	var stores []string
	for d := range m.stores() {
		if d.from[name] {
			stores = append(stores, d.name)
		}
	}
	lets := fmt.Sprintf("it receives the traffic of %s", name)
	if names := m.targetNames(reached); len(names) > 0 {
		lets += ", and reaches " + list(names)
	}
	if len(stores) > 0 {
		lets += ", and may connect to " + list(stores)
	}
	return Finding{
		Kind: ReservedLabels, Severity: Critical, Object: podObject(pod),
		Reason: fmt.Sprintf("this pod carries the labels of %s and was not made by its Deployment: policies and Services treat it as %s",
			name, name),
		Lets: lets,
		Fix: fmt.Sprintf("%s; then find what makes it, and give its template labels other than %s",
			deleteCommand(podObject(pod)), formatLabels(c.Labels(m.graph.Stack))),
		Ports: m.targetNames(reached),
	}
}
