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

// backend is a port of a Service that an entrance leads to. Port 0 with an empty name is every port.
type backend struct {
	service types.NamespacedName
	port    int32
	name    string
	// target is true when port may be the number of the pods' port.
	target bool
}

// leadsOf follows backends to what is guarded: sealed ports, and stores.
func (s *scene) leadsOf(backends []backend) (sealed, stores []lead) {
	all := s.findWays()
	for _, b := range backends {
		for number, leads := range all[b.service] {
			if !b.is(s.servicePort(b.service, number)) {
				continue
			}
			for _, l := range leads {
				if l.store {
					stores = append(stores, l)
				} else {
					sealed = append(sealed, l)
				}
			}
		}
	}
	return inOrder(sealed), inOrder(stores)
}

// is reports whether a backend means a port of its Service. Some kinds write the number of the pods' port.
func (b backend) is(p corev1.ServicePort) bool {
	switch {
	case b.name != "":
		return b.name == p.Name || b.name == p.TargetPort.StrVal
	case b.port != 0:
		return b.port == p.Port || b.target && b.port == p.TargetPort.IntVal
	}
	return true
}

// servicePort is a port of a Service by its number.
func (s *scene) servicePort(service types.NamespacedName, number int32) corev1.ServicePort {
	for i := range s.World.Services {
		if k := &s.World.Services[i]; nameOf(k) == service {
			for _, p := range k.Spec.Ports {
				if p.Port == number {
					return p
				}
			}
		}
	}
	return corev1.ServicePort{Port: number}
}

// ingresses that lead to a sealed port, the default backend included.
func (s *scene) ingresses() []Finding {
	var found []Finding
	for i := range s.World.Ingresses {
		in := &s.World.Ingresses[i]
		object := Object{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress", Namespace: in.Namespace, Name: in.Name}
		fix := fmt.Sprintf("kubectl -n %s delete ingress %s; or let it lead to the gateway's ports alone", in.Namespace, in.Name)
		found = append(found, s.entrance(IngressExposes, object, ingressBackends(in), hostsOf(in), fix)...)
	}
	return found
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

// routes of the Gateway API, of ingress controllers and of meshes that lead to a sealed port, those of other namespaces and mirrors
// included.
func (s *scene) routes() []Finding {
	var found []Finding
	for _, r := range s.World.Routes {
		object := Object{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
		fix := fmt.Sprintf("kubectl -n %s delete %s %s; or let it lead to the gateway's ports alone", r.Namespace, strings.ToLower(r.Kind), r.Name)
		if crosses(r) && strings.HasPrefix(r.APIVersion, "gateway.networking.k8s.io/") {
			fix += "; and remove the ReferenceGrant that lets it cross namespaces"
		}
		found = append(found, s.entrance(RouteExposes, object, routeBackends(r), r.Hostnames, fix)...)
	}
	return found
}

func routeBackends(r snapshot.Route) []backend {
	var found []backend
	for _, b := range r.Backends {
		found = append(found, backend{service: b.Service, port: b.Port, name: b.PortName, target: true})
	}
	return found
}

func crosses(r snapshot.Route) bool {
	for _, b := range r.Backends {
		if b.Service.Namespace != r.Namespace {
			return true
		}
	}
	return false
}

// entrance judges where an Ingress or a route leads to.
func (s *scene) entrance(kind string, object Object, backends []backend, hosts []string, fix string) []Finding {
	at := "every host name"
	if len(hosts) > 0 {
		at = list(hosts)
	}
	var found []Finding
	sealed, stores := s.leadsOf(backends)
	if len(sealed) > 0 {
		found = append(found, Finding{
			Kind: kind, Severity: stepAway(worstOf(sealed)), Object: object,
			Reason: fmt.Sprintf("this %s leads past the gateway to a sealed port", object.Kind),
			Lets:   fmt.Sprintf("whoever reaches %s is passed on to %s as soon as a policy lets the controller of the entrance in", at, list(placesOf(sealed))),
			Fix:    fix, Ports: placesOf(sealed),
		})
	}
	if len(stores) > 0 {
		found = append(found, storeExposed(object, fmt.Sprintf("this %s at %s", object.Kind, at), stores, fix))
	}
	return found
}

// inOrder sorts leads, for which a map was gone through, by place.
func inOrder(leads []lead) []lead {
	slices.SortFunc(leads, func(a, b lead) int { return strings.Compare(a.place, b.place) })
	return leads
}
