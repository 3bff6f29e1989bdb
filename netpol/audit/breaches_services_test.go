package audit_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// serviceBreaches are Services that lead to a sealed port.
var serviceBreaches = []breach{
	{
		name: "a NodePort to the API",
		add: `
apiVersion: v1
kind: Service
metadata: {name: api-out, namespace: im}
spec: {type: NodePort, selector: {app.kubernetes.io/component: api}, ports: [{port: 80, targetPort: 10002, nodePort: 30080}]}`,
		kind: audit.ServiceExposes, object: "Service/im/api-out", severity: audit.High,
		ports: []string{"api:10002"}, only: true, lets: []string{"api:10002"}, fix: []string{"kubectl -n im delete service api-out"},
	},
	{
		name: "a load balancer to the WebSocket, by the port's name",
		add: `
apiVersion: v1
kind: Service
metadata: {name: ws, namespace: im}
spec: {type: LoadBalancer, selector: {app.kubernetes.io/component: msggateway, app.kubernetes.io/instance: chat}, ports: [{port: 443, targetPort: websocket}]}`,
		kind: audit.ServiceExposes, object: "Service/im/ws", severity: audit.High,
		ports: []string{"msggateway:10001"}, only: true, lets: []string{"load balancer"},
	},
	{
		name: "externalIPs to an rpc port",
		add: `
apiVersion: v1
kind: Service
metadata: {name: rpc, namespace: im}
spec: {selector: {app.kubernetes.io/component: rpc-auth}, ports: [{port: 10200}], externalIPs: [203.0.113.7]}`,
		kind: audit.ServiceExposes, object: "Service/im/rpc", severity: audit.High,
		ports: []string{"rpc-auth:10200"}, only: true, fix: []string{"externalIPs"},
	},
	{
		name: "the stack's own Service is made a NodePort",
		change: func(t *testing.T, in *audit.Input) {
			service(t, in, "im", "chat-backend").Spec.Type = corev1.ServiceTypeNodePort
		},
		kind: audit.ServiceExposes, object: "Service/im/chat-backend", severity: audit.High,
		ports: []string{"backend:8080", "backend:9090"}, only: true,
	},
	{
		name: "a NodePort to a listener and to the metrics",
		add: `
apiVersion: v1
kind: Service
metadata: {name: edge, namespace: im}
spec:
  type: NodePort
  selector: {app.kubernetes.io/component: gateway}
  ports: [{name: users, port: 8082}, {name: telemetry, port: 9090}]`,
		kind: audit.ServiceExposes, object: "Service/im/edge", severity: audit.Medium, ports: []string{"gateway:9090"}, only: true,
	},
	{
		name: "a foreign ClusterIP that selects the API",
		add: `
apiVersion: v1
kind: Service
metadata: {name: shortcut, namespace: im}
spec: {selector: {app.kubernetes.io/component: api}, ports: [{port: 10002}]}`,
		kind: audit.ServiceSelects, object: "Service/im/shortcut", severity: audit.Low,
		ports: []string{"api:10002"}, only: true, lets: []string{"nothing by itself"}, fix: []string{"kubectl -n im delete service shortcut"},
	},
	{
		name: "a headless Service over all pods of the stack",
		add: `
apiVersion: v1
kind: Service
metadata: {name: everything, namespace: im}
spec: {clusterIP: None, selector: {app.kubernetes.io/part-of: openimstack}, ports: [{name: a, port: 10280}, {name: b, port: 10300}]}`,
		kind: audit.ServiceSelects, object: "Service/im/everything", severity: audit.Low,
		ports: []string{"rpc-msg:10280", "rpc-third:10300"}, only: true,
	},
	{
		name: "an EndpointSlice written by hand, in another namespace",
		change: func(t *testing.T, in *audit.Input) {
			apply(t, in, `
apiVersion: v1
kind: Service
metadata: {name: innocent, namespace: tools}
spec: {ports: [{port: 80, targetPort: 10002}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: innocent-1, namespace: tools, labels: {kubernetes.io/service-name: innocent}}
addressType: IPv4
endpoints: [{addresses: ["`+pod(t, in, "api").Status.PodIP+`"]}]
ports: [{port: 10002}]`)
		},
		kind: audit.ServiceSelects, object: "Service/tools/innocent", severity: audit.Medium,
		ports: []string{"api:10002"}, only: true, fix: []string{"kubernetes.io/service-name=innocent"},
	},
	{
		name: "another name for the API, in another namespace",
		add: `
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: tools}
spec: {type: ExternalName, externalName: chat-api.im.svc.cluster.local}`,
		kind: audit.ServiceSelects, object: "Service/tools/alias", severity: audit.Medium, ports: []string{"api:10002"},
	},
}
