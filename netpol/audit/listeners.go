package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// checkListeners finds what brings a listener of the gateway out of the cluster beside the objects of spec.wrapper.gateway.expose. A
// listener without an entry is exposed by whatever its owner made for it, which is no finding.
func checkListeners(m *Model) []Finding {
	if len(m.listeners) == 0 {
		return nil
	}
	var found []Finding
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		var led []protectedPort
		for _, ports := range m.listeners[nameOf(service)] {
			led = append(led, ports...)
		}
		if exposed := exposure(service); exposed != "" {
			f := Finding{Reason: exposed, Fix: closeService(service)}
			found = append(found, m.exposed(serviceObject(service), led, f, func(e v1alpha1.Exposure) bool {
				return e.Service != nil && service.Spec.Type == corev1.ServiceType(e.Service.Type) && len(service.Spec.ExternalIPs) == 0
			})...)
		}
	}
	for _, e := range slices.Concat(ingressEntryPoints(m), routeEntryPoints(m)) {
		led := behind(m, m.listeners, e.backends)
		f := Finding{Reason: "leads clients of " + e.hostNames() + " to it", Fix: deleteCommand(e.object)}
		found = append(found, m.exposed(e.object, led, f, func(x v1alpha1.Exposure) bool {
			return e.object.Kind == "Ingress" && x.Ingress != nil || isHTTPRoute(e.object) && x.HTTPRoute != nil
		})...)
	}
	return found
}

// exposed completes the finding about an object that leads to listeners. It returns none when the object leads to no listener with an
// entry, or is the one that the operator makes for the only one to which it leads. makes reports whether an entry has an object of this
// kind.
func (m *Model) exposed(object Object, led []protectedPort, f Finding, makes func(v1alpha1.Exposure) bool) []Finding {
	led = slices.DeleteFunc(slices.Clone(led), func(p protectedPort) bool {
		return slices.ContainsFunc(exposuresOf(m.stack), func(e v1alpha1.Exposure) bool {
			return p.name == listenerName(m.graph, e.Listener) && object.Namespace == m.graph.Namespace &&
				object.Name == v1alpha1.ListenerName(m.graph.Stack, e.Listener) && makes(e)
		})
	})
	if len(led) == 0 {
		return nil
	}
	f.Kind, f.Severity, f.Object, f.Ports = ListenerExposed, Medium, object, namesOf(sortedByName(led))
	f.Reason = fmt.Sprintf("this %s is not of spec.wrapper.gateway.expose, and exposes a listener that has an entry there: it %s",
		object.Kind, f.Reason)
	f.Lets = fmt.Sprintf("clients outside the cluster reach %s by another way than the spec says, as far as network.clients and "+
		"network.admins let them", list(f.Ports))
	f.Fix += "; or write the way to spec.wrapper.gateway.expose"
	return []Finding{f}
}

// isHTTPRoute reports whether an object is an HTTPRoute of the Gateway API.
func isHTTPRoute(object Object) bool {
	group, _, _ := strings.Cut(object.APIVersion, "/")
	return object.Kind == "HTTPRoute" && group == gatewayAPI
}

// findListeners returns the listeners behind each Service, by the Service's port, as far as spec.wrapper.gateway.expose has an entry for
// them.
func findListeners(m *Model) reach {
	gateway := m.component(v1alpha1.ComponentGateway)
	if gateway == nil {
		return nil
	}
	var listeners []protectedPods
	for _, e := range exposuresOf(m.stack) {
		port := gateway.Port(graph.ListenerPort(e.Listener))
		if port.Number == 0 {
			continue
		}
		pods := gateway.pods
		if len(pods) == 0 {
			pods = []*corev1.Pod{PodOf(m.graph, gateway.Component)}
		}
		listeners = append(listeners, protectedPods{
			pods: pods, number: port.Number, protocol: port.Protocol, port: protectedPort{name: portName(gateway.Name, port), severity: Medium},
		})
	}
	if len(listeners) == 0 {
		return nil
	}
	r := reachOf(m, listeners)
	for i := range m.snapshot.Services {
		r.addListenerAlias(m, &m.snapshot.Services[i], listeners)
	}
	return r
}

// addListenerAlias follows a Service of type ExternalName to a Service of the stack that leads to a listener. Ingress controllers resolve
// the name, and then name a port by its number.
func (r reach) addListenerAlias(m *Model, service *corev1.Service, listeners []protectedPods) {
	name, ok := aliasOf(m, service)
	if !ok {
		return
	}
	for number, ports := range r[name] {
		for _, p := range ports {
			if slices.ContainsFunc(listeners, func(l protectedPods) bool { return l.port.name == p.name }) {
				r.add(service, number, p)
			}
		}
	}
}

func exposuresOf(stack *v1alpha1.OpenIMStack) []v1alpha1.Exposure {
	if stack == nil || stack.Spec.Wrapper.Gateway == nil {
		return nil
	}
	return stack.Spec.Wrapper.Gateway.Expose
}

// listenerName returns the name of a listener in findings, "" for one that the stack does not have.
func listenerName(g graph.Graph, l v1alpha1.Listener) string {
	for _, c := range g.Components {
		if c.Name == v1alpha1.ComponentGateway {
			return portName(c.Name, c.Port(graph.ListenerPort(l)))
		}
	}
	return ""
}
