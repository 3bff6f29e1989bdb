package audit

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checkServices finds Services that bring a sealed port out of the cluster, and foreign Services that lead to one.
func checkServices(m *Model) []Finding {
	var found []Finding
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		ports, _ := behindService(m, service)
		exposed := exposure(service)
		switch {
		case len(ports) == 0:
		case exposed != "":
			found = append(found, serviceExposes(service, exposed, ports))
		case !m.isOwnService(service):
			found = append(found, serviceSelects(service, ports))
		}
	}
	return found
}

// behindService returns the sealed ports and the stores behind a Service, in the order of its ports.
func behindService(m *Model, service *corev1.Service) (ports, stores []protectedPort) {
	byNumber := m.reach[nameOf(service)]
	for _, number := range slices.Sorted(maps.Keys(byNumber)) {
		for _, p := range byNumber[number] {
			if p.store {
				stores = append(stores, p)
			} else {
				ports = append(ports, p)
			}
		}
	}
	return ports, stores
}

// exposure says how a Service brings its pods out of the cluster. Empty when it does not.
func exposure(service *corev1.Service) string {
	switch {
	case service.Spec.Type == corev1.ServiceTypeLoadBalancer:
		return "is of type LoadBalancer: a load balancer and every node listen for it"
	case service.Spec.Type == corev1.ServiceTypeNodePort:
		return "is of type NodePort: every node listens for it"
	case len(service.Spec.ExternalIPs) > 0:
		return "has externalIPs: nodes forward packets that are sent to " + list(service.Spec.ExternalIPs)
	}
	return ""
}

// serviceExposes is a step below Critical: policies still filter packets that enter through other nodes than the pod's own.
func serviceExposes(service *corev1.Service, exposed string, ports []protectedPort) Finding {
	return Finding{
		Kind: ServiceExposes, Severity: filtered(worstOf(ports)), Object: serviceObject(service),
		Reason: "this Service leads to a sealed port and " + exposed,
		Lets: fmt.Sprintf("clients of a node or a load balancer are forwarded to %s; a packet that enters through the pod's own node comes from "+
			"an address that policies never deny", list(namesOf(ports))),
		Fix: closeService(service), Ports: namesOf(ports),
	}
}

// closeService offers a patch too, because the Service may be needed within the cluster, as the stack's own ones are.
func closeService(service *corev1.Service) string {
	return fmt.Sprintf("%s; or make it a ClusterIP without externalIPs: kubectl -n %s patch service %s --type merge "+
		"-p '{\"spec\":{\"type\":\"ClusterIP\",\"externalIPs\":null}}'",
		deleteCommand(serviceObject(service)), service.Namespace, service.Name)
}

// serviceSelects is Low for a selector, which works within the namespace only. A path by address or alias works from other namespaces:
// Medium.
func serviceSelects(service *corev1.Service, ports []protectedPort) Finding {
	f := Finding{
		Kind: ServiceSelects, Severity: Low, Object: serviceObject(service),
		Reason: "this Service is not the stack's and selects its pods: a path to a sealed port, which policies still deny",
		Lets:   "nothing by itself; clients of the Service reach " + list(namesOf(ports)) + " as soon as a policy allows them",
		Fix:    deleteCommand(serviceObject(service)) + "; or change its selector so that it selects no pod of the stack",
		Ports:  namesOf(ports),
	}
	if slices.ContainsFunc(ports, func(p protectedPort) bool { return p.byAddress }) {
		f.Severity = Medium
		f.Reason = "this Service leads to pods of the stack without selecting them, by their addresses or their name: Ingresses and routes of " +
			"another namespace can lead there"
		f.Fix = fmt.Sprintf("%s, and the EndpointSlices that carry %s=%s",
			deleteCommand(serviceObject(service)), discoveryv1.LabelServiceName, service.Name)
	}
	return f
}

// isOwnService reports whether a Service is the stack's own and selects the component that it is named after.
func (m *Model) isOwnService(service *corev1.Service) bool {
	for _, c := range m.components {
		if nameOf(service) == m.serviceOf(c) {
			return labels.Equals(service.Spec.Selector, c.Labels(m.graph.Stack))
		}
	}
	return false
}
