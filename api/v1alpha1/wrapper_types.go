package v1alpha1

// Wrapper is the gateway (the only public entry) and the backend (the only holder of OpenIM's secret).
// +kubebuilder:validation:XValidation:rule="!has(self.auth) || !has(self.auth.users) || has(self.redis)",message="wrapper.redis is needed when wrapper.auth.users is set: write the addresses of a Redis of the wrapper's own. It must not be OpenIM's, because whoever reaches that one owns OpenIM"
// +kubebuilder:validation:XValidation:rule="has(self.auth) != has(self.externalRef)",message="wrapper needs exactly one of auth and externalRef: write auth.admins.issuers for the operator's own gateway and backend, or externalRef.podSelector for a wrapper of your own"
// +kubebuilder:validation:XValidation:rule="!has(self.externalRef) || !(has(self.image) || has(self.gateway) || has(self.backend) || has(self.redis) || has(self.mongodb) || has(self.limits) || has(self.policy) || has(self.audit) || has(self.tracing))",message="wrapper.externalRef runs instead of the operator's gateway and backend: remove all else of wrapper, or externalRef"
type Wrapper struct {
	// image of the wrapper, with tag or digest. Default: the image which the operator was released with.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`

	// gateway is the public entry.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`

	// backend alone calls OpenIM's HTTP API.
	// +optional
	Backend *ProcessSpec `json:"backend,omitempty"`

	// redis is the wrapper's own: sessions, handshakes, tickets, limits and revocations, and encrypted OpenIM tokens. Needed
	// when auth.users is set. It must not be OpenIM's: whoever reaches that one owns OpenIM.
	// +optional
	Redis *WrapperRedis `json:"redis,omitempty"`

	// mongodb is where the backend keeps devices, enrolment codes and the state of users. Default: dependencies.mongodb.
	// +optional
	MongoDB *MongoDB `json:"mongodb,omitempty"`

	// auth says who may enter. Needed unless externalRef is set.
	// +optional
	Auth WrapperAuth `json:"auth,omitzero"`

	// externalRef selects a wrapper of your own. It runs instead of gateway and backend, and alone reaches OpenIM's HTTP API and
	// WebSocket. What users can do to one another is then for it to prevent.
	// +optional
	ExternalRef *ExternalWrapper `json:"externalRef,omitempty"`

	// limits bounds how often callers may call. A change of it takes effect without a restart.
	// +optional
	Limits *Limits `json:"limits,omitempty"`

	// policy refuses what its rules say. A change of it takes effect without a restart.
	// +optional
	Policy *Policy `json:"policy,omitempty"`

	// audit is the trail of all calls and messages: who, what, allowed or not, never what a message says.
	// +optional
	Audit *Audit `json:"audit,omitempty"`

	// tracing sends OpenTelemetry traces of gateway and backend to a collector. Default: none are made.
	// +optional
	Tracing *Tracing `json:"tracing,omitempty"`
}

// ExternalWrapper selects pods that reach OpenIM's HTTP API and WebSocket.
// +kubebuilder:validation:XValidation:rule="!has(self.podSelector) || has(self.podSelector.matchLabels) && size(self.podSelector.matchLabels) > 0 || has(self.podSelector.matchExpressions) && size(self.podSelector.matchExpressions) > 0",message="externalRef.podSelector must name a label: whoever it selects reaches OpenIM's HTTP API (write for example matchLabels: {app: my-wrapper})"
// +kubebuilder:validation:XValidation:rule="!has(self.namespaceSelector) || has(self.namespaceSelector.matchLabels) && size(self.namespaceSelector.matchLabels) > 0 || has(self.namespaceSelector.matchExpressions) && size(self.namespaceSelector.matchExpressions) > 0",message="externalRef.namespaceSelector must name a label: an empty one selects all namespaces, and whoever may make pods in any of them would reach OpenIM (write for example matchLabels: {kubernetes.io/metadata.name: chat})"
type ExternalWrapper struct {
	// podSelector selects its pods.
	// +required
	PodSelector *Selector `json:"podSelector,omitempty"`

	// namespaceSelector selects their namespaces. Default: the stack's own.
	// +optional
	NamespaceSelector *Selector `json:"namespaceSelector,omitempty"`
}

// GatewaySpec sizes the gateway and gives it a certificate.
type GatewaySpec struct {
	ProcessSpec `json:",inline"`

	// tls makes the gateway serve HTTPS, on the users' and on the administrators' port. When absent it serves plain HTTP, and
	// TLS must be ended in front of it.
	// +optional
	TLS *GatewayTLS `json:"tls,omitempty"`

	// maxSockets is how many WebSockets one replica holds. Default 20000.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	MaxSockets *int32 `json:"maxSockets,omitempty"`

	// drainSeconds is the time over which a replica that stops closes its WebSockets, so that its clients do not all come back
	// at once. Default 10.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=300
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
}

// GatewayTLS is the gateway's certificate.
type GatewayTLS struct {
	// secretRef names a Secret of type kubernetes.io/tls. A renewed certificate is picked up without a restart.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`
}

// WrapperAuth says who may enter.
type WrapperAuth struct {
	// users log in by Diffie-Hellman with a key of their device, and call OpenIM's API and WebSocket as themselves. When
	// absent, only administrators are let in.
	// +optional
	Users *UserAuth `json:"users,omitempty"`

	// admins present a JWT of one of the issuers.
	// +required
	Admins AdminAuth `json:"admins,omitzero"`
}

// AdminAuth says which tokens make an administrator.
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
	// issuer must equal the token's iss claim, byte by byte.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Issuer string `json:"issuer,omitempty"`

	// audiences of which the token's aud claim must name one.
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

	// jwks is where the issuer's public keys are.
	// +required
	JWKS JWKSSource `json:"jwks,omitzero"`

	// roles says which tokens are an administrator's.
	// +required
	Roles Roles `json:"roles,omitzero"`
}

// JWKSSource is where public keys are: in a Secret, or at a URL of the issuer's.
// +kubebuilder:validation:XValidation:rule="has(self.secretRef) != has(self.url)",message="jwks needs exactly one of secretRef and url: write one of the two"
// +kubebuilder:validation:XValidation:rule="has(self.url) || !(has(self.caSecretRef) || has(self.peers))",message="jwks.caSecretRef and jwks.peers belong to jwks.url: remove them, or write url instead of secretRef"
type JWKSSource struct {
	// secretRef is the key of a Secret that holds a JSON Web Key Set (RFC 7517). New keys are picked up without a restart.
	// +optional
	SecretRef *KeyReference `json:"secretRef,omitempty"`

	// url of the key set. It is fetched again and again, and kept for a day when it cannot be fetched.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https://[^/?#@ ]+(/[^?# ]*)?$')",message="jwks.url must be an https URL without user, query and fragment, for example https://id.example.com/jwks.json"
	URL string `json:"url,omitempty"`

	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that vouch for the url's server.
	// Default: the well-known public ones.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`

	// peers are where the url's server is on the network, when its host cannot tell.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Peers []Peer `json:"peers,omitempty"`
}

// Roles maps a claim to roles.
type Roles struct {
	// claim that lists the token's groups: a string or a list of strings.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Claim string `json:"claim,omitempty"`

	// admin lists the values of the claim that make an administrator.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	Admin []string `json:"admin,omitempty"`
}
