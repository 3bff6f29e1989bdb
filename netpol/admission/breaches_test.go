package admission_test

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// breach is an object that would open the stack chat.
type breach struct {
	policy, name, yaml string
	// names is a text in the message besides the object and the stack.
	names string
}

func (b breach) object(ns string) *unstructured.Unstructured { return object(ns, b.yaml) }

// breaches, by admission policy. Each would open the stack in another way.
var breaches = []breach{
	{"network-policies", "a policy that lets anyone in to all pods", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: open}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{}]}}`, "(all of its pods)"},
	{"network-policies", "a policy that lets all pods out", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out}, spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}}`, "(all of its pods)"},
	{"network-policies", "a policy that selects the stack's pods by its name", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: friend}, spec: {podSelector: {matchLabels: {app.kubernetes.io/instance: chat}}, ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}}`, "(all of its pods)"},
	{"network-policies", "a policy that selects a component by an expression", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [web, api]}]}, ingress: [{}]}}`, "(api)"},
	{"network-policies", "a policy for all pods that have a component", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: exists}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: Exists}]}, ingress: [{}]}}`, "(all of its pods)"},
	{"network-policies", "a policy for all pods but some", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: but}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/name, operator: NotIn, values: [openim, nginx]}]}, ingress: [{}]}}`, "(gateway, backend, check)"},
	{"network-policies", "a policy for all pods without a label", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: without}, spec: {podSelector: {matchExpressions: [{key: app, operator: DoesNotExist}]}, ingress: [{}]}}`, "(all of its pods)"},
	{"network-policies", "a policy with rules for a direction that it does not claim", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: types}, spec: {podSelector: {}, policyTypes: [Egress], ingress: [{}]}}`, "(all of its pods)"},
	{"network-policies", "a policy that selects by labels whose values only the operator knows", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: version}, spec: {podSelector: {matchLabels: {app.kubernetes.io/version: v3.8.3}, matchExpressions: [{key: pod-template-hash, operator: Exists}]}, ingress: [{}]}}`, "(all of its pods)"},

	{"pods", "a pod that calls itself a part of the stack", `
{apiVersion: v1, kind: Pod, metadata: {name: part, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/part-of: openimstack}}, spec: {containers: [{name: x, image: x}]}}`, "app.kubernetes.io/instance"},
	{"pods", "a pod that calls itself the backend, which the API lets in", `
{apiVersion: v1, kind: Pod, metadata: {name: fake, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/component: backend}}, spec: {containers: [{name: x, image: x}]}}`, ""},
	{"pods", "a pod that the API server names", `
{apiVersion: v1, kind: Pod, metadata: {generateName: chat-api-, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/name: openim, app.kubernetes.io/component: api}}, spec: {containers: [{name: x, image: x}]}}`, "chat-api-"},
	{"pods", "a pod with a forged owner", `
{apiVersion: v1, kind: Pod, metadata: {name: owned, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: chat-api-1, uid: 11111111-1111-1111-1111-111111111111, controller: true}],
 labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/name: openim, app.kubernetes.io/component: api, app.kubernetes.io/part-of: openimstack, app.kubernetes.io/managed-by: openim-operator}}, spec: {containers: [{name: x, image: x}]}}`, ""},

	{
		"workloads",
		"a Deployment",
		workload("apps/v1", "Deployment", "selector: {matchLabels: {app.kubernetes.io/instance: chat}}"),
		"Deployment",
	},
	{
		"workloads",
		"a ReplicaSet",
		workload("apps/v1", "ReplicaSet", "selector: {matchLabels: {app.kubernetes.io/instance: chat}}"),
		"ReplicaSet",
	},
	{"workloads", "a StatefulSet", workload("apps/v1", "StatefulSet", "serviceName: x, selector: {matchLabels: "+
		"{app.kubernetes.io/instance: chat}}"), "StatefulSet"},
	{"workloads", "a DaemonSet", workload("apps/v1", "DaemonSet", "selector: {matchLabels: {app.kubernetes.io/instance: chat}}"), "DaemonSet"},
	{"workloads", "a Job", workload("batch/v1", "Job", "suspend: true"), "Job"},
	{"workloads", "a ReplicationController", workload("v1", "ReplicationController", "replicas: 0"), "ReplicationController"},
	{"workloads", "a CronJob", `
{apiVersion: batch/v1, kind: CronJob, metadata: {name: fake}, spec: {schedule: "* * * * *", suspend: true, jobTemplate: {spec: {template: {metadata: {labels: {` + backendLabels + `}}, spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}}}}`, "CronJob"},
	{"workloads", "a PodTemplate", `
{apiVersion: v1, kind: PodTemplate, metadata: {name: fake}, template: {metadata: {labels: {` + backendLabels + `}}, spec: {containers: [{name: x, image: x}]}}}`, "PodTemplate"},

	{"services", "a NodePort to a component", `
{apiVersion: v1, kind: Service, metadata: {name: node}, spec: {type: NodePort, selector: {app.kubernetes.io/instance: chat, app.kubernetes.io/component: api}, ports: [{port: 80, targetPort: 10002}]}}`, "(api)"},
	{"services", "a load balancer to the WebSocket", `
{apiVersion: v1, kind: Service, metadata: {name: lb}, spec: {type: LoadBalancer, selector: {app.kubernetes.io/component: msggateway}, ports: [{port: 443, targetPort: websocket}]}}`, "(msggateway)"},
	{"services", "an external address to all pods of the stack", `
{apiVersion: v1, kind: Service, metadata: {name: external}, spec: {externalIPs: [192.0.2.7], selector: {app.kubernetes.io/part-of: openimstack}, ports: [{port: 8082}]}}`, "backend"},
	{"services", "a headless Service, which gives away addresses", `
{apiVersion: v1, kind: Service, metadata: {name: headless}, spec: {clusterIP: None, selector: {app.kubernetes.io/name: openim, app.kubernetes.io/version: v3.8.3}}}`, "rpc-msg"},
	{"services", "a Service to the gateway's metrics beside its listeners", `
{apiVersion: v1, kind: Service, metadata: {name: metrics}, spec: {selector: {app.kubernetes.io/component: gateway}, ports: [{name: a, port: 443, targetPort: users}, {name: b, port: 9090}]}}`, "8082 or users"},
	{"services", "another name of a component's Service", `
{apiVersion: v1, kind: Service, metadata: {name: alias}, spec: {type: ExternalName, externalName: chat-api.NAMESPACE.svc.cluster.local}}`, "chat-api"},

	{"endpoints", "an EndpointSlice behind the backend's Service", `
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: steal, labels: {kubernetes.io/service-name: chat-backend}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.7]}], ports: [{name: http, port: 8080}]}`, "chat-backend"},
	{"endpoints", "an EndpointSlice that leads to OpenIM's API", `
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: path, labels: {kubernetes.io/service-name: mine}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.7]}], ports: [{port: 10002}]}`, "10002"},
	{"endpoints", "Endpoints of a component's Service", `
{apiVersion: v1, kind: Endpoints, metadata: {name: chat-rpc-user}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 1}]}]}`, "chat-rpc-user"},
	{"endpoints", "Endpoints that lead to the WebSocket", `
{apiVersion: v1, kind: Endpoints, metadata: {name: mine}, subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 10001}]}]}`, "10001"},

	{"ingresses", "an Ingress whose default backend is a component", `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: default}, spec: {defaultBackend: {service: {name: chat-api, port: {number: 10002}}}}}`, "chat-api"},
	{"ingresses", "an Ingress with a path to a component beside an innocent one", `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: paths}, spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}},
 {host: im.example.com, http: {paths: [{path: /ws, pathType: Prefix, backend: {service: {name: chat-msggateway, port: {name: websocket}}}}]}}]}}`, "chat-msggateway"},
	{"ingresses", "an Ingress to the gateway's metrics", `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: metrics}, spec: {defaultBackend: {service: {name: chat-gateway, port: {name: telemetry}}}}}`, "chat-gateway port 8081 or admin"},

	{"routes", "an HTTPRoute", route("v1", "HTTPRoute", "{name: chat-api, port: 10002}"), "chat-api"},
	{"routes", "an HTTPRoute of an older version", route("v1beta1", "HTTPRoute", "{name: chat-api, port: 10002}"), ""},
	{"routes", "a GRPCRoute", route("v1", "GRPCRoute", "{name: chat-rpc-auth, port: 10200}"), "chat-rpc-auth"},
	{"routes", "a GRPCRoute of an older version", route("v1alpha2", "GRPCRoute", "{name: chat-rpc-auth, port: 10200}"), ""},
	{"routes", "a TLSRoute", route("v1alpha3", "TLSRoute", "{kind: Service, name: chat-msggateway, port: 10001}"), "chat-msggateway"},
	{"routes", "a TCPRoute", route("v1alpha2", "TCPRoute", "{group: '', name: chat-backend, port: 8080}"), "chat-backend"},
	{"routes", "a UDPRoute", route("v1alpha2", "UDPRoute", "{name: chat-api, namespace: NAMESPACE, port: 10002}"), ""},
	{
		"routes",
		"a route to the gateway's metrics",
		route("v1", "HTTPRoute", "{name: web, port: 80}, {name: chat-gateway, port: 9090}"),
		"chat-gateway",
	},
	{"routes", "a route without a port", route("v1", "HTTPRoute", "{name: chat-gateway}"), ""},
	{"routes", "a route that copies requests to a component", `
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: mirror}, spec: {rules: [{backendRefs: [{name: web, port: 80}], filters: [{type: RequestMirror, requestMirror: {backendRef: {name: chat-api, port: 10002}}}]}]}}`, "chat-api"},
	{"routes", "a backend that copies requests to a component", `
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: deep}, spec: {rules: [{backendRefs: [{name: web, port: 80, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: chat-api, port: 10002}}}]}]}]}}`, "chat-api"},
	{"routes", "a grant of all Services to routes of other namespaces", `
{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: all}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}], to: [{group: "", kind: Service}]}}`, "chat-api"},
	{"routes", "a grant of a component's Service", `
{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: one}, spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}], to: [{group: "", kind: Service, name: chat-backend}]}}`, "chat-backend"},
}

// innocents resemble breaches and open nothing.
var innocents = []struct{ name, yaml string }{
	{"a policy that denies everything", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}`},
	{"a policy for other pods", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{}]}}`},
	{"a policy for all pods but the stack's, as the message says", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: others}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/part-of, operator: NotIn, values: [openimstack]}]}, ingress: [{}], egress: [{}]}}`},
	{"a policy for a component of the same name of another stack", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: other-stack}, spec: {podSelector: {matchLabels: {app.kubernetes.io/instance: chat-two, app.kubernetes.io/component: api}}, ingress: [{}]}}`},
	{"a policy whose expressions contradict each other", `
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: nobody}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/component, operator: In, values: [api]}, {key: app.kubernetes.io/instance, operator: DoesNotExist}]}, ingress: [{}]}}`},
	{"a pod of another application of the stack's name", `
{apiVersion: v1, kind: Pod, metadata: {name: web, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/name: web, app.kubernetes.io/component: api}}, spec: {containers: [{name: x, image: x}]}}`},
	{"a pod of a stack that is not here", `
{apiVersion: v1, kind: Pod, metadata: {name: away, labels: {app.kubernetes.io/instance: chat-two, app.kubernetes.io/part-of: openimstack}}, spec: {containers: [{name: x, image: x}]}}`},
	{"a pod on its node's network", `
{apiVersion: v1, kind: Pod, metadata: {name: host}, spec: {hostNetwork: true, containers: [{name: x, image: x, ports: [{containerPort: 10002, hostPort: 10002}]}]}}`},
	{"a Deployment of another application", `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app.kubernetes.io/instance: chat, app.kubernetes.io/part-of: openimstack}}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web, app.kubernetes.io/instance: chat}}, spec: {containers: [{name: x, image: x}]}}}}`},
	{"a load balancer to the users' listener and the administrators'", `
{apiVersion: v1, kind: Service, metadata: {name: public}, spec: {type: LoadBalancer, selector: {app.kubernetes.io/instance: chat, app.kubernetes.io/component: gateway}, ports: [{name: a, port: 443, targetPort: users}, {name: b, port: 8443, targetPort: 8081}]}}`},
	{"a Service of other pods on a port of OpenIM's", `
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {app: web}, ports: [{port: 10002}]}}`},
	{"a Service without pods", `
{apiVersion: v1, kind: Service, metadata: {name: manual}, spec: {ports: [{port: 10002}]}}`},
	{"another name of a host that begins alike", `
{apiVersion: v1, kind: Service, metadata: {name: alias}, spec: {type: ExternalName, externalName: chat-api.NAMESPACE.svc2.example.com}}`},
	{"another name of a Service in another namespace", `
{apiVersion: v1, kind: Service, metadata: {name: alias-elsewhere}, spec: {type: ExternalName, externalName: chat-api.elsewhere.svc.cluster.local}}`},
	{"an EndpointSlice of a database outside", `
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: db, labels: {kubernetes.io/service-name: db}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.7]}], ports: [{port: 5432}]}`},
	{"Endpoints without addresses, as old leader elections have them", `
{apiVersion: v1, kind: Endpoints, metadata: {name: leader}}`},
	{"an Ingress to the users' listener", `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: listener}, spec: {defaultBackend: {service: {name: chat-gateway, port: {number: 8082}}}}}`},
	{"an Ingress to a Service whose name begins alike, and to no Service at all", `
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: docs}, spec: {defaultBackend: {resource: {apiGroup: example.com, kind: Bucket, name: chat-api}}, rules: [{host: a.example.com}, {http: {paths: [{path: /, pathType: Exact, backend: {service: {name: chat-api-docs, port: {number: 10002}}}}]}}]}}`},
	{"an HTTPRoute to the administrators' listener", route("v1", "HTTPRoute", "{name: chat-gateway, port: 8081}")},
	{"a route to the Service of a stack elsewhere", route("v1", "GRPCRoute", "{name: chat-api, namespace: elsewhere, port: 10002}")},
	{"a route to something else of that name", route("v1alpha2", "TCPRoute", "{group: multicluster.x-k8s.io, kind: ServiceImport, name: "+
		"chat-api, port: 10002}")},
	{"a route that changes headers and has no backend", `
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: headers}, spec: {rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: a, value: b}]}}]}, {}]}}`},
	{"a grant of the gateway's Service", `
{apiVersion: gateway.networking.k8s.io/v1, kind: ReferenceGrant, metadata: {name: gateway}, spec: {to: [{group: "", kind: Service, name: chat-gateway}, {group: "", kind: Secret}]}}`},
}

const backendLabels = `app.kubernetes.io/instance: chat, app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/component: backend`

// workload with the labels of the backend, which runs no pod.
func workload(version, kind, spec string) string {
	restart := "Always"
	if kind == "Job" {
		restart = "Never"
	}
	return `{apiVersion: ` + version + `, kind: ` + kind + `, metadata: {name: fake}, spec: {` + spec + `, template: {metadata: {labels: {` +
		backendLabels + `}}, spec: {restartPolicy: ` + restart + `, nodeSelector: {no: where}, containers: [{name: x, image: x}]}}}}`
}

func route(version, kind, backends string) string {
	return `{apiVersion: gateway.networking.k8s.io/` + version + `, kind: ` + kind + `, metadata: {generateName: route-}, spec: {rules: [{backendRefs: [` + backends + `]}]}}`
}
