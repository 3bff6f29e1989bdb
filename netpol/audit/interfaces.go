package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// interfaceAnnotations give a pod a network interface, or a network, on which NetworkPolicies have no effect: policies are enforced on the
// interface of the cluster's own network plugin.
var interfaceAnnotations = []struct {
	key      string
	severity Severity
	effect   string
}{
	{"k8s.v1.cni.cncf.io/networks", High, "gives it further network interfaces (Multus)"},
	{"v1.multus-cni.io/default-network", High, "gives it another network than the cluster's (Multus)"},
	{"networking.gke.io/interfaces", High, "gives it further network interfaces (GKE)"},
	{"danm.io/interfaces", High, "gives it further network interfaces (DANM)"},
	{"danm.k8s.io/interfaces", High, "gives it further network interfaces (DANM)"},
	{"cni", High, "chooses and chains network plugins (CNI-Genie)"},
	{"ovn.kubernetes.io/attachmentprovider", High, "gives it further network interfaces (Kube-OVN)"},
	{"cni.projectcalico.org/floatingIPs", Medium, "gives it an address by which it is reached from elsewhere (Calico)"},
	{"vpc.amazonaws.com/pod-eni", Medium, "gives it an interface of its own (security groups for pods)"},
}

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

// secondInterface returns the finding for the first such annotation of a pod, or nil.
func secondInterface(pod *corev1.Pod) *Finding {
	for _, a := range interfaceAnnotations {
		value, has := pod.Annotations[a.key]
		if !has || slices.Contains([]string{"", "[]"}, value) {
			continue
		}
		return &Finding{
			Kind: SecondInterface, Severity: a.severity, Object: podObject(pod),
			Reason: fmt.Sprintf("annotation %s of this pod %s: NetworkPolicies have no effect there, or in some modes only", a.key, a.effect),
			Fix: fmt.Sprintf("remove the annotation %s from the pod's template, or find the webhook that sets it; then restart the workload",
				a.key),
		}
	}
	return nil
}
