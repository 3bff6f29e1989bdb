package audit

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// httpRoutes are the kinds of routes behind which a proxy speaks HTTP to the gateway. Those of layer 4 add no header.
var httpRoutes = []schema.GroupKind{
	{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}, {Group: "route.openshift.io", Kind: "Route"},
	{Group: "traefik.io", Kind: "IngressRoute"}, {Group: "traefik.containo.us", Kind: "IngressRoute"},
	{Group: "projectcontour.io", Kind: "HTTPProxy"}, {Group: "apisix.apache.org", Kind: "ApisixRoute"},
	{Group: "getambassador.io", Kind: "Mapping"}, {Group: "networking.istio.io", Kind: "VirtualService"},
	{Group: "k8s.nginx.org", Kind: "VirtualServer"}, {Group: "k8s.nginx.org", Kind: "VirtualServerRoute"},
	{Group: "zalando.org", Kind: "RouteGroup"},
}

// Fronts are the Ingresses and routes that put a proxy before the gateway's users' port: it sees the proxy's address, and a client's only
// if the proxy tells it and is trusted. They open nothing, and so are no findings.
func Fronts(g graph.Graph, w *snapshot.World) []Object {
	i := slices.IndexFunc(g.Components, func(c graph.Component) bool { return c.Name == v1alpha1.ComponentGateway })
	if i < 0 {
		return nil
	}
	lead := leadsToUsers(w, idealPod(g, g.Components[i]))
	var found []Object
	for i := range w.Ingresses {
		if in := &w.Ingresses[i]; lead(ingressBackends(in)) {
			found = append(found, Object{
				APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress", Namespace: in.Namespace, Name: in.Name,
			})
		}
	}
	for _, r := range w.Routes {
		group, _, _ := strings.Cut(r.APIVersion, "/")
		if slices.Contains(httpRoutes, schema.GroupKind{Group: group, Kind: r.Kind}) && lead(routeBackends(r)) {
			found = append(found, Object{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name})
		}
	}
	return found
}

// leadsToUsers tells of backends whether one is the users' port of a gateway's pod.
func leadsToUsers(w *snapshot.World, gateway *corev1.Pod) func([]backend) bool {
	ports := map[types.NamespacedName][]corev1.ServicePort{}
	for i := range w.Services {
		service := &w.Services[i]
		chosen := len(service.Spec.Selector) > 0 && labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Set(gateway.Labels))
		if !chosen || service.Namespace != gateway.Namespace {
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

func isUsersPort(gateway *corev1.Pod, number int32) bool {
	return slices.ContainsFunc(gateway.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool {
		return p.Name == graph.UsersPort && p.ContainerPort == number
	})
}
