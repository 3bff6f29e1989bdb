package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Proxies in front of the users' listener are found in each kind of object. Objects that lead elsewhere, or speak no HTTP, are not
// reported.
func TestProxiesInFrontOfTheUsersListener(t *testing.T) {
	httpRoute := func(kind, service string, port int32) func(*testing.T, *audit.Input) {
		versions := map[string]string{
			"HTTPRoute": "gateway.networking.k8s.io/v1", "TCPRoute": "gateway.networking.k8s.io/v1alpha2", "Route": "route.openshift.io/v1",
		}
		return route(snapshot.Route{
			APIVersion: versions[kind], Kind: kind, NamespacedName: types.NamespacedName{Namespace: "edge", Name: "web"},
			Backends: []snapshot.Backend{{Service: types.NamespacedName{Namespace: "im", Name: service}, Port: port}},
		})
	}
	ingress := func(service, port string) string {
		return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: im}
spec:
  rules:
  - http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: ` + service + `, port: {` + port + `}}}}]}`
	}
	const another = `
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: im}
spec:
  type: NodePort
  selector: {app.kubernetes.io/component: gateway, app.kubernetes.io/instance: chat}
  ports: [{name: web, port: 443, targetPort: users}]`
	for _, c := range []struct {
		breach
		want string
	}{
		{breach{name: "nothing"}, ""},
		{breach{name: "an Ingress by the port's name", add: ingress("chat-gateway", "name: users")}, "Ingress/im/web"},
		{breach{name: "an Ingress by the port's number", add: ingress("chat-gateway", "number: 8082")}, "Ingress/im/web"},
		{breach{name: "an Ingress to the administrators' port", add: ingress("chat-gateway", "name: admin")}, ""},
		{breach{name: "an Ingress to another Service of the gateway's", add: another + "\n---" + ingress("edge", "name: web")}, "Ingress/im/web"},
		{breach{name: "an Ingress to something else", add: ingress("shop", "name: users")}, ""},
		{breach{name: "a Service for a load balancer of layer 4", add: another}, ""},
		{breach{name: "an HTTPRoute of another namespace", change: httpRoute("HTTPRoute", "chat-gateway", 8082)}, "HTTPRoute/edge/web"},
		{breach{name: "a Route of OpenShift's", change: httpRoute("Route", "chat-gateway", 8082)}, "Route/edge/web"},
		{breach{name: "a TCPRoute", change: httpRoute("TCPRoute", "chat-gateway", 8082)}, ""},
		{breach{name: "an HTTPRoute to OpenIM", change: httpRoute("HTTPRoute", "chat-api", 10002)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := clean(t)
			c.commit(t, &in)
			names := []string{}
			for _, front := range audit.ProxiesInFront(in.Graph, in.Snapshot) {
				names = append(names, objectName(front))
			}
			if c.want == "" {
				NewWithT(t).Expect(names).To(BeEmpty())
				return
			}
			NewWithT(t).Expect(names).To(Equal([]string{c.want}))
		})
	}
	t.Run("without users there is no such listener", func(t *testing.T) {
		in := clean(t, func(stack *v1alpha1.OpenIMStack) { stack.Spec.Wrapper.Auth.Users = nil })
		breach{add: ingress("chat-gateway", "number: 8082")}.commit(t, &in)
		NewWithT(t).Expect(audit.ProxiesInFront(in.Graph, in.Snapshot)).To(BeEmpty())
		NewWithT(t).Expect(audit.ProxiesInFront(graph.Graph{}, in.Snapshot)).To(BeEmpty(), "an external wrapper")
	})
}
