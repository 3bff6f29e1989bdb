package v1alpha1

// Wrapper is the gateway (the only public entry) and the backend (the only holder of OpenIM's secret).
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

	// auth says who may enter.
	// +required
	Auth WrapperAuth `json:"auth,omitzero"`
}

// GatewaySpec sizes the gateway and gives it a certificate.
type GatewaySpec struct {
	ProcessSpec `json:",inline"`

	// tls makes the gateway serve HTTPS. When absent it serves plain HTTP, and TLS must be ended in front of it.
	// +optional
	TLS *GatewayTLS `json:"tls,omitempty"`
}

// GatewayTLS is the gateway's certificate.
type GatewayTLS struct {
	// secretRef names a Secret of type kubernetes.io/tls. A renewed certificate is picked up without a restart.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`
}

// WrapperAuth says who may enter.
type WrapperAuth struct {
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

// JWKSSource is where public keys are.
type JWKSSource struct {
	// secretRef is the key of a Secret that holds a JSON Web Key Set (RFC 7517). New keys are picked up without a restart.
	// +required
	SecretRef KeyReference `json:"secretRef,omitzero"`
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
