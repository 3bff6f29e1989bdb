package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/openim/pods"
)

// checkSecondInterfaces finds pods of the stack and of its stores with an interface on which policies have no effect.
func checkSecondInterfaces(m *Model) []Finding {
	var found []Finding
	for _, c := range m.components {
		ports, _ := m.sealedPorts(c)
		for _, pod := range c.pods {
			if f := secondInterface(pod); f != nil {
				f.Ports = ports
				f.Lets = joined("hosts on that network reach "+list(ports), "the pod itself may connect to anything there")
				if len(ports) == 0 {
					f.Lets = "hosts on that network reach the pod, which may connect to anything there"
				}
				found = append(found, *f)
			}
		}
	}
	seen := map[*corev1.Pod]bool{}
	for d := range m.stores() {
		for _, pod := range d.pods {
			if seen[pod] {
				continue
			}
			seen[pod] = true
			if f := secondInterface(pod); f != nil {
				f.store = d.String()
				f.Lets = fmt.Sprintf("hosts on that network reach %s: %s", d, stakes[d.name])
				found = append(found, *f)
			}
		}
	}
	return found
}

// networkKeys are what gives a pod a network interface, or a network, on which policies have no effect.
var networkKeys = pods.NetworkKeys()

// secondInterface returns the finding for the first such annotation or label of a pod, or nil.
func secondInterface(pod *corev1.Pod) *Finding {
	for _, n := range networkKeys {
		what, of := "annotation", pod.Annotations
		if n.Label {
			what, of = "label", pod.Labels
		}
		value, has := of[n.Key]
		if !has || slices.Contains([]string{"", "[]"}, value) {
			continue
		}
		severity := Medium
		if n.Interface {
			severity = High
		}
		return &Finding{
			Kind: SecondInterface, Severity: severity, Object: podObject(pod),
			Reason: fmt.Sprintf("%s %s of this pod %s: NetworkPolicies have no effect there, or in some modes only", what, n.Key, n.Effect),
			Fix: fmt.Sprintf("remove the %s %s from the pod's template, or find the webhook that sets it; then restart the workload",
				what, n.Key),
		}
	}
	return nil
}
