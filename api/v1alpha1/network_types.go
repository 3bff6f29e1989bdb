package v1alpha1

// Network says what besides the stack's own connections is let through.
type Network struct {
	// clients may reach the gateway: its users' port and, unless admins says otherwise, its administrators' port. Default: anyone, since behind a load balancer a client's address is often not seen.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Clients []Peer `json:"clients,omitempty"`

	// admins may reach the gateway's administrators' port. Default: the same as clients.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Admins []Peer `json:"admins,omitempty"`

	// monitoring may reach the metrics ports, which have no authentication. Default: nobody.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Monitoring []Peer `json:"monitoring,omitempty"`

	// dns is where names are resolved, port 53, UDP and TCP. Default: the pods labelled k8s-app=kube-dns in kube-system.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	DNS []Peer `json:"dns,omitempty"`

	// probe tries the lockdown with real connections.
	// +optional
	Probe *Probe `json:"probe,omitempty"`
}

// Probe says how often the lockdown is tried.
type Probe struct {
	// intervalSeconds between two tries. A change of the policies is tried at once. Default 300.
	// +optional
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=86400
	IntervalSeconds *int32 `json:"intervalSeconds,omitempty"`
}

// Peer is one side of a connection outside the stack: pods, or a block of addresses.
// +kubebuilder:validation:XValidation:rule="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",message="a peer is either an ipBlock or a podSelector and/or namespaceSelector: write exactly one of the two kinds"
type Peer struct {
	// podSelector selects pods, in the namespaces of namespaceSelector, or in the stack's own when that is absent.
	// +optional
	PodSelector *Selector `json:"podSelector,omitempty"`

	// namespaceSelector selects namespaces. An empty selector means all.
	// +optional
	NamespaceSelector *Selector `json:"namespaceSelector,omitempty"`

	// ipBlock is a block of addresses outside the cluster.
	// +optional
	IPBlock *IPBlock `json:"ipBlock,omitempty"`
}

// Selector selects by labels, as in a NetworkPolicy. An empty one selects all.
type Selector struct {
	// matchLabels that must all be there.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	MatchLabels map[string]string `json:"matchLabels,omitempty"`

	// matchExpressions that must all hold.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	MatchExpressions []SelectorRequirement `json:"matchExpressions,omitempty"`
}

// SelectorOperator relates a label to values.
// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist
type SelectorOperator string

// SelectorRequirement is a condition on one label.
type SelectorRequirement struct {
	// key of the label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	Key string `json:"key,omitempty"`

	// operator between key and values.
	// +required
	Operator SelectorOperator `json:"operator,omitempty"`

	// values for In and NotIn.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=63
	Values []string `json:"values,omitempty"`
}

// CIDR is a block of addresses.
// +kubebuilder:validation:MinLength=4
// +kubebuilder:validation:MaxLength=49
// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="a CIDR must be an address and a prefix length, for example 192.0.2.0/24 or 2001:db8::/32"
type CIDR string

// IPBlock is a block of addresses with exceptions.
type IPBlock struct {
	// cidr of the block.
	// +required
	CIDR CIDR `json:"cidr,omitempty"`

	// except lists blocks within cidr that are left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Except []CIDR `json:"except,omitempty"`
}
