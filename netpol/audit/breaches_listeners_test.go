package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// exposing gives the stack exposures, and the snapshot the objects that the operator makes of them.
func exposing(all ...v1alpha1.Exposure) func(*testing.T, *audit.Input) {
	return func(t *testing.T, in *audit.Input) {
		t.Helper()
		if in.Stack.Spec.Wrapper.Gateway == nil {
			in.Stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{}
		}
		in.Stack.Spec.Wrapper.Gateway.Expose = all
		in.Snapshot.Stacks[0] = *in.Stack
		for _, object := range manifests.Exposures(in.Stack, manifests.Certificate(in.Stack) != "") {
			switch o := object.(type) {
			case *corev1.Service:
				in.Snapshot.Services = append(in.Snapshot.Services, *o)
			case *networkingv1.Ingress:
				in.Snapshot.Ingresses = append(in.Snapshot.Ingresses, *o)
			case *gatewayv1.HTTPRoute:
				in.Snapshot.Routes = append(in.Snapshot.Routes, routeTo(o.Namespace, o.Name, o.Namespace, "chat-users"))
			}
		}
	}
}

var (
	usersByBoth = v1alpha1.Exposure{
		Listener: v1alpha1.ListenerUsers, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedLoadBalancer},
		Ingress: &v1alpha1.ExposedIngress{Hosts: []v1alpha1.HostName{"im.example.com"}},
	}
	usersByService = v1alpha1.Exposure{
		Listener: v1alpha1.ListenerUsers, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedLoadBalancer},
	}
	usersByIngress = v1alpha1.Exposure{
		Listener: v1alpha1.ListenerUsers, Ingress: &v1alpha1.ExposedIngress{Hosts: []v1alpha1.HostName{"im.example.com"}},
	}
)

var usersByRoute = v1alpha1.Exposure{Listener: v1alpha1.ListenerUsers, HTTPRoute: &v1alpha1.ExposedRoute{
	ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways"}}, Hostnames: []v1alpha1.HostName{"im.example.com"},
}}

// routeTo is an HTTPRoute that leads to a Service.
func routeTo(namespace, name, to, service string) snapshot.Route {
	return snapshot.Route{
		APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute", NamespacedName: types.NamespacedName{Namespace: namespace, Name: name},
		Hostnames: []string{"im.example.com"},
		Backends:  []snapshot.Backend{{Service: types.NamespacedName{Namespace: to, Name: service}, Port: 80}},
	}
}

// of gives a route another kind.
func of(kind, version string, r snapshot.Route) snapshot.Route {
	r.Kind, r.APIVersion = kind, "gateway.networking.k8s.io/"+version
	return r
}

// altered changes a Service of the snapshot.
func altered(name string, change func(*corev1.Service)) func(*testing.T, *audit.Input) {
	return func(_ *testing.T, in *audit.Input) {
		for i := range in.Snapshot.Services {
			if in.Snapshot.Services[i].Name == name {
				change(&in.Snapshot.Services[i])
			}
		}
	}
}

func both(first, then func(*testing.T, *audit.Input)) func(*testing.T, *audit.Input) {
	return func(t *testing.T, in *audit.Input) {
		first(t, in)
		then(t, in)
	}
}

// listenerBreaches are objects that expose a listener that the spec exposes otherwise.
var listenerBreaches = []breach{
	{
		name: "a second load balancer for the users' listener",
		add: `
apiVersion: v1
kind: Service
metadata: {name: old, namespace: im}
spec:
  type: LoadBalancer
  selector: {app.kubernetes.io/component: gateway, app.kubernetes.io/instance: chat}
  ports: [{port: 443, targetPort: users}]`,
		change: exposing(usersByBoth),
		kind:   audit.ListenerExposed, object: "Service/im/old", severity: audit.Medium, ports: []string{"gateway:8082"}, only: true,
		lets: []string{"gateway:8082", "network.clients"}, fix: []string{"kubectl -n im delete service old", "spec.wrapper.gateway.expose"},
	},
	{
		name: "the gateway's own Service, made a NodePort",
		change: both(exposing(usersByBoth), altered("chat-gateway", func(s *corev1.Service) {
			s.Spec.Type = corev1.ServiceTypeNodePort
			s.Spec.Ports = s.Spec.Ports[:2] // without the metrics, which are another finding
		})),
		kind: audit.ListenerExposed, object: "Service/im/chat-gateway", severity: audit.Medium, ports: []string{"gateway:8082"}, only: true,
	},
	{
		name: "the Service of the Ingress, made a load balancer",
		change: both(exposing(usersByIngress), altered("chat-users", func(s *corev1.Service) {
			s.Spec.Type = corev1.ServiceTypeLoadBalancer
		})),
		kind: audit.ListenerExposed, object: "Service/im/chat-users", severity: audit.Medium, ports: []string{"gateway:8082"},
	},
	{
		name: "the load balancer's Service, with externalIPs",
		change: both(exposing(usersByBoth), altered("chat-users", func(s *corev1.Service) {
			s.Spec.ExternalIPs = []string{"198.51.100.7"}
		})),
		kind: audit.ListenerExposed, object: "Service/im/chat-users", severity: audit.Medium,
	},
	{
		name: "the Service of one listener, turned to the other", change: both(exposing(usersByService, v1alpha1.Exposure{
			Listener: v1alpha1.ListenerAdmins, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedLoadBalancer},
		}), altered("chat-users", func(s *corev1.Service) { s.Spec.Ports[0].TargetPort.StrVal = "admin" })),
		kind: audit.ListenerExposed, object: "Service/im/chat-users", severity: audit.Medium, ports: []string{"gateway:8081"}, only: true,
	},
	{
		name: "an Ingress beside the load balancer",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: im}
spec: {defaultBackend: {service: {name: chat-gateway, port: {name: users}}}}`,
		change: exposing(usersByBoth),
		kind:   audit.ListenerExposed, object: "Ingress/im/web", severity: audit.Medium, lets: []string{"gateway:8082"},
	},
	{
		name: "an Ingress of the right name, which the spec does not say",
		add: `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: chat-users, namespace: im}
spec: {defaultBackend: {service: {name: chat-users, port: {name: users}}}}`,
		change: exposing(usersByService),
		kind:   audit.ListenerExposed, object: "Ingress/im/chat-users", severity: audit.Medium,
	},
	{
		name: "an HTTPRoute of another namespace to the exposed Service", change: both(exposing(usersByBoth), route(snapshot.Route{
			APIVersion: "gateway.networking.k8s.io/v1", Kind: "HTTPRoute",
			NamespacedName: types.NamespacedName{Namespace: "edge", Name: "chat-users"}, Hostnames: []string{"shadow.example.com"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: "chat-users"}, Port: 80}},
		})),
		kind: audit.ListenerExposed, object: "HTTPRoute/edge/chat-users", severity: audit.Medium,
	},
	{
		name:   "an HTTPRoute of the right name, which the spec does not say",
		change: both(exposing(usersByIngress), route(routeTo("im", "chat-users", "im", "chat-users"))),
		kind:   audit.ListenerExposed, object: "HTTPRoute/im/chat-users", severity: audit.Medium,
	},
	{
		name:   "an HTTPRoute beside the one of the spec",
		change: both(exposing(usersByRoute), route(routeTo("im", "shadow", "im", "chat-users"))),
		kind:   audit.ListenerExposed, object: "HTTPRoute/im/shadow", severity: audit.Medium, ports: []string{"gateway:8082"}, only: true,
		fix: []string{"spec.wrapper.gateway.expose"},
	},
	{
		name:   "an HTTPRoute of the right name in another namespace, by a ReferenceGrant",
		change: both(exposing(usersByRoute), route(routeTo("edge", "chat-users", "im", "chat-users"))),
		kind:   audit.ListenerExposed, object: "HTTPRoute/edge/chat-users", severity: audit.Medium, ports: []string{"gateway:8082"}, only: true,
	},
	{
		name:   "a GRPCRoute of the HTTPRoute's name",
		change: both(exposing(usersByRoute), route(of("GRPCRoute", "v1", routeTo("im", "chat-users", "im", "chat-users")))),
		kind:   audit.ListenerExposed, object: "GRPCRoute/im/chat-users", severity: audit.Medium,
	},
	{
		name:   "a TLSRoute of the HTTPRoute's name",
		change: both(exposing(usersByRoute), route(of("TLSRoute", "v1", routeTo("im", "chat-users", "im", "chat-users")))),
		kind:   audit.ListenerExposed, object: "TLSRoute/im/chat-users", severity: audit.Medium,
	},
	{
		name:   "a TCPRoute to the exposed Service",
		change: both(exposing(usersByRoute), route(of("TCPRoute", "v1alpha2", routeTo("im", "tcp", "im", "chat-users")))),
		kind:   audit.ListenerExposed, object: "TCPRoute/im/tcp", severity: audit.Medium,
	},
	{
		name: "an HTTPRoute of another API group and the right name",
		change: both(exposing(usersByRoute), func(t *testing.T, in *audit.Input) {
			r := routeTo("im", "chat-users", "im", "chat-users")
			r.APIVersion = "gateway.networking.x-k8s.io/v1"
			route(r)(t, in)
		}),
		kind: audit.ListenerExposed, object: "HTTPRoute/im/chat-users", severity: audit.Medium,
	},
	{
		name: "an Ingress of another namespace, by an alias of the exposed Service",
		add: `
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: tools}
spec: {type: ExternalName, externalName: chat-users.im.svc.cluster.local, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: tools}
spec: {defaultBackend: {service: {name: alias, port: {number: 80}}}}`,
		change: exposing(usersByBoth), kind: audit.ListenerExposed, object: "Ingress/tools/web", severity: audit.Medium,
	},
}

// What the operator makes of the spec is intended, and a listener without an entry is exposed by whatever its owner made.
func TestExposuresOfTheSpecAreNoFindings(t *testing.T) {
	const byHand = `
apiVersion: v1
kind: Service
metadata: {name: hand, namespace: im}
spec:
  type: LoadBalancer
  selector: {app.kubernetes.io/component: gateway, app.kubernetes.io/instance: chat}
  ports: [{port: 443, targetPort: admin}]`
	for _, c := range []breach{
		{name: "nothing", change: exposing()},
		{name: "both ways", change: exposing(usersByBoth)},
		{name: "an Ingress", change: exposing(usersByIngress)},
		{name: "an HTTPRoute", change: exposing(usersByRoute)},
		{name: "both listeners", change: exposing(usersByBoth, v1alpha1.Exposure{
			Listener: v1alpha1.ListenerAdmins, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort},
		})},
		{name: "the other listener by hand", add: byHand, change: exposing(usersByBoth)},
		{name: "a load balancer of another stack's gateway", change: exposing(usersByBoth), add: `
apiVersion: v1
kind: Service
metadata: {name: hand, namespace: im}
spec:
  type: LoadBalancer
  selector: {app.kubernetes.io/component: gateway, app.kubernetes.io/instance: other}
  ports: [{port: 443, targetPort: users}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := clean(t)
			c.commit(t, &in)
			NewWithT(t).Expect(audit.Run(in).Findings).To(BeEmpty())
		})
	}
}
