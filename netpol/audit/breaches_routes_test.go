package audit_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// routeBreaches are Ingresses and routes that lead past the gateway.
var routeBreaches = []breach{
	{
		name: "an Ingress to the API",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: api, namespace: im}
spec:
  rules:
  - host: im.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: chat-api, port: {number: 10002}}}}]}`,
		kind: audit.IngressExposes, object: "Ingress/im/api", severity: audit.High,
		ports: []string{"api:10002"}, only: true, lets: []string{"im.example.com"}, fix: []string{"kubectl -n im delete ingress api"},
	},
	{
		name: "the default backend of an Ingress, by the port's name",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: fallback, namespace: im}
spec: {defaultBackend: {service: {name: chat-msggateway, port: {name: websocket}}}}`,
		kind: audit.IngressExposes, object: "Ingress/im/fallback", severity: audit.High,
		ports: []string{"msggateway:10001"}, only: true, lets: []string{"every host name"},
	},
	{
		name: "an HTTPRoute of another namespace",
		change: route(snapshot.Route{
			APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute", NamespacedName: types.NamespacedName{Namespace: "tools",
				Name: "shortcut"},
			Hostnames: []string{"api.example.com"}, Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: "chat-api"},
				Port: 10002}},
		}),
		kind: audit.RouteExposes, object: "HTTPRoute/tools/shortcut", severity: audit.High,
		ports: []string{"api:10002"}, only: true, lets: []string{"api.example.com"}, fix: []string{"ReferenceGrant",
			"kubectl -n tools delete httproute shortcut"},
	},
	{
		name: "a GRPCRoute to an rpc port",
		change: route(snapshot.Route{
			APIVersion: "gateway.networking.k8s.io/v1", Kind: "GRPCRoute", NamespacedName: types.NamespacedName{Namespace: "im", Name: "rpc"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: "chat-rpc-user"}, Port: 10320}},
		}),
		kind: audit.RouteExposes, object: "GRPCRoute/im/rpc", severity: audit.High, ports: []string{"rpc-user:10320"}, only: true,
		lets: []string{"every host name"},
	},
	{
		name: "a TCPRoute that names no port",
		change: route(snapshot.Route{
			APIVersion: "gateway.networking.k8s.io/v1alpha2", Kind: "TCPRoute", NamespacedName: types.NamespacedName{Namespace: "im", Name: "tcp"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: "chat-backend"}}},
		}),
		kind: audit.RouteExposes, object: "TCPRoute/im/tcp", severity: audit.High, ports: []string{"backend:8080", "backend:9090"}, only: true,
	},
	{
		name: "an OpenShift Route by the pods' port",
		change: route(snapshot.Route{
			APIVersion: "route.openshift.io/v1", Kind: "Route", NamespacedName: types.NamespacedName{Namespace: "im", Name: "api"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: "chat-api"}, Port: 10002}},
		}),
		kind: audit.RouteExposes, object: "Route/im/api", severity: audit.High, ports: []string{"api:10002"}, only: true,
	},
	{
		name: "a redirect of the gateway's traffic",
		change: route(snapshot.Route{
			APIVersion: "cilium.io/v2", Kind: "CiliumLocalRedirectPolicy", NamespacedName: types.NamespacedName{Namespace: "im", Name: "lrp"},
			Diverts: []types.NamespacedName{{Namespace: "im", Name: "chat-gateway"}},
		}),
		kind: audit.TrafficDiverted, object: "CiliumLocalRedirectPolicy/im/lrp", severity: audit.High, only: true,
		fix: []string{"kubectl -n im delete ciliumlocalredirectpolicy lrp"},
	},
	{
		name: "a route to a store",
		change: route(snapshot.Route{
			APIVersion: "gateway.networking.k8s.io/v1alpha2", Kind: "TLSRoute", NamespacedName: types.NamespacedName{Namespace: "infra",
				Name: "mongo"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "infra", Name: "mongodb"}, Port: 27017}},
		}),
		kind: audit.StoreExposed, object: "TLSRoute/infra/mongo", severity: audit.High, only: true, lets: []string{"mongodb:27017"},
	},
}

func route(r snapshot.Route) func(*testing.T, *audit.Input) {
	return func(_ *testing.T, in *audit.Input) { in.Snapshot.Routes = append(in.Snapshot.Routes, r) }
}
