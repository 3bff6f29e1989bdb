package audit

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// httpRoutes are the kinds of routes whose proxy speaks HTTP to the gateway. Proxies of layer 4 add no header.
var httpRoutes = []schema.GroupKind{
	{Group: gatewayAPI, Kind: "HTTPRoute"}, {Group: "route.openshift.io", Kind: "Route"},
	{Group: "traefik.io", Kind: "IngressRoute"}, {Group: "traefik.containo.us", Kind: "IngressRoute"},
	{Group: "projectcontour.io", Kind: "HTTPProxy"}, {Group: "apisix.apache.org", Kind: "ApisixRoute"},
	{Group: "getambassador.io", Kind: "Mapping"}, {Group: "networking.istio.io", Kind: "VirtualService"},
	{Group: "k8s.nginx.org", Kind: "VirtualServer"}, {Group: "k8s.nginx.org", Kind: "VirtualServerRoute"},
	{Group: "zalando.org", Kind: "RouteGroup"},
}

// ProxiesInFront returns the Ingresses and routes that put a proxy before the users' listener of the gateway. The gateway then sees the
// address of the proxy, and a client's address only in a header of a proxy that it trusts. Fronts open nothing, so they are not findings.
func ProxiesInFront(g graph.Graph, w *snapshot.Snapshot) []Object {
	i := slices.IndexFunc(g.Components, func(c graph.Component) bool { return c.Name == v1alpha1.ComponentGateway })
	if i < 0 {
		return nil
	}
	leads := leadsToUsers(w, PodOf(g, g.Components[i]))
	var found []Object
	for i := range w.Ingresses {
		if in := &w.Ingresses[i]; leads(ingressBackends(in)) {
			found = append(found, ingressObject(in))
		}
	}
	for _, r := range w.Routes {
		group, _, _ := strings.Cut(r.APIVersion, "/")
		if slices.Contains(httpRoutes, schema.GroupKind{Group: group, Kind: r.Kind}) && leads(routeBackends(r)) {
			found = append(found, routeObject(r))
		}
	}
	return found
}

// leadsToUsers returns a function that reports whether one of some backends is the users' listener of a gateway's pod.
func leadsToUsers(w *snapshot.Snapshot, gateway *corev1.Pod) func([]backend) bool {
	ports := map[types.NamespacedName][]corev1.ServicePort{}
	for i := range w.Services {
		service := &w.Services[i]
		selected := len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(gateway.Labels))
		if !selected || service.Namespace != gateway.Namespace {
			continue
		}
		for _, p := range service.Spec.Ports {
			if isUsersPort(gateway, targetPort(gateway, p)) {
				ports[nameOf(service)] = append(ports[nameOf(service)], p)
			}
		}
	}
	return func(backends []backend) bool {
		return slices.ContainsFunc(backends, func(b backend) bool { return slices.ContainsFunc(ports[b.service], b.is) })
	}
}

// isUsersPort reports whether a number is that of the users' listener. A stack without users has no such port.
func isUsersPort(gateway *corev1.Pod, number int32) bool {
	return slices.ContainsFunc(gateway.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
		return p.Name == graph.UsersPort && p.ContainerPort == number
	})
}
