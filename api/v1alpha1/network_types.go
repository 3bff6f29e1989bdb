package v1alpha1

// Network declares the peers that may connect to the stack, and additional destinations of its components.
// +kubebuilder:validation:XValidation:rule="!has(self.webSocket) || self.webSocket != 'Direct' || has(self.webSocketClients)",message="network.webSocketClients is needed when network.webSocket is Direct: write the peers that may reach OpenIM's WebSocket. There is no default, because a client that reaches it can send as another user and read others' chats"
// +kubebuilder:validation:XValidation:rule="!has(self.webSocketClients) || (has(self.webSocket) && self.webSocket == 'Direct')",message="network.webSocketClients has an effect only when network.webSocket is Direct: write webSocket: Direct, or remove webSocketClients"
type Network struct {
	// clients may reach the gateway's users' listener and, unless admins is set, its administrators' listener. Default: anyone, because
	// behind a load balancer the address of a client is often unknown.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Clients []Peer `json:"clients,omitempty"`

	// admins may reach the gateway's administrators' listener. Default: the same as clients.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Admins []Peer `json:"admins,omitempty"`

	// monitoring may reach the metrics ports, which have no authentication. Default: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Monitoring []Peer `json:"monitoring,omitempty"`

	// dns selects the DNS servers. Default: the pods labelled k8s-app=kube-dns in kube-system, port 53.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	DNS []DNSPeer `json:"dns,omitempty"`

	// webSocket is Proxied (default): only the wrapper reaches OpenIM's WebSocket; or Direct: webSocketClients reach it too. A
	// client that reaches it can send as another user and read others' chats.
	// +optional
	WebSocket WebSocketMode `json:"webSocket,omitempty"`

	// webSocketClients are the peers that may reach OpenIM's WebSocket when webSocket is Direct.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	WebSocketClients []Peer `json:"webSocketClients,omitempty"`

	// extraEgress lets components connect to destinations that the rest of the spec does not name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ExtraEgress []ExtraEgress `json:"extraEgress,omitempty"`

	// probe configures the probes, which test the lockdown with connection attempts.
	// +optional
	Probe *Probe `json:"probe,omitempty"`
}

// Probe configures the probes of the lockdown.
type Probe struct {
	// intervalSeconds between two probes. A change of the policies starts a probe at once. Default 300.
	// +optional
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=86400
	IntervalSeconds *int32 `json:"intervalSeconds,omitempty"`
}

// WebSocketMode selects the sources that reach OpenIM's WebSocket.
// +kubebuilder:validation:Enum=Proxied;Direct
type WebSocketMode string

// Modes of the WebSocket.
const (
	WebSocketProxied WebSocketMode = "Proxied"
	WebSocketDirect  WebSocketMode = "Direct"
)

// DNSPeer selects DNS servers.
// +kubebuilder:validation:XValidation:rule="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",message="a peer is an ipBlock, or a podSelector and/or namespaceSelector: write exactly one of the two kinds"
type DNSPeer struct {
	Peer `json:",inline"`

	// port of the DNS pods, UDP and TCP. Default 53; on OpenShift it is 5353.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
}

// ExtraEgress lets components connect to additional peers.
type ExtraEgress struct {
	// name of the entry.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="extraEgress.name must be made of lower-case letters, digits and '-', for example push-vendor"
	Name string `json:"name,omitempty"`

	// components that may connect to the peers.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=14
	Components []ComponentName `json:"components,omitempty"`

	// peers are the destinations.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Peers []Peer `json:"peers,omitempty"`

	// ports of the peers' pods.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Ports []EgressPort `json:"ports,omitempty"`

	// reason for the entry. It is shown in the policies and in the audit.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^([^\p{C}\p{Zl}\p{Zp}]|\x{200c}|\x{200d})*[^\p{C}\p{Z}]([^\p{C}\p{Zl}\p{Zp}]|\x{200c}|\x{200d})*$')`,message="extraEgress.reason must be one line that explains the entry, for example: FCM, for notifications to phones"
	Reason string `json:"reason,omitempty"`
}

// ComponentName is one of OpenIM's processes or of the wrapper's roles.
// +kubebuilder:validation:Enum=api;msggateway;msgtransfer;push;crontask;rpc-auth;rpc-conversation;rpc-friend;rpc-group;rpc-msg;rpc-third;rpc-user;gateway;backend
type ComponentName string

// EgressPort is a port of a peer.
type EgressPort struct {
	// port number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// protocol. Default TCP.
	// +optional
	Protocol PortProtocol `json:"protocol,omitempty"`
}

// PortProtocol is the protocol of a port.
// +kubebuilder:validation:Enum=TCP;UDP;SCTP
type PortProtocol string

// Peer selects pods, or a block of addresses.
// +kubebuilder:validation:XValidation:rule="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",message="a peer is an ipBlock, or a podSelector and/or namespaceSelector: write exactly one of the two kinds"
type Peer struct {
	// podSelector selects pods. Without namespaceSelector: in the stack's namespace.
	// +optional
	PodSelector *Selector `json:"podSelector,omitempty"`

	// namespaceSelector selects namespaces. Empty: all.
	// +optional
	NamespaceSelector *Selector `json:"namespaceSelector,omitempty"`

	// ipBlock selects addresses outside the cluster.
	// +optional
	IPBlock *IPBlock `json:"ipBlock,omitempty"`
}

// Selector selects by labels, as in a NetworkPolicy. An empty selector selects all.
//
// The CRD contains this type some thirty times. Comments after the fields are not copied to the CRD and keep it small.
type Selector struct {
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	MatchLabels map[string]string `json:"matchLabels,omitempty"` // labels that must all be present

	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []SelectorRequirement `json:"matchExpressions,omitempty"` // requirements that must all be met
}

// SelectorRequirement is a requirement for one label.
type SelectorRequirement struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key,omitempty"` // of the label

	// +required
	// +kubebuilder:validation:Pattern=`^(In|NotIn|Exists|DoesNotExist)$`
	Operator string `json:"operator,omitempty"` // between key and values

	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=63
	Values []string `json:"values,omitempty"` // for In and NotIn
}

// CIDR is address/length.
// +kubebuilder:validation:MaxLength=49
type CIDR string

// IPBlock is a block of addresses with exceptions.
// +kubebuilder:validation:XValidation:rule="isCIDR(self.cidr) && (!has(self.except) || self.except.all(e, isCIDR(e) && cidr(self.cidr).containsCIDR(e) && e != self.cidr))",message="ipBlock.cidr must be an address and a prefix length, for example 192.0.2.0/24 or 2001:db8::/32, and each of except a smaller block within it"
type IPBlock struct {
	// +required
	CIDR CIDR `json:"cidr,omitempty"`

	// except lists blocks that are excluded.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Except []CIDR `json:"except,omitempty"`
}
