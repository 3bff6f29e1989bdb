package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// lead is where a port of a Service ends: a sealed port of a component, or a store.
type lead struct {
	// place is component:number, or the store's name and number.
	place    string
	severity Severity
	store    bool
	// byAddress is true when an EndpointSlice names the pod's address, and no selector.
	byAddress bool
}

// mayLead are the pods to which Services must not lead unseen.
type mayLead struct {
	pods []*corev1.Pod
	port int32
	// protocol of the port.
	protocol corev1.Protocol
	lead     lead
}

// guarded are all sealed ports and all stores, with their pods.
func (s *scene) guarded() []mayLead {
	var all []mayLead
	for _, t := range s.targets {
		if t.door {
			continue
		}
		pods := t.pods
		if len(pods) == 0 {
			pods = []*corev1.Pod{idealPod(s.graph, t.Component)}
		}
		all = append(all, mayLead{pods: pods, port: t.port.Number, protocol: t.port.Protocol, lead: lead{place: t.String(), severity: t.impact()}})
	}
	for _, o := range s.outward {
		if isStore(o.name) {
			all = append(all, mayLead{pods: o.pods, port: o.port.Number, protocol: o.port.Protocol, lead: lead{place: portPlace(o.name, o.port), severity: Critical, store: true}})
		}
	}
	return all
}

// ways are the leads of all Services, by port. Services that lead nowhere guarded are absent.
type ways map[types.NamespacedName]map[int32][]lead

func (s *scene) findWays() ways {
	if s.ways != nil {
		return s.ways
	}
	s.ways = ways{}
	guarded := s.guarded()
	slicesOf := map[types.NamespacedName][]*discoveryv1.EndpointSlice{}
	for i := range s.World.EndpointSlices {
		slice := &s.World.EndpointSlices[i]
		name := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		slicesOf[name] = append(slicesOf[name], slice)
	}
	byAddress := addressesOfGuarded(guarded)
	for i := range s.World.Services {
		service := &s.World.Services[i]
		s.bySelector(service, guarded)
		s.bySlices(service, slicesOf[nameOf(service)], guarded, byAddress)
	}
	for i := range s.World.Services {
		s.byName(&s.World.Services[i])
	}
	return s.ways
}

func (w ways) add(service *corev1.Service, port int32, l lead) {
	name := nameOf(service)
	if w[name] == nil {
		w[name] = map[int32][]lead{}
	}
	if !slices.Contains(w[name][port], l) {
		w[name][port] = append(w[name][port], l)
	}
}

// bySelector follows a Service to the pods that it selects.
func (s *scene) bySelector(service *corev1.Service, guarded []mayLead) {
	if len(service.Spec.Selector) == 0 || service.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	for _, g := range guarded {
		for _, pod := range g.pods {
			if pod.Namespace != service.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
				continue
			}
			for _, p := range service.Spec.Ports {
				if targetPort(pod, p) == g.port && protocol(p.Protocol) == g.protocol {
					s.ways.add(service, p.Port, g.lead)
				}
			}
		}
	}
}

// targetPort is the number at which a pod receives what comes to a port of a Service.
func targetPort(pod *corev1.Pod, p corev1.ServicePort) int32 {
	if p.TargetPort.Type == intstr.Int {
		if p.TargetPort.IntVal == 0 {
			return p.Port
		}
		return p.TargetPort.IntVal
	}
	for _, c := range pod.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == p.TargetPort.StrVal && protocol(port.Protocol) == protocol(p.Protocol) {
				return port.ContainerPort
			}
		}
	}
	return 0
}

func protocol(p corev1.Protocol) corev1.Protocol {
	if p == "" {
		return corev1.ProtocolTCP
	}
	return p
}

// addressesOfGuarded are the indexes of what is guarded, by the addresses of its pods.
func addressesOfGuarded(guarded []mayLead) map[string][]int {
	byAddress := map[string][]int{}
	for i, g := range guarded {
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

// endpointSliceController writes the EndpointSlices of Services with a selector, and no others.
const endpointSliceController = "endpointslice-controller.k8s.io"

// bySlices follows EndpointSlices that were written by hand: their addresses may be any pod's, of any namespace.
func (s *scene) bySlices(service *corev1.Service, written []*discoveryv1.EndpointSlice, guarded []mayLead, byAddress map[string][]int) {
	for _, slice := range written {
		if len(service.Spec.Selector) > 0 && slice.Labels[discoveryv1.LabelManagedBy] == endpointSliceController {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				for _, i := range byAddress[address] {
					s.bySlice(service, slice, guarded[i])
				}
			}
		}
	}
}

func (s *scene) bySlice(service *corev1.Service, slice *discoveryv1.EndpointSlice, g mayLead) {
	l := g.lead
	l.byAddress = true
	for _, p := range slice.Ports {
		if p.Port != nil && *p.Port != g.port {
			continue
		}
		for _, sp := range service.Spec.Ports {
			if p.Name == nil && sp.Name == "" || p.Name != nil && *p.Name == sp.Name {
				s.ways.add(service, sp.Port, l)
			}
		}
	}
}

// byName follows a Service that is another name for one of the stack's own. One that has doors may have other names.
func (s *scene) byName(service *corev1.Service) {
	if service.Spec.Type != corev1.ServiceTypeExternalName {
		return
	}
	parts := strings.Split(strings.TrimSuffix(service.Spec.ExternalName, "."), ".")
	if len(parts) < 3 || parts[2] != "svc" || parts[1] != s.graph.Namespace {
		return
	}
	for _, c := range s.components {
		if parts[0] != v1alpha1.ChildName(s.graph.Stack, c.Name) || slices.ContainsFunc(s.targets, func(t target) bool { return t.component == c && t.door }) {
			continue
		}
		for _, p := range c.Ports {
			s.ways.add(service, p.Number, lead{place: portPlace(c.Name, p), severity: impact(c.Component, p), byAddress: true})
		}
	}
}

// services that lead to a sealed port, or bring a store out of the cluster.
func (s *scene) services() []Finding {
	all := s.findWays()
	var found []Finding
	for i := range s.World.Services {
		service := &s.World.Services[i]
		var leads, stores []lead
		for _, p := range slices.Sorted(maps.Keys(all[nameOf(service)])) {
			for _, l := range all[nameOf(service)][p] {
				if l.store {
					stores = append(stores, l)
				} else {
					leads = append(leads, l)
				}
			}
		}
		exposed := exposure(service)
		switch {
		case len(leads) > 0 && exposed != "":
			found = append(found, s.serviceExposes(service, exposed, leads))
		case len(leads) > 0 && !s.isOwnService(service):
			found = append(found, s.serviceSelects(service, leads))
		}
		if len(stores) > 0 && exposed != "" {
			found = append(found, storeExposed(serviceObject(service), "this Service "+exposed, stores, closeService(service)))
		}
	}
	return found
}

// exposure says how a Service brings its pods out of the cluster. Empty when it does not.
func exposure(service *corev1.Service) string {
	switch {
	case service.Spec.Type == corev1.ServiceTypeLoadBalancer:
		return "is of type LoadBalancer: a load balancer and every node listen for it"
	case service.Spec.Type == corev1.ServiceTypeNodePort:
		return "is of type NodePort: every node listens for it"
	case len(service.Spec.ExternalIPs) > 0:
		return "has externalIPs: nodes that receive packets to " + list(service.Spec.ExternalIPs) + " pass them on"
	}
	return ""
}

func (s *scene) serviceExposes(service *corev1.Service, exposed string, leads []lead) Finding {
	return Finding{
		Kind: ServiceExposes, Severity: stepAway(worstOf(leads)), Object: serviceObject(service),
		Reason: "this Service leads to a sealed port and " + exposed,
		Lets:   fmt.Sprintf("whoever reaches a node or a load balancer is passed on to %s; a packet that enters by the pod's own node comes from an address that policies never stop", list(placesOf(leads))),
		Fix:    closeService(service), Ports: placesOf(leads),
	}
}

func closeService(service *corev1.Service) string {
	return fmt.Sprintf("kubectl -n %s delete service %s; or make it a ClusterIP without externalIPs: kubectl -n %s patch service %s --type merge -p '{\"spec\":{\"type\":\"ClusterIP\",\"externalIPs\":null}}'",
		service.Namespace, service.Name, service.Namespace, service.Name)
}

func (s *scene) serviceSelects(service *corev1.Service, leads []lead) Finding {
	f := Finding{
		Kind: ServiceSelects, Severity: Low, Object: serviceObject(service),
		Reason: "this Service is not the stack's and selects its pods: a path to a sealed port, which policies still shut",
		Lets:   "nobody by itself; " + list(placesOf(leads)) + " can be reached by its name as soon as a policy opens",
		Fix:    fmt.Sprintf("kubectl -n %s delete service %s; or change its selector so that it selects no pod of the stack", service.Namespace, service.Name),
		Ports:  placesOf(leads),
	}
	if slices.ContainsFunc(leads, func(l lead) bool { return l.byAddress }) {
		f.Severity = Medium
		f.Reason = "this Service leads to pods of the stack without selecting them: somebody wrote their addresses or their name down, so that entrances of another namespace can lead there"
		f.Fix = fmt.Sprintf("kubectl -n %s delete service %s, and the EndpointSlices that carry %s=%s", service.Namespace, service.Name, discoveryv1.LabelServiceName, service.Name)
	}
	return f
}

// isOwnService tells whether a Service is a child of the stack that leads where it should.
func (s *scene) isOwnService(service *corev1.Service) bool {
	if service.Namespace != s.graph.Namespace {
		return false
	}
	for _, c := range s.components {
		if service.Name == v1alpha1.ChildName(s.graph.Stack, c.Name) {
			return labels.Equals(service.Spec.Selector, c.Labels(s.graph.Stack))
		}
	}
	return false
}

func worstOf(leads []lead) Severity {
	var worst Severity
	for _, l := range leads {
		worst = worse(worst, l.severity)
	}
	return worst
}

func placesOf(leads []lead) []string {
	var names []string
	for _, l := range leads {
		if !slices.Contains(names, l.place) {
			names = append(names, l.place)
		}
	}
	return names
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

func serviceObject(service *corev1.Service) Object {
	return Object{APIVersion: "v1", Kind: "Service", Namespace: service.Namespace, Name: service.Name}
}
