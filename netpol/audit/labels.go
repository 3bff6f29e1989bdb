package audit

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// reservedLabels are pods that carry a component's labels and were not made by its Deployment. The stack's policies take such a pod for
// the component: it reaches what the component reaches, and the component's Service sends it what is meant for the component.
func (s *scene) reservedLabels() []Finding {
	var found []Finding
	for _, from := range s.foreign {
		name, reserved := s.componentOf(from.pods[0])
		if !reserved {
			continue
		}
		reached := make([]bool, len(s.targets))
		for i, t := range s.targets {
			reached[i] = s.opens(from, t.component, t.port) && !s.expects(from, t.component, t.port)
		}
		for _, pod := range from.pods {
			found = append(found, s.reserved(pod, name, reached))
		}
	}
	// Policies see one on its node's network as the node. The Service sends it what is meant for the component all the same.
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		if name, reserved := s.componentOf(pod); reserved && pod.Spec.HostNetwork && runs(pod) && !s.isOurs(pod, name) {
			found = append(found, s.reserved(pod, name, nil))
		}
	}
	return found
}

func (s *scene) reserved(pod *corev1.Pod, name string, reached []bool) Finding {
	c, _ := graph.Lookup(name)
	var stores []string
	for _, o := range s.outward {
		if o.from[name] && isStore(o.name) {
			stores = append(stores, o.name)
		}
	}
	lets := fmt.Sprintf("it is sent what is meant for %s", name)
	if names := s.places(reached); len(names) > 0 {
		lets += ", and reaches " + list(names)
	}
	if len(stores) > 0 {
		lets += ", and may connect to " + list(stores)
	}
	return Finding{
		Kind: ReservedLabels, Severity: Critical, Object: podObject(pod),
		Reason: fmt.Sprintf("this pod carries the labels of %s and was not made by its Deployment: policies and Services take it for %s", name, name),
		Lets:   lets,
		Fix: fmt.Sprintf("kubectl -n %s delete pod %s; then find what makes it, and give its template labels other than %s",
			pod.Namespace, pod.Name, labelsInWords(c.Labels(s.graph.Stack))),
		Ports: s.places(reached),
	}
}

func podObject(pod *corev1.Pod) Object {
	return Object{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
}
