package audit

// Kind describes a kind of finding.
type Kind struct {
	// Word is what Finding.Kind holds.
	Word string
	// Severities that it may have, the most severe first, and what decides between them.
	Severities []Severity
	// Depends says what the severity depends on, when there are several.
	Depends string
	// What it means.
	What string
	// Example of how it comes about.
	Example string
	// Fix in general. A finding's own names the object and the command.
	Fix string
}

// Kinds returns all kinds of findings, in the order in which they are looked for.
func Kinds() []Kind { return kinds }

const byPort = "Critical: an rpc port or OpenIM's API. High: the WebSocket, the backend. Medium: metrics, or a door opened wider than " +
	"the spec says"

var kinds = []Kind{
	{
		Word: OwnPolicyMissing, Severities: []Severity{Critical, High, Medium}, Depends: byPort + "; Medium, too, when other policies still " +
			"deny it",
		What:    "A NetworkPolicy of the stack's is not there. What it shut may be open, or what it let through shut.",
		Example: "`kubectl delete networkpolicy` while the operator is suspended",
		Fix:     "The operator puts it back: let it run, and `spec.suspend` be false.",
	},
	{
		Word: OwnPolicyChanged, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
		What: "A NetworkPolicy of the stack's does not mean what the operator writes. Defaults of the API server, and the order of rules " +
			"and labels, do not count.",
		Example: "a peer is added to a rule of `chat-api-ingress`",
		Fix:     "The operator puts it back. Take the right to write NetworkPolicies from whoever did it.",
	},
	{
		Word: ForeignPolicyWidens, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
		What: "Another NetworkPolicy of the namespace lets in who is not meant to come in. Policies only add up: the stack's own cannot " +
			"take it back. Pods that do not exist yet count.",
		Example: "an `allow-all`, made for something else, with an empty `podSelector`",
		Fix:     "Delete it, or narrow its `podSelector`.",
	},
	{
		Word: EgressWidens, Severities: []Severity{High, Medium}, Depends: "High: to addresses outside. Medium: to pods",
		What:    "Another NetworkPolicy lets the stack's pods out to where they need not go. Who takes one of them over can carry messages away.",
		Example: "`egress: [{}]` for all pods of the namespace",
		Fix:     "Delete it, and write a way out that is needed to `spec.network.extraEgress`.",
	},
	{
		Word: MetricsUnsealed, Severities: []Severity{Medium},
		What:    "A NetworkPolicy opens metrics, and nothing else, to whom `spec.network.monitoring` does not name. They have no authentication.",
		Example: "a policy for a second Prometheus",
		Fix:     "Name who may read them in `spec.network.monitoring`.",
	},
	{
		Word: ReservedLabels, Severities: []Severity{Critical},
		What: "A pod that the stack's Deployments did not make carries the labels of a component. Policies let it reach what the " +
			"component reaches, and the component's Service sends it what is meant for the component.",
		Example: "a pod labelled as `backend`, which calls OpenIM's API",
		Fix:     "Delete it, and give what makes it other labels.",
	},
	{
		Word: StrayPod, Severities: []Severity{Critical, High, Medium}, Depends: byPort + "; Medium, too, when other policies still deny it",
		What: "A pod runs under a component's service account without the component's labels. Its ReplicaSet has let go of it, and the " +
			"stack's policies do not select it.",
		Example: "`kubectl label pod` on a pod of the API, so that it is left running outside",
		Fix:     "Delete it: its Deployment has made another already.",
	},
	{
		Word: ServiceExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		What: "A Service of type NodePort or LoadBalancer, or with externalIPs, leads to a sealed port. The gateway's doors are no sealed " +
			"ports. What enters by the pod's own node passes every policy.",
		Example: "a NodePort to `api:10002`",
		Fix:     "Delete it, or make it a ClusterIP.",
	},
	{
		Word: ServiceSelects, Severities: []Severity{Medium, Low}, Depends: "Medium: by addresses or another name, which cross namespaces. " +
			"Low: by a selector",
		What:    "A Service that is not the stack's leads to a sealed port: a path that policies still shut.",
		Example: "an EndpointSlice of another namespace with the address of a pod of the stack",
		Fix:     "Delete it, or change its selector.",
	},
	{
		Word: IngressExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		What:    "An Ingress leads to a sealed port, its default backend included.",
		Example: "an Ingress with the backend `chat-api:10002`",
		Fix:     "Let it lead to the gateway.",
	},
	{
		Word: RouteExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		What: "An HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute of any namespace leads to a sealed port, mirrors included; or an " +
			"object of an ingress controller or a mesh does, such as an OpenShift Route, a Traefik IngressRoute or an Istio VirtualService (see " +
			"below for all kinds).",
		Example: "an HTTPRoute of another namespace with the backend `im/chat-api`",
		Fix:     "Let it lead to the gateway, and remove the ReferenceGrant.",
	},
	{
		Word: TrafficDiverted, Severities: []Severity{High},
		What: "An object sends elsewhere what is meant for a Service of the stack or of a store: a redirect of Cilium's, or a route " +
			"within a mesh. Whoever receives it reads it and answers. No policy sees it.",
		Example: "a CiliumLocalRedirectPolicy for `chat-gateway`",
		Fix:     "Delete it, or take the Service out of it.",
	},
	{
		Word: UnknownReference, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		What: "An object of a kind that the audit does not know names a sealed Service of the stack, or carries the labels of a " +
			"component. It may send traffic there, or make pods. Looked for in files, and in a cluster by `kubectl openimstack` as far as its " +
			"rights reach; the operator does not look for it.",
		Example: "a custom resource of an API gateway with `serviceName: chat-api`",
		Fix:     "Read it; delete it if it leads past the gateway or makes such pods.",
	},
	{
		Word: HostPort, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		What:    "A container of the stack has a hostPort for a sealed port.",
		Example: "a mutating webhook that adds host ports",
		Fix:     "Stop what sets it, and restart the Deployment.",
	},
	{
		Word: HostNetwork, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
		What:    "A pod of the stack is on its node's network, where policies do not bind.",
		Example: "a mutating webhook that sets `hostNetwork`",
		Fix:     "Stop what sets it, and restart the Deployment.",
	},
	{
		Word: SecondInterface, Severities: []Severity{High, Medium}, Depends: "High: another interface or network. Medium: an address or an " +
			"interface on which policies hold in some modes alone",
		What: "An annotation gives a pod of the stack or of a store another network interface, or another network than the cluster's. " +
			"NetworkPolicies do not bind there.",
		Example: "`k8s.v1.cni.cncf.io/networks: macvlan-conf`",
		Fix:     "Take the annotation off the template.",
	},
	{
		Word: DebugContainer, Severities: []Severity{Medium},
		What:    "A debug container runs in a pod of the stack. To every policy it is the component.",
		Example: "`kubectl debug` into the backend",
		Fix:     "Delete the pod: a debug container ends with it.",
	},
	{
		Word: StoreReachable, Severities: []Severity{High, Medium, Low},
		Depends: "High: any pod, or any address. Medium: any pod of the store's namespace, or a pod of another. Low: a pod that a rule of " +
			"the store's own namespace names, or another stack's",
		What:    "Others than the stack reach Kafka, Redis, MongoDB, etcd, or the Redis of the wrapper. Whoever reaches them owns OpenIM.",
		Example: "a Redis whose namespace has no NetworkPolicies",
		Fix:     "Apply the NetworkPolicy that the finding writes out.",
	},
	{
		Word: StoreExposed, Severities: []Severity{High},
		What:    "A NodePort, load balancer, externalIP, Ingress or route leads to a store.",
		Example: "MongoDB by a NodePort",
		Fix:     "Delete it, or make the Service a ClusterIP.",
	},
	{
		Word: NotEnforced, Severities: []Severity{High},
		What: "There is a sign that nobody enforces NetworkPolicies: the operator's probes got through, or the network plugin is known " +
			"not to, or is told not to.",
		Example: "flannel alone; kube-router with `--run-firewall=false`; the VPC CNI without its agent, or with " +
			"`--enable-network-policy=false`; " +
			"Cilium with `--enable-policy=never`, or with `enable-policy: never` in `cilium-config`",
		Fix: "Install or turn on a plugin that enforces them, and have the lockdown probed.",
	},
	{
		Word: UnknownPolicyKind, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		What: "A policy of a kind that is not evaluated touches the stack: of its namespace, or of the whole cluster. It may let through " +
			"what NetworkPolicies deny. The operator's own ClusterNetworkPolicies, which only deny, do not count.",
		Example: "a CiliumNetworkPolicy in the stack's namespace",
		Fix:     "Read it. The probes try what it lets through.",
	},
	{
		Word: InvalidPolicy, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		What:    "A NetworkPolicy that the API server would refuse stands in the manifests.",
		Example: "an `except` outside of its `cidr`",
		Fix:     "Correct or delete it.",
	},
	{
		Word: PeerMatchesNothing, Severities: []Severity{Low},
		What: "A peer of the stack's policies will not match whom it is meant for: the pods of the cluster's DNS have other labels or " +
			"another port than `spec.network.dns` says; a peer names pods on their nodes' network, where no selector matches; a store is named " +
			"by addresses that are pods' or nodes', which Cilium never matches with an ipBlock. Nothing is open, and something does not work.",
		Example: "CoreDNS labelled `k8s-app: coredns`",
		Fix:     "Write what the finding says to the spec.",
	},
	{
		Word: ConnectionShut, Severities: []Severity{Low},
		What:    "Something that the stack needs is denied: nothing is open, and something does not work.",
		Example: "the store's own policy does not let the backend in",
		Fix:     "Add the rule to the policy that the finding names.",
	},
	{
		Word: Unexplained, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
		What:    "A connection is open that should be shut, and none of the kinds above accounts for it. It names the policy that decides.",
		Example: "none is known",
		Fix:     "Narrow the policy that is named.",
	},
}
