package audit

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// protectedPort is a port to which no foreign Service, Ingress or route may lead: a sealed port of a component, or a store.
type protectedPort struct {
	// name of the port in findings: component:number, or the store's name and number.
	name     string
	severity Severity
	store    bool
	// byAddress is true when the path does not use a selector: an EndpointSlice holds the pod's address, or a Service is an alias.
	byAddress bool
}

// protectedPods are the pods that serve a protected port.
type protectedPods struct {
	pods     []*corev1.Pod
	number   int32
	protocol corev1.Protocol
	port     protectedPort
}

// reach holds the protected ports behind each Service, by the Service's port. Services with no protected port behind them are absent.
type reach map[types.NamespacedName]map[int32][]protectedPort

// add notes a protected port once: the pods of a component share it.
func (r reach) add(service *corev1.Service, number int32, p protectedPort) {
	name := nameOf(service)
	if r[name] == nil {
		r[name] = map[int32][]protectedPort{}
	}
	if !slices.Contains(r[name][number], p) {
		r[name][number] = append(r[name][number], p)
	}
}

// findReach follows each Service to protected ports: by its selector, by EndpointSlices, and by its external name. Ingresses and routes
// name Services, so their checks read the result too.
func findReach(m *Model) reach {
	r := reachOf(m, findProtected(m))
	for i := range m.snapshot.Services {
		r.addAlias(m, &m.snapshot.Services[i])
	}
	return r
}

// reachOf follows each Service to some ports of pods, by its selector and by EndpointSlices.
func reachOf(m *Model, protected []protectedPods) reach {
	r := reach{}
	slicesOf := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for i := range m.snapshot.EndpointSlices {
		slice := &m.snapshot.EndpointSlices[i]
		name := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		slicesOf[name] = append(slicesOf[name], slice)
	}
	byAddress := indexByAddress(protected)
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		r.addSelected(service, protected)
		r.addWritten(service, slicesOf[nameOf(service)], protected, byAddress)
	}
	return r
}

// findProtected returns all sealed ports and all stores, with their pods.
func findProtected(m *Model) []protectedPods {
	var all []protectedPods
	for _, t := range m.targets {
		if t.public {
			continue
		}
		pods := t.pods
		if len(pods) == 0 {
			pods = []*corev1.Pod{PodOf(m.graph, t.Component)}
		}
		all = append(all, protectedPods{
			pods: pods, number: t.port.Number, protocol: t.port.Protocol, port: protectedPort{name: t.String(), severity: t.impact()},
		})
	}
	for d := range m.stores() {
		all = append(all, protectedPods{
			pods: d.pods, number: d.port.Number, protocol: d.port.Protocol, port: protectedPort{name: d.String(), severity: Critical, store: true},
		})
	}
	return all
}

// indexByAddress returns for each address of a pod the indexes of the protected ports that it serves.
func indexByAddress(protected []protectedPods) map[string][]int {
	byAddress := map[string][]int{}
	for i, g := range protected {
		for _, pod := range g.pods {
			for _, ip := range pod.Status.PodIPs {
				byAddress[ip.IP] = append(byAddress[ip.IP], i)
			}
			if len(pod.Status.PodIPs) == 0 && pod.Status.PodIP != "" {
				byAddress[pod.Status.PodIP] = append(byAddress[pod.Status.PodIP], i)
			}
		}
	}
	return byAddress
}

// addSelected follows a Service to the pods that it selects.
func (r reach) addSelected(service *corev1.Service, protected []protectedPods) {
	if len(service.Spec.Selector) == 0 || service.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	for _, g := range protected {
		for _, pod := range g.pods {
			if pod.Namespace != service.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
				continue
			}
			for _, p := range service.Spec.Ports {
				if targetPort(pod, p) == g.number && protocolOf(p.Protocol) == g.protocol {
					r.add(service, p.Port, g.port)
				}
			}
		}
	}
}

// endpointSliceController writes the EndpointSlices of Services with a selector, and no others.
const endpointSliceController = "endpointslice-controller.k8s.io"

// addWritten follows EndpointSlices that the controller did not write. Their addresses may be of any pod, in any namespace: a Service of
// another namespace can lead to the stack this way. Slices of the controller are skipped, since addSelected follows the selector.
func (r reach) addWritten(
	service *corev1.Service, slices []*discoveryv1.EndpointSlice, protected []protectedPods, byAddress map[string][]int,
) {
	for _, slice := range slices {
		if len(service.Spec.Selector) > 0 && slice.Labels[discoveryv1.LabelManagedBy] == endpointSliceController {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				for _, i := range byAddress[address] {
					r.addSlice(service, slice, protected[i])
				}
			}
		}
	}
}

// addSlice follows the ports of one EndpointSlice. A slice without a port number means all ports, and its names match those of the
// Service's ports. The target port of the Service has no effect.
func (r reach) addSlice(service *corev1.Service, slice *discoveryv1.EndpointSlice, g protectedPods) {
	port := g.port
	port.byAddress = true
	for _, p := range slice.Ports {
		if p.Port != nil && *p.Port != g.number {
			continue
		}
		for _, sp := range service.Spec.Ports {
			if p.Name == nil && sp.Name == "" || p.Name != nil && *p.Name == sp.Name {
				r.add(service, sp.Port, port)
			}
		}
	}
}

// addAlias follows a Service of type ExternalName to the stack's own Service that it is an alias of. Components with public ports may have
// aliases.
func (r reach) addAlias(m *Model, service *corev1.Service) {
	name, ok := aliasOf(m, service)
	if !ok {
		return
	}
	for _, c := range m.components {
		if name != m.serviceOf(c) || m.hasPublicPort(c) {
			continue
		}
		for _, p := range c.Ports {
			r.add(service, p.Number, protectedPort{name: portName(c.Name, p), severity: impact(c.Component, p), byAddress: true})
		}
	}
}

// aliasOf returns the Service of the stack's namespace that a Service of type ExternalName is an alias of.
func aliasOf(m *Model, service *corev1.Service) (types.NamespacedName, bool) {
	if service.Spec.Type != corev1.ServiceTypeExternalName {
		return types.NamespacedName{}, false
	}
	parts := strings.Split(strings.TrimSuffix(service.Spec.ExternalName, "."), ".")
	if len(parts) < 3 || parts[2] != "svc" || parts[1] != m.graph.Namespace {
		return types.NamespacedName{}, false
	}
	return types.NamespacedName{Namespace: parts[1], Name: parts[0]}, true
}

// targetPort returns the number at which a pod receives the traffic of a Service's port, or 0 when the pod has no port of that name.
func targetPort(pod *corev1.Pod, p corev1.ServicePort) int32 {
	if p.TargetPort.Type == intstr.Int {
		if p.TargetPort.IntVal == 0 {
			return p.Port
		}
		return p.TargetPort.IntVal
	}
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == p.TargetPort.StrVal && protocolOf(port.Protocol) == protocolOf(p.Protocol) {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// protocolOf returns a protocol with the API's default.
func protocolOf(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

func worstOf(ports []protectedPort) Severity {
	var worst Severity
	for _, p := range ports {
		worst = worse(worst, p.severity)
	}
	return worst
}

// namesOf returns the names of ports, each once: several paths may lead to one port.
func namesOf(ports []protectedPort) []string {
	var names []string
	for _, p := range ports {
		if !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}
