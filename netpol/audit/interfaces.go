package audit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// interfaceAnnotations give a pod a network interface, or a network, that NetworkPolicies do not bind: they are enforced on the interface
// of the cluster's own network plugin.
var interfaceAnnotations = []struct {
	key      string
	severity Severity
	what     string
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

// secondInterfaces are pods of the stack and of its stores with an interface that policies do not bind.
func (s *scene) secondInterfaces() []Finding {
	var found []Finding
	for _, c := range s.components {
		places, _ := s.ofComponent(c)
		for _, pod := range c.pods {
			if f := s.secondInterface(pod); f != nil {
				f.Ports = places
				f.Lets = joined("whoever is on that network reaches "+list(places), "the pod itself may connect to anything there")
				if len(places) == 0 {
					f.Lets = "whoever is on that network reaches the pod, which may connect to anything there"
				}
				found = append(found, *f)
			}
		}
	}
	seen := map[*corev1.Pod]bool{}
	for _, o := range s.outward {
		for _, pod := range o.pods {
			if !isStore(o.name) || seen[pod] {
				continue
			}
			seen[pod] = true
			if f := s.secondInterface(pod); f != nil {
				f.store = portPlace(o.name, o.port)
				f.Lets = fmt.Sprintf("whoever is on that network reaches %s: %s", portPlace(o.name, o.port), stakes[o.name])
				found = append(found, *f)
			}
		}
	}
	return found
}

func (s *scene) secondInterface(pod *corev1.Pod) *Finding {
	for _, a := range interfaceAnnotations {
		value, has := pod.Annotations[a.key]
		if !has || slices.Contains([]string{"", "[]"}, value) {
			continue
		}
		return &Finding{
			Kind: SecondInterface, Severity: a.severity, Object: podObject(pod),
			Reason: fmt.Sprintf("annotation %s of this pod %s, and NetworkPolicies do not bind what comes that way, or in some modes alone", a.key, a.what),
			Fix:    fmt.Sprintf("take the annotation %s off the template of the pod, or find the webhook that sets it; then restart what makes the pod", a.key),
		}
	}
	return nil
}
