package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// backend is a port of a Service to which an Ingress or a route leads. Port 0 with an empty name means every port.
type backend struct {
	service types.NamespacedName
	port    int32
	name    string
	// target is true when port may be the number of the pods' port.
	target bool
}

// is reports whether a backend means a port of its Service. Some kinds of routes hold the number of the pods' port.
func (b backend) is(p corev1.ServicePort) bool {
	switch {
	case b.name != "":
		return b.name == p.Name || b.name == p.TargetPort.StrVal
	case b.port != 0:
		return b.port == p.Port || b.target && b.port == p.TargetPort.IntVal
	}
	return true
}

// gatewayAPI is the group of the Gateway API.
const gatewayAPI = "gateway.networking.k8s.io"

// entryPoint is an Ingress or a route: it forwards traffic to backends.
type entryPoint struct {
	object   Object
	hosts    []string
	backends []backend
	// fix that stops it from leading past the gateway.
	fix string
}

// checkIngresses finds Ingresses that lead to a sealed port, by their default backend too.
func checkIngresses(m *Model) []Finding { return pastGateway(m, IngressExposes, ingressEntryPoints(m)) }

// checkRoutes finds routes of the Gateway API, of ingress controllers and of meshes that lead to a sealed port. Routes of other
// namespaces and mirrors count.
func checkRoutes(m *Model) []Finding { return pastGateway(m, RouteExposes, routeEntryPoints(m)) }

// pastGateway returns a finding for each entry point that leads to a sealed port. Stores are findings of checkExposedStores.
func pastGateway(m *Model, kind string, entryPoints []entryPoint) []Finding {
	var found []Finding
	for _, e := range entryPoints {
		ports, _ := protectedBehind(m, e.backends)
		if len(ports) == 0 {
			continue
		}
		found = append(found, Finding{
			Kind: kind, Severity: filtered(worstOf(ports)), Object: e.object,
			Reason: fmt.Sprintf("this %s leads past the gateway to a sealed port", e.object.Kind),
			Lets: fmt.Sprintf("clients of %s are forwarded to %s as soon as a policy lets the ingress controller in",
				e.hostNames(), list(namesOf(ports))),
			Fix: e.fix, Ports: namesOf(ports),
		})
	}
	return found
}

// hostNames describes the hosts of an entry point. One without hosts matches every host name.
func (e entryPoint) hostNames() string {
	if len(e.hosts) == 0 {
		return "every host name"
	}
	return list(e.hosts)
}

// protectedBehind returns the sealed ports and the stores to which backends lead, by name.
func protectedBehind(m *Model, backends []backend) (ports, stores []protectedPort) {
	for _, p := range behind(m, m.reach, backends) {
		if p.store {
			stores = append(stores, p)
		} else {
			ports = append(ports, p)
		}
	}
	return sortedByName(ports), sortedByName(stores)
}

// behind returns the ports to which backends lead.
func behind(m *Model, r reach, backends []backend) []protectedPort {
	var found []protectedPort
	for _, b := range backends {
		for number, ports := range r[b.service] {
			if b.is(m.servicePort(b.service, number)) {
				found = append(found, ports...)
			}
		}
	}
	return found
}

// sortedByName makes the order of findings independent of the order of the map reach.
func sortedByName(ports []protectedPort) []protectedPort {
	slices.SortFunc(ports, func(a, b protectedPort) int { return strings.Compare(a.name, b.name) })
	return ports
}

func ingressEntryPoints(m *Model) []entryPoint {
	var all []entryPoint
	for i := range m.snapshot.Ingresses {
		in := &m.snapshot.Ingresses[i]
		object := ingressObject(in)
		all = append(all, entryPoint{object: object, hosts: hostsOf(in), backends: ingressBackends(in), fix: toGateway(object)})
	}
	return all
}

func routeEntryPoints(m *Model) []entryPoint {
	var all []entryPoint
	for _, r := range m.snapshot.Routes {
		object := routeObject(r)
		fix := toGateway(object)
		if crossesNamespaces(r) && strings.HasPrefix(r.APIVersion, gatewayAPI+"/") {
			fix += "; and remove the ReferenceGrant that lets it cross namespaces"
		}
		all = append(all, entryPoint{object: object, hosts: r.Hostnames, backends: routeBackends(r), fix: fix})
	}
	return all
}

func toGateway(object Object) string {
	return deleteCommand(object) + "; or change its backends to the gateway's ports"
}

func ingressObject(in *networkingv1.Ingress) Object {
	return Object{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress", Namespace: in.Namespace, Name: in.Name}
}

func routeObject(r snapshot.Route) Object {
	return Object{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func ingressBackends(in *networkingv1.Ingress) []backend {
	var found []backend
	add := func(b *networkingv1.IngressBackend) {
		if b != nil && b.Service != nil {
			found = append(found, backend{
				service: types.NamespacedName{Namespace: in.Namespace, Name: b.Service.Name}, port: b.Service.Port.Number, name: b.Service.Port.Name,
			})
		}
	}
	add(in.Spec.DefaultBackend)
	for _, rule := range in.Spec.Rules {
		if rule.HTTP == nil {
			continue
		}
		for i := range rule.HTTP.Paths {
			add(&rule.HTTP.Paths[i].Backend)
		}
	}
	return found
}

func hostsOf(in *networkingv1.Ingress) []string {
	var hosts []string
	for _, rule := range in.Spec.Rules {
		if rule.Host != "" {
			hosts = append(hosts, rule.Host)
		}
	}
	return hosts
}

func routeBackends(r snapshot.Route) []backend {
	var found []backend
	for _, b := range r.Backends {
		found = append(found, backend{service: b.Service, port: b.Port, name: b.PortName, target: true})
	}
	return found
}

// crossesNamespaces reports whether a route has a backend in another namespace. In the Gateway API a ReferenceGrant must allow that.
func crossesNamespaces(r snapshot.Route) bool {
	for _, b := range r.Backends {
		if b.Service.Namespace != r.Namespace {
			return true
		}
	}
	return false
}
