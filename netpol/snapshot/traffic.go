package snapshot

import (
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Third-party kinds that send traffic to Services, with the fields that name the Service. A further kind needs one more line.

// routeReader reads the Services in an object into a Route.
type routeReader func(*Route, map[string]any)

// fields are the names of the fields in which an object names a Service. An empty name means that the object has no such field.
type fields struct{ name, namespace, port string }

var (
	byName        = fields{"name", "namespace", "port"}
	byServiceName = fields{"serviceName", "namespace", "servicePort"}
)

// trafficKinds are read in clusters and in files.
var trafficKinds = []thirdPartyKind{
	namespaced("route.openshift.io", "Route", "routes", openShiftRoute, "v1"),
	namespaced("traefik.io", "IngressRoute", "ingressroutes", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.io", "IngressRouteTCP", "ingressroutetcps", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.io", "IngressRouteUDP", "ingressrouteudps", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.io", "TraefikService", "traefikservices", traefikService, "v1alpha1"),
	namespaced("traefik.io", "Middleware", "middlewares", backendsAt("spec.errors.service", byName), "v1alpha1"),
	namespaced("traefik.containo.us", "IngressRoute", "ingressroutes", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.containo.us", "IngressRouteTCP", "ingressroutetcps", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.containo.us", "IngressRouteUDP", "ingressrouteudps", backendsAt("spec.routes[].services[]", byName), "v1alpha1"),
	namespaced("traefik.containo.us", "TraefikService", "traefikservices", traefikService, "v1alpha1"),
	namespaced("projectcontour.io", "HTTPProxy", "httpproxies", all(
		backendsAt("spec.routes[].services[]", byName), backendsAt("spec.tcpproxy.services[]", byName)), "v1"),
	namespaced("configuration.konghq.com", "TCPIngress", "tcpingresses", backendsAt("spec.rules[].backend", byServiceName), "v1beta1"),
	namespaced("configuration.konghq.com", "UDPIngress", "udpingresses", backendsAt("spec.rules[].backend", byServiceName), "v1beta1"),
	namespaced("incubator.ingress-controller.konghq.com", "KongServiceFacade", "kongservicefacades",
		backendsAt("spec.backendRef", byName), "v1alpha1"),
	namespaced("apisix.apache.org", "ApisixRoute", "apisixroutes", all(
		backendsAt("spec.http[].backends[]", byServiceName), backendsAt("spec.http[].backend", byServiceName),
		backendsAt("spec.stream[].backend", byServiceName)), "v2", "v2beta3"),
	namespaced("getambassador.io", "Mapping", "mappings", backendsIn("spec.service"), "v3alpha1", "v2"),
	namespaced("getambassador.io", "TCPMapping", "tcpmappings", backendsIn("spec.service"), "v3alpha1", "v2"),
	namespaced("networking.istio.io", "VirtualService", "virtualservices", istioVirtualService, "v1", "v1beta1", "v1alpha3"),
	namespaced("k8s.nginx.org", "VirtualServer", "virtualservers", backendsAt("spec.upstreams[]", fields{"service", "", "port"}), "v1"),
	namespaced("k8s.nginx.org", "VirtualServerRoute", "virtualserverroutes",
		backendsAt("spec.upstreams[]", fields{"service", "", "port"}), "v1"),
	namespaced("k8s.nginx.org", "TransportServer", "transportservers",
		backendsAt("spec.upstreams[]", fields{"service", "", "port"}), "v1"),
	namespaced("zalando.org", "RouteGroup", "routegroups", backendsAt("spec.backends[]", byServiceName), "v1"),
	namespaced("gloo.solo.io", "Upstream", "upstreams",
		backendsAt("spec.kube", fields{"serviceName", "serviceNamespace", "servicePort"}), "v1"),
	namespaced("elbv2.k8s.aws", "TargetGroupBinding", "targetgroupbindings", backendsAt("spec.serviceRef", byName), "v1beta1"),
	namespaced("networking.gke.io", "ServiceAttachment", "serviceattachments", backendsAt("spec.resourceRef", byName), "v1", "v1beta1"),
	namespaced("multicluster.x-k8s.io", "ServiceExport", "serviceexports",
		backendsAt("metadata", fields{"name", "namespace", ""}), "v1beta1", "v1alpha1"),
	namespaced("net.gke.io", "ServiceExport", "serviceexports", backendsAt("metadata", fields{"name", "namespace", ""}), "v1"),
	clusterWide("apiregistration.k8s.io", "APIService", "apiservices", backendsAt("spec.service", byName), "v1"),
	namespaced("cilium.io", "CiliumLocalRedirectPolicy", "ciliumlocalredirectpolicies", ciliumRedirect, "v2"),
	namespaced("cilium.io", "CiliumEnvoyConfig", "ciliumenvoyconfigs", ciliumEnvoy, "v2"),
	clusterWide("cilium.io", "CiliumClusterwideEnvoyConfig", "ciliumclusterwideenvoyconfigs", ciliumEnvoy, "v2"),
}

func namespaced(group, kind, resource string, read routeReader, versions ...string) thirdPartyKind {
	return thirdPartyKind{schema.GroupKind{Group: group, Kind: kind}, resource, versions, false, read}
}

func clusterWide(group, kind, resource string, read routeReader, versions ...string) thirdPartyKind {
	return thirdPartyKind{schema.GroupKind{Group: group, Kind: kind}, resource, versions, true, read}
}

func all(readers ...routeReader) routeReader {
	return func(r *Route, object map[string]any) {
		for _, read := range readers {
			read(r, object)
		}
	}
}

// backendsAt reads the Services that the objects at a path name.
func backendsAt(path string, f fields) routeReader {
	return func(r *Route, object map[string]any) {
		for _, item := range valuesAt(object, path) {
			reference, ok := item.(map[string]any)
			if kind := text(reference, "kind"); !ok || kind != "" && kind != "Service" && path != "metadata" {
				continue
			}
			r.addBackend(text(reference, f.name), text(reference, f.namespace), reference[f.port])
		}
	}
}

// backendsIn reads the Services in the texts at a path, such as name.namespace:port or http://name.
func backendsIn(path string) routeReader {
	return func(r *Route, object map[string]any) {
		for _, item := range valuesAt(object, path) {
			host, ok := item.(string)
			if !ok {
				continue
			}
			if _, after, has := strings.Cut(host, "://"); has {
				host = after
			}
			host, _, _ = strings.Cut(host, "/")
			host, port, _ := strings.Cut(host, ":")
			name, namespace := serviceOfHost(host)
			r.addBackend(name, namespace, port)
		}
	}
}

// serviceOfHost splits the DNS name of a Service. The namespace is empty for a short name.
func serviceOfHost(host string) (name, namespace string) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 1 {
		namespace = parts[1]
	}
	return parts[0], namespace
}

// addBackend adds a Service to which the route sends traffic. A port may be a number, a number as text, or a name.
func (r *Route) addBackend(name, namespace string, at any) {
	if name == "" {
		return
	}
	b := Backend{Service: types.NamespacedName{Namespace: namespace, Name: name}}
	if namespace == "" {
		b.Service.Namespace = r.Namespace
	}
	switch value := at.(type) {
	case string:
		if n, err := strconv.ParseInt(value, 10, 32); err == nil {
			b.Port = port(map[string]any{"port": n})
		} else {
			b.PortName = value
		}
	default:
		b.Port = port(map[string]any{"port": value})
	}
	r.Backends = append(r.Backends, b)
}

// addDivert adds a Service whose traffic the object redirects.
func (r *Route) addDivert(name, namespace string) {
	if name == "" {
		return
	}
	if namespace == "" {
		namespace = r.Namespace
	}
	r.Diverts = append(r.Diverts, types.NamespacedName{Namespace: namespace, Name: name})
}

// openShiftRoute reads a Route of OpenShift. One port applies to all backends: a name of a Service's port, or a number of the pods'.
func openShiftRoute(r *Route, object map[string]any) {
	at, _, _ := unstructured.NestedFieldNoCopy(object, "spec", "port", "targetPort")
	if host := textAt(object, "spec.host"); host != "" {
		r.Hostnames = append(r.Hostnames, host)
	}
	for _, path := range []string{"spec.to", "spec.alternateBackends[]"} {
		for _, item := range valuesAt(object, path) {
			if to, ok := item.(map[string]any); ok && (text(to, "kind") == "" || text(to, "kind") == "Service") {
				r.addBackend(text(to, "name"), "", at)
			}
		}
	}
}

var traefikService = all(
	backendsAt("spec.weighted.services[]", byName), backendsAt("spec.mirroring", byName), backendsAt("spec.mirroring.mirrors[]", byName),
	backendsAt("spec.failover.service", byName), backendsAt("spec.failover.fallback", byName),
	backendsAt("spec.highestRandomWeight.services[]", byName),
)

// istioVirtualService reads a VirtualService. Bound to a gateway, it sends traffic from outside to its destinations. In the mesh only,
// it redirects the traffic of its hosts to its destinations.
func istioVirtualService(r *Route, object map[string]any) {
	var to []types.NamespacedName
	for _, path := range []string{
		"spec.http[].route[].destination", "spec.http[].mirror", "spec.http[].mirrors[].destination",
		"spec.tcp[].route[].destination", "spec.tls[].route[].destination",
	} {
		for _, item := range valuesAt(object, path) {
			destination, ok := item.(map[string]any)
			if !ok {
				continue
			}
			name, namespace := serviceOfHost(text(destination, "host"))
			number, _, _ := unstructured.NestedFieldNoCopy(destination, "port", "number")
			r.addBackend(name, namespace, number)
			to = append(to, r.Backends[len(r.Backends)-1].Service)
		}
	}
	hosts, _, _ := unstructured.NestedStringSlice(object, "spec", "hosts")
	gateways, _, _ := unstructured.NestedStringSlice(object, "spec", "gateways")
	r.Hostnames = hosts
	if slices.ContainsFunc(gateways, func(g string) bool { return g != "mesh" }) {
		return
	}
	r.Backends = nil // only the mesh: no path from outside
	for _, host := range hosts {
		name, namespace := serviceOfHost(host)
		if namespace == "" {
			namespace = r.Namespace
		}
		own := types.NamespacedName{Namespace: namespace, Name: name}
		if slices.ContainsFunc(to, func(d types.NamespacedName) bool { return d != own }) {
			r.addDivert(name, namespace)
		}
	}
}

func ciliumRedirect(r *Route, object map[string]any) {
	const service = "spec.redirectFrontend.serviceMatcher."
	r.addDivert(textAt(object, service+"serviceName"), textAt(object, service+"namespace"))
	if address := textAt(object, "spec.redirectFrontend.addressMatcher.ip"); address != "" {
		r.DivertsAddresses = append(r.DivertsAddresses, address)
	}
}

// ciliumEnvoy reads a CiliumEnvoyConfig. It redirects the traffic of its services to Envoy, which forwards it as its resources say.
func ciliumEnvoy(r *Route, object map[string]any) {
	for _, item := range valuesAt(object, "spec.services[]") {
		if service, ok := item.(map[string]any); ok {
			r.addDivert(text(service, "name"), text(service, "namespace"))
		}
	}
	backendsAt("spec.backendServices[]", fields{"name", "namespace", ""})(r, object)
}

// valuesAt returns the values at a path. "[]" after a name selects all items of a list. Example: spec.rules[].backend
func valuesAt(object map[string]any, path string) []any {
	found := []any{object}
	for step := range strings.SplitSeq(path, ".") {
		name, isList := strings.CutSuffix(step, "[]")
		var next []any
		for _, value := range found {
			m, ok := value.(map[string]any)
			if !ok || m[name] == nil {
				continue
			}
			if !isList {
				next = append(next, m[name])
				continue
			}
			if items, ok := m[name].([]any); ok {
				next = append(next, items...)
			}
		}
		found = next
	}
	return found
}

// textAt returns the text at a path, or an empty text.
func textAt(object map[string]any, path string) string {
	for _, value := range valuesAt(object, path) {
		if s, ok := value.(string); ok {
			return s
		}
	}
	return ""
}
