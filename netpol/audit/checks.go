package audit

// check looks for one sort of fault.
type check struct {
	// run returns the faults that a model shows.
	run func(*Model) []Finding
	// after is set instead of run for the check that needs the findings of all the others.
	after func(m *Model, found []Finding) []Finding
	// kinds of the findings that the check returns. It returns no others.
	kinds []Kind
}

const byPort = "Critical: an rpc port or OpenIM's API. High: the WebSocket, the backend. Medium: metrics, or a listener of the gateway " +
	"that is opened wider than the spec says"

const ownPoliciesOnly = "the operator restores its own policies, and an opening that is wanted belongs in `spec.network`"

// checks are all that the audit looks for. The documentation of findings is generated from this table.
var checks = []check{
	{run: checkOwnPolicies, kinds: []Kind{
		{
			Name: OwnPolicyMissing, Severities: []Severity{Critical, High, Medium}, Depends: byPort + "; Medium, too, when other policies " +
				"still deny it",
			Meaning: "A NetworkPolicy of the stack is missing. What it denied may be open, or what it allowed may be denied.",
			Example: "`kubectl delete networkpolicy` while the operator is suspended",
			Fix:     "The operator restores it: see that the operator runs and that `spec.suspend` is false.",

			NeverExcepted: ownPoliciesOnly,
		},
		{
			Name: OwnPolicyChanged, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
			Meaning: "A NetworkPolicy of the stack does not mean what the operator writes. Defaults of the API server, and the order of rules " +
				"and labels, do not count.",
			Example: "a peer is added to a rule of `chat-api-ingress`",
			Fix:     "The operator restores it. Remove the permission to write NetworkPolicies from the account that changed it.",

			NeverExcepted: ownPoliciesOnly,
		},
	}},
	{run: checkForeignPolicies, kinds: []Kind{
		{
			Name: ForeignPolicyWidens, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
			Meaning: "Another NetworkPolicy of the namespace lets in unexpected sources. Policies only add up: the stack's own cannot deny " +
				"what another one allows. Pods that do not exist yet count.",
			Example: "an `allow-all`, made for something else, with an empty `podSelector`",
			Fix:     "Delete it, or narrow its `podSelector`.",
		},
		{
			Name: EgressWidens, Severities: []Severity{High, Medium}, Depends: "High: to addresses outside. Medium: to pods",
			Meaning: "Another NetworkPolicy lets the stack's pods connect to destinations that they do not need. An attacker in one of these " +
				"pods can send messages there.",
			Example: "`egress: [{}]` for all pods of the namespace",
			Fix:     "Delete it, and write a destination that is needed to `spec.network.extraEgress`.",
		},
		{
			Name: MetricsUnsealed, Severities: []Severity{Medium},
			Meaning: "A NetworkPolicy opens metrics, and nothing else, to sources that `spec.network.monitoring` does not name. Metrics have no " +
				"authentication.",
			Example: "a policy for a second Prometheus",
			Fix:     "Name in `spec.network.monitoring` the pods that may read them.",
		},
	}},
	{run: checkReservedLabels, kinds: []Kind{{
		Name: ReservedLabels, Severities: []Severity{Critical},
		Meaning: "A pod that the stack's Deployments did not make carries the labels of a component. Policies let it reach what the " +
			"component reaches, and the component's Service sends it the component's traffic.",
		Example: "a pod labelled as `backend`, which calls OpenIM's API",
		Fix:     "Delete it, and change the labels in the template that makes it.",
	}}},
	{run: checkStrayPods, kinds: []Kind{{
		Name: StrayPod, Severities: []Severity{Critical, High, Medium}, Depends: byPort + "; Medium, too, when other policies still deny it",
		Meaning: "A pod runs under a component's service account without the component's labels. Its ReplicaSet has released it, and the " +
			"stack's policies do not select it.",
		Example: "`kubectl label pod` on a pod of the API: the pod keeps running without policies",
		Fix:     "Delete it: its Deployment has already replaced it.",
	}}},
	{run: checkServices, kinds: []Kind{
		{
			Name: ServiceExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
			Meaning: "A Service of type NodePort or LoadBalancer, or with externalIPs, leads to a sealed port. The gateway's listeners are " +
				"not sealed ports. Packets that enter through the pod's own node pass every policy.",
			Example: "a NodePort to `api:10002`",
			Fix:     "Delete it, or make it a ClusterIP.",
		},
		{
			Name: ServiceSelects, Severities: []Severity{Medium, Low}, Depends: "Medium: by addresses or another name, which cross " +
				"namespaces. Low: by a selector",
			Meaning: "A Service that is not the stack's leads to a sealed port: a path that policies still deny.",
			Example: "an EndpointSlice of another namespace with the address of a pod of the stack",
			Fix:     "Delete it, or change its selector.",
		},
	}},
	{run: checkIngresses, kinds: []Kind{{
		Name: IngressExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		Meaning: "An Ingress leads to a sealed port. Its default backend counts.",
		Example: "an Ingress with the backend `chat-api:10002`",
		Fix:     "Change its backend to the gateway.",
	}}},
	{run: checkRoutes, kinds: []Kind{{
		Name: RouteExposes, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		Meaning: "An HTTPRoute, GRPCRoute, TLSRoute, TCPRoute or UDPRoute of any namespace leads to a sealed port, mirrors included; or an " +
			"object of an ingress controller or a mesh does, such as an OpenShift Route, a Traefik IngressRoute or an Istio VirtualService " +
			"(see below for all kinds).",
		Example: "an HTTPRoute of another namespace with the backend `im/chat-api`",
		Fix:     "Change its backend to the gateway, and remove the ReferenceGrant.",
	}}},
	{run: checkListeners, kinds: []Kind{{
		Name: ListenerExposed, Severities: []Severity{Medium},
		Meaning: "A Service of type NodePort or LoadBalancer, or with externalIPs, an Ingress or a route exposes a listener of the gateway, " +
			"beside the objects of the listener's entry in `spec.wrapper.gateway.expose`. Limits by address, source ranges and certificates " +
			"of the entry do not hold there. A listener without an entry may be exposed by anything.",
		Example: "the load balancer from before the entry, which somebody forgot",
		Fix:     "Delete it, or write the way to `spec.wrapper.gateway.expose`.",
	}}},
	{run: checkDiversions, kinds: []Kind{{
		Name: TrafficDiverted, Severities: []Severity{High},
		Meaning: "An object redirects the traffic of a Service of the stack or of a store: a redirect policy of Cilium, or a route within a " +
			"mesh. The receiver reads it and answers. No policy sees it.",
		Example: "a CiliumLocalRedirectPolicy for `chat-gateway`",
		Fix:     "Delete it, or remove the Service from it.",
	}}},
	{run: checkUnknownReferences, kinds: []Kind{{
		Name: UnknownReference, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		Meaning: "An object of a kind that the audit does not know names a Service of the stack with sealed ports, or carries the labels " +
			"of a component. It may send traffic there, or make pods. The audit reads such objects from files, and `kubectl openimstack` " +
			"reads them from a cluster as far as its rights allow; the operator does not read them.",
		Example: "a custom resource of an API gateway with `serviceName: chat-api`",
		Fix:     "Read it; delete it if it leads past the gateway or makes such pods.",
	}}},
	{run: checkHostPorts, kinds: []Kind{{
		Name: HostPort, Severities: []Severity{High, Medium}, Depends: "Medium: metrics alone",
		Meaning: "A container of the stack has a hostPort for a sealed port.",
		Example: "a mutating webhook that adds host ports",
		Fix:     "Stop what sets it, and restart the Deployment.",
	}}},
	{run: checkHostNetwork, kinds: []Kind{{
		Name: HostNetwork, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
		Meaning: "A pod of the stack is on its node's network, where NetworkPolicies have no effect.",
		Example: "a mutating webhook that sets `hostNetwork`",
		Fix:     "Stop what sets it, and restart the Deployment.",
	}}},
	{run: checkSecondInterfaces, kinds: []Kind{{
		Name: SecondInterface, Severities: []Severity{High, Medium}, Depends: "High: another interface or network. Medium: an address or an " +
			"interface on which policies have an effect in some modes only",
		Meaning: "An annotation or a label gives a pod of the stack or of a store another network interface, or another network than the " +
			"cluster's. NetworkPolicies have no effect there.",
		Example: "`k8s.v1.cni.cncf.io/networks: macvlan-conf`",
		Fix:     "Remove the annotation or label from the template.",
	}}},
	{run: checkDebugContainers, kinds: []Kind{{
		Name: DebugContainer, Severities: []Severity{Medium},
		Meaning: "A debug container runs in a pod of the stack. Policies apply to it as to the component.",
		Example: "`kubectl debug` into the backend",
		Fix:     "Delete the pod: a debug container ends with its pod.",
	}}},
	{run: checkReachableStores, kinds: []Kind{{
		Name: StoreReachable, Severities: []Severity{High, Medium, Low},
		Depends: "High: any pod, or any address. Medium: any pod of the store's namespace, or a pod of another namespace. Low: a pod that a " +
			"rule of the store's own namespace names, or a pod of another stack",
		Meaning: "Pods other than the stack's reach Kafka, Redis, MongoDB, etcd, or the Redis of the wrapper. Access to a store is full " +
			"control of OpenIM.",
		Example: "a Redis whose namespace has no NetworkPolicies",
		Fix:     "Apply the NetworkPolicy that the finding contains.",
	}}},
	{run: checkExposedStores, kinds: []Kind{{
		Name: StoreExposed, Severities: []Severity{High},
		Meaning: "A NodePort, load balancer, externalIP, Ingress or route leads to a store.",
		Example: "MongoDB by a NodePort",
		Fix:     "Delete it, or make the Service a ClusterIP.",
	}}},
	{run: checkEnforcement, kinds: []Kind{{
		Name: NotEnforced, Severities: []Severity{High},
		Meaning: "There is a sign that NetworkPolicies are not enforced: the operator's probes got through, or the network plugin is known " +
			"not to enforce them, or is configured not to.",
		Example: "flannel alone; kube-router with `--run-firewall=false`; the VPC CNI without its agent, or with " +
			"`--enable-network-policy=false`; " +
			"Cilium with `--enable-policy=never`, or with `enable-policy: never` in `cilium-config`",
		Fix: "Install or turn on a plugin that enforces them, and request a probe of the lockdown.",

		NeverExcepted: "without enforcement nothing else that the report says is true",
	}}},
	{run: checkOtherPolicies, kinds: []Kind{{
		Name: UnknownPolicyKind, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		Meaning: "A policy of a kind that is not evaluated applies to the stack's namespace or to the whole cluster. It may allow what " +
			"NetworkPolicies deny. The operator's own ClusterNetworkPolicies, which only deny, do not count.",
		Example: "a CiliumNetworkPolicy in the stack's namespace",
		Fix:     "Read it. The probes test what it lets through.",
	}}},
	{run: checkInvalidPolicies, kinds: []Kind{{
		Name: InvalidPolicy, Severities: []Severity{Low}, Depends: "the verdict becomes CouldNotTell",
		Meaning: "The manifests hold a NetworkPolicy that the API server would refuse.",
		Example: "an `except` outside of its `cidr`",
		Fix:     "Correct or delete it.",

		NeverExcepted: "the API server refuses the policy, so what will be in the cluster is not known",
	}}},
	{run: checkUnmatchedPeers, kinds: []Kind{{
		Name: PeerMatchesNothing, Severities: []Severity{Low},
		Meaning: "A peer of the stack's policies will not match the pods that it is meant for: the pods of the cluster's DNS have other labels " +
			"or another port than `spec.network.dns` says; a peer names pods on their nodes' network, where no selector matches; a store is " +
			"named by addresses of pods or nodes, which Cilium never matches with an ipBlock. Nothing is open, and something does not work.",
		Example: "CoreDNS labelled `k8s-app: coredns`",
		Fix:     "Write what the finding says to the spec.",
	}}},
	{after: checkUnexplained, kinds: []Kind{
		{
			Name: ConnectionShut, Severities: []Severity{Low},
			Meaning: "A connection that the stack needs is denied: nothing is open, and something does not work.",
			Example: "the store's own policy does not let the backend in",
			Fix:     "Add the rule to the policy that the finding names.",
		},
		{
			Name: Unexplained, Severities: []Severity{Critical, High, Medium}, Depends: byPort,
			Meaning: "A connection is open that the stack does not intend, and no finding of another kind explains it. The finding names the " +
				"policy that decides.",
			Example: "none is known",
			Fix:     "Narrow the policy that is named.",

			NeverExcepted: "it names an effect and not its cause, so the exception would hide later causes, too",
		},
	}},
}
