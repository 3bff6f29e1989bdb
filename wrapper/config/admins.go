package config

// Admins lists the identity providers whose tokens make an administrator.
type Admins struct {
	Issuers []Issuer `json:"issuers"`
}

// Issuer is one identity provider. Exactly one of JWKSFile and JWKSURL is set.
type Issuer struct {
	// Issuer is compared with iss, exactly.
	Issuer string `json:"issuer"`
	// Audiences: aud must hold one of them.
	Audiences []string `json:"audiences"`
	// Algorithms of RFC 7518 and RFC 8037, asymmetric only.
	Algorithms []string `json:"algorithms"`
	// JWKSFile holds the provider's JWK Set (RFC 7517).
	JWKSFile string `json:"jwksFile,omitempty"`
	// JWKSURL is where the provider publishes its JWK Set, https.
	JWKSURL string `json:"jwksURL,omitempty"`
	// CAFile holds the certificates (PEM) that sign the certificate of JWKSURL's host. Default: the system's roots.
	CAFile string `json:"caFile,omitempty"`
	Roles  Roles  `json:"roles"`
	// Types are the accepted typ of the header, without application/. An empty text accepts a header without typ. Default: at+jwt, JWT and
	// no typ.
	Types []string `json:"types,omitempty"`
	// MaxLifetimeSeconds bounds exp - iat. Default 3600.
	MaxLifetimeSeconds int32 `json:"maxLifetimeSeconds,omitempty"`
}

// Roles names the claim that makes an administrator.
type Roles struct {
	// Claim is a member of the token that is a text or a list of texts.
	Claim string `json:"claim"`
	// Admin are the values of Claim that make an administrator.
	Admin []string `json:"admin"`
}
