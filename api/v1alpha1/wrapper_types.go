package v1alpha1

// Wrapper is the gateway (the only public entry) and the backend (the only holder of OpenIM's secret).
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.auth.users) || has(self.redis)",message="wrapper.redis is needed when wrapper.auth.users is set: write the addresses of a Redis for the wrapper only. It must not be OpenIM's Redis, because access to it is full access to OpenIM"
// +kubebuilder:validation:XValidation:rule="has(self.auth) != has(self.externalRef)",message="wrapper needs exactly one of auth and externalRef: write auth.admins.issuers for the operator's gateway and backend, or externalRef.podSelector for your own wrapper"
// +kubebuilder:validation:XValidation:rule="!has(self.gateway) || !has(self.gateway.expose) || has(self.auth) && has(self.auth.users) || !self.gateway.expose.exists(e, e.listener == 'Users')",message="gateway.expose names the users' listener, and there is none: write auth.users, or remove the entry with listener: Users"
// +kubebuilder:validation:XValidation:rule="!has(self.externalRef) || !(has(self.image) || has(self.gateway) || has(self.backend) || has(self.redis) || has(self.mongodb) || has(self.limits) || has(self.policy) || has(self.audit) || has(self.tracing))",message="wrapper.externalRef replaces the operator's gateway and backend: remove all other fields of wrapper, or externalRef"
type Wrapper struct {
	// image of the wrapper, with tag or digest. Default: the image of the operator's release.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// gateway is the public entry.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`

	// backend is the only caller of OpenIM's HTTP API.
	// +optional
	Backend *ProcessSpec `json:"backend,omitempty"`

	// redis stores sessions, handshakes, tickets, limits, revocations and encrypted OpenIM tokens. Needed when auth.users is
	// set. It must not be OpenIM's Redis: access to that Redis is full access to OpenIM.
	// +optional
	Redis *WrapperRedis `json:"redis,omitempty"`

	// mongodb stores the backend's devices, enrolment codes and states of users. Default: dependencies.mongodb.
	// +optional
	MongoDB *MongoDB `json:"mongodb,omitempty"`

	// auth configures the authentication of callers. Needed unless externalRef is set.
	// +optional
	Auth WrapperAuth `json:"auth,omitzero"`

	// externalRef selects the pods of your own wrapper. It replaces gateway and backend, and only it reaches OpenIM's HTTP API and
	// WebSocket. It must prevent users from acting as other users.
	// +optional
	ExternalRef *ExternalWrapper `json:"externalRef,omitempty"`

	// limits are the rate limits of callers. A change takes effect without a restart.
	// +optional
	Limits *Limits `json:"limits,omitempty"`

	// policy holds rules that refuse calls. A change takes effect without a restart.
	// +optional
	Policy *Policy `json:"policy,omitempty"`

	// audit configures the audit log of all calls and messages: caller, call, allowed or not, never the content of a message.
	// +optional
	Audit *Audit `json:"audit,omitempty"`

	// tracing sends OpenTelemetry traces of gateway and backend to a collector. Default: no tracing.
	// +optional
	Tracing *Tracing `json:"tracing,omitempty"`
}

// ExternalWrapper selects pods that reach OpenIM's HTTP API and WebSocket.
// +kubebuilder:validation:XValidation:rule="!has(self.podSelector) || has(self.podSelector.matchLabels) && size(self.podSelector.matchLabels) > 0 || has(self.podSelector.matchExpressions) && size(self.podSelector.matchExpressions) > 0",message="externalRef.podSelector must name a label: all selected pods reach OpenIM's HTTP API (write for example matchLabels: {app: my-wrapper})"
// +kubebuilder:validation:XValidation:rule="!has(self.namespaceSelector) || has(self.namespaceSelector.matchLabels) && size(self.namespaceSelector.matchLabels) > 0 || has(self.namespaceSelector.matchExpressions) && size(self.namespaceSelector.matchExpressions) > 0",message="externalRef.namespaceSelector must name a label: an empty selector selects all namespaces, and every user who may create pods in one of them would reach OpenIM (write for example matchLabels: {kubernetes.io/metadata.name: chat})"
type ExternalWrapper struct {
	// podSelector selects the wrapper's pods.
	// +required
	PodSelector *Selector `json:"podSelector,omitempty"`

	// namespaceSelector selects the namespaces of these pods. Default: the stack's namespace.
	// +optional
	NamespaceSelector *Selector `json:"namespaceSelector,omitempty"`
}

// GatewaySpec sizes the gateway, gives it a certificate, and brings it out of the cluster.
// +kubebuilder:validation:XValidation:rule="has(self.tls) || !has(self.expose) || self.expose.all(e, !has(e.httpRoute) || !has(e.httpRoute.backendCARef) && !has(e.httpRoute.backendHostname))",message="httpRoute.backendCARef and httpRoute.backendHostname are about the gateway's certificate, and there is none: write gateway.tls, or remove them"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.expose) || self.expose.all(e, !has(e.httpRoute) || has(e.httpRoute.backendHostname) || !e.httpRoute.hostnames[0].startsWith('*'))",message="the first of httpRoute.hostnames has a wildcard, which no certificate is checked for: write httpRoute.backendHostname, the name in the gateway's certificate"
type GatewaySpec struct {
	ProcessSpec `json:",inline"`

	// tls makes the gateway serve HTTPS, on the users' and on the administrators' listener. When absent it serves HTTP, and
	// TLS must be terminated in front of it.
	// +optional
	TLS *GatewayTLS `json:"tls,omitempty"`

	// maxSockets is the maximum number of WebSockets of one replica. Default 20000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	MaxSockets *int32 `json:"maxSockets,omitempty"`

	// drainSeconds is the time over which a stopping replica closes its WebSockets, so that not all clients reconnect at once.
	// Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`

	// expose brings listeners of the gateway out of the cluster. Default: none; clients then need a Service, an Ingress or a route that
	// somebody else makes. Who may connect is decided by network.clients and network.admins alone.
	// +optional
	// +listType=map
	// +listMapKey=listener
	// +kubebuilder:validation:MaxItems=2
	Expose []Exposure `json:"expose,omitempty"`
}

// GatewayTLS is the gateway's certificate.
type GatewayTLS struct {
	// secretRef names a Secret of type kubernetes.io/tls. A renewed certificate takes effect without a restart.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`
}

// WrapperAuth configures the authentication of callers.
type WrapperAuth struct {
	// users log in by Diffie-Hellman with a key of their device, and call OpenIM's API and WebSocket as themselves. When
	// absent, only administrators have access.
	// +optional
	Users *UserAuth `json:"users,omitempty"`

	// admins present a JWT of one of the issuers.
	// +required
	Admins AdminAuth `json:"admins,omitzero"`
}

// AdminAuth selects the tokens of administrators.
type AdminAuth struct {
	// issuers whose tokens are accepted.
	// +required
	// +listType=map
	// +listMapKey=issuer
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Issuers []Issuer `json:"issuers,omitempty"`
}

// SigningAlgorithm is a JWS algorithm (RFC 7518, RFC 8037) with asymmetric keys.
// +kubebuilder:validation:Enum=ES256;ES384;ES512;PS256;PS384;PS512;RS256;RS384;RS512;EdDSA
type SigningAlgorithm string

// Issuer is an identity provider.
type Issuer struct {
	// issuer must equal the token's iss claim exactly.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer,omitempty"`

	// audiences that are accepted. The token's aud claim must contain at least one of them.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Audiences []string `json:"audiences,omitempty"`

	// algorithms that are accepted. Default ES256.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Algorithms []SigningAlgorithm `json:"algorithms,omitempty"`

	// jwks is the source of the issuer's public keys.
	// +required
	JWKS JWKSSource `json:"jwks,omitzero"`

	// roles selects the tokens of administrators.
	// +required
	Roles Roles `json:"roles,omitzero"`
}

// JWKSSource is the source of public keys: a Secret, or a URL of the issuer.
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.url)",message="jwks needs exactly one of secretRef and url: write one of the two"
// +kubebuilder:validation:XValidation:rule="has(self.url) || !(has(self.caSecretRef) || has(self.peers))",message="jwks.caSecretRef and jwks.peers belong to jwks.url: remove them, or write url instead of secretRef"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="jwks.peerPort is the port of peers: write peers, or remove peerPort"
type JWKSSource struct {
	// secretRef is the key of a Secret with a JSON Web Key Set (RFC 7517). New keys take effect without a restart.
	// +optional
	SecretRef *KeyReference `json:"secretRef,omitempty"`

	// url of the key set. It is fetched periodically, and kept for a day when it cannot be fetched.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*[.]?|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?(/([!$&->@-~]|%[0-9A-Fa-f]{2})*)?$')",message="jwks.url must be an https URL without user, query and fragment, for example https://id.example.com/jwks.json"
	URL string `json:"url,omitempty"`

	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that sign the certificate of the url's server.
	// Default: the public authorities, and those of pods.trust.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`

	// peers select the url's server on the network, when its host is not a Service or an address.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// Roles maps a claim to roles.
type Roles struct {
	// claim with the groups of the token: a string or a list of strings.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Claim string `json:"claim,omitempty"`

	// admin lists the values of the claim that identify an administrator.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Admin []string `json:"admin,omitempty"`
}
