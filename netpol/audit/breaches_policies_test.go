package audit_test

import "github.com/openimstack/openim-operator/netpol/audit"

// policyBreaches are NetworkPolicies that are added to the stack's namespace. Policies only add up, so each opens what it lets in.
var policyBreaches = []breach{
	{
		name: "a policy lets anyone in to every pod of the namespace",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-all, namespace: im}
spec: {podSelector: {}, ingress: [{}]}`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/allow-all", severity: audit.Critical,
		ports: []string{"api:10002", "rpc-auth:10200", "msggateway:10001", "backend:8080", "gateway:8081", "msgtransfer:12020"},
		lets:  []string{"anyone", "now pod"}, fix: []string{"kubectl -n im delete networkpolicy allow-all"},
	},
	{
		name: "a policy for debugging lets another namespace in to the API",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: debug-api, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: api}}
  policyTypes: [Ingress]
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: tools}}}]
    ports: [{port: 10002}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/debug-api", severity: audit.Critical,
		ports: []string{"api:10002"}, only: true, lets: []string{"all pods in namespaces team=tools",
			"now pod tools/shell"}, fix: []string{"debug-api"},
	},
	{
		name: "a policy lets in pods that do not exist yet",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: later, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: rpc-auth}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: jobs}}}]
    ports: [{port: 10200}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/later", severity: audit.Critical,
		ports: []string{"rpc-auth:10200"}, only: true, lets: []string{"pods app=jobs in the stack's namespace"},
	},
	{
		name: "a port by its name, to sources that reach nothing else",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: sockets, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/instance: chat}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]
    ports: [{port: websocket}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/sockets", severity: audit.High,
		ports: []string{"msggateway:10001"}, only: true, lets: []string{"kubernetes.io/metadata.name=ingress", "pod ingress/controller"},
	},
	{
		name: "a range of ports",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: range, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/name: openim}}
  ingress:
  - from: [{ipBlock: {cidr: 10.0.0.0/8}}]
    ports: [{port: 10200, endPort: 10240}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/range", severity: audit.Critical,
		ports: []string{"rpc-auth:10200", "rpc-conversation:10220", "rpc-friend:10240"}, only: true, lets: []string{"10.0.0.0/8"},
	},
	{
		name: "an IPv6 block",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: six, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: backend}}
  ingress:
  - from: [{ipBlock: {cidr: "::/0"}}]
    ports: [{port: 8080}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/six", severity: audit.High,
		ports: []string{"backend:8080"}, only: true, lets: []string{"::/0"},
	},
	{
		name: "the users' listener is opened wider than spec.network.clients",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more-clients, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}
  ingress:
  - from: [{ipBlock: {cidr: 192.0.0.0/16}}]
    ports: [{port: 8082}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/more-clients", severity: audit.Medium,
		ports: []string{"gateway:8082"}, only: true, lets: []string{"192.0.0.0/16"},
	},
	{
		name: "the clients' block, one bit wider",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: one-bit, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}
  ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/23}}], ports: [{port: users}]}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/one-bit", severity: audit.Medium, ports: []string{"gateway:8082"}, only: true,
	},
	{
		name: "clients are let in at the administrators' listener",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wrong-listener, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}
  ingress:
  - from: [{ipBlock: {cidr: 192.0.2.0/24}}]
    ports: [{port: 8081}, {port: 8082}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/wrong-listener", severity: audit.Medium,
		ports: []string{"gateway:8081"}, only: true,
	},
	{
		name: "one value too many in a list of labels",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: scrapers, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: api}}
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
      podSelector: {matchExpressions: [{key: app, operator: In, values: [prometheus, grafana]}]}
    ports: [{port: 12002}]`,
		kind: audit.MetricsUnsealed, object: "NetworkPolicy/im/scrapers", severity: audit.Medium,
		ports: []string{"api:12002"}, only: true, lets: []string{"grafana"}, fix: []string{"spec.network.monitoring"},
	},
	{
		name: "metrics are opened to all namespaces",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: metrics, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/part-of: openimstack}}
  ingress:
  - from: [{namespaceSelector: {}}]
    ports: [{port: metrics}, {port: telemetry}]`,
		kind: audit.MetricsUnsealed, object: "NetworkPolicy/im/metrics", severity: audit.Medium,
		ports: []string{"api:12002", "rpc-user:12320", "gateway:9090", "backend:9090"}, lets: []string{"all pods in all namespaces"},
	},
	{
		name: "egress to anywhere",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: internet, namespace: im}
spec: {podSelector: {matchLabels: {app.kubernetes.io/instance: chat}}, policyTypes: [Egress], egress: [{}]}`,
		kind: audit.EgressWidens, object: "NetworkPolicy/im/internet", severity: audit.High, only: true,
		lets: []string{"anyone", "all ports", "api"}, fix: []string{"kubectl -n im delete networkpolicy internet", "spec.network.extraEgress"},
	},
	{
		name: "egress of one component to a vendor that the spec does not name",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: vendor, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: push}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 443}]}]`,
		kind: audit.EgressWidens, object: "NetworkPolicy/im/vendor", severity: audit.High, only: true,
		lets: []string{"push may connect to 203.0.113.0/24, 443/TCP"},
	},
	{
		name: "egress to pods of another namespace",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: sideways, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: rpc-msg}}
  policyTypes: [Egress]
  egress: [{to: [{namespaceSelector: {matchLabels: {team: tools}}}]}]`,
		kind: audit.EgressWidens, object: "NetworkPolicy/im/sideways", severity: audit.Medium, only: true,
		lets: []string{"rpc-msg", "team=tools"},
	},
	{
		name: "all ports of the DNS pods instead of one",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns-too, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports: [{protocol: TCP}]`,
		kind: audit.EgressWidens, object: "NetworkPolicy/im/dns-too", severity: audit.Medium, only: true,
		lets: []string{"gateway", "all TCP ports"},
	},
	{
		name: "components that need not call one another may, on both sides",
		add: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: in, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: api}}
  ingress: [{from: [{podSelector: {matchLabels: {app.kubernetes.io/component: gateway}}}], ports: [{port: 10002}]}]`,
		kind: audit.ForeignPolicyWidens, object: "NetworkPolicy/im/in", severity: audit.Critical,
		ports: []string{"api:10002"}, only: true,
	},
}
