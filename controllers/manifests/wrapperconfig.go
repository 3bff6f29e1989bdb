package manifests

// The files that the wrapper reads, as its packages gateway and backend define them. The two sides do not import each
// other; a test parses what is rendered here with the wrapper's own parser.

type listener struct {
	Listen string `json:"listen"`
}

type adminListener struct {
	Listen string     `json:"listen"`
	TLS    *tlsConfig `json:"tls,omitempty"`
}

type tlsConfig struct {
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

type gatewayConfig struct {
	Admin                adminListener    `json:"admin"`
	Telemetry            listener         `json:"telemetry"`
	Backend              backendReference `json:"backend"`
	Admins               adminsConfig     `json:"admins"`
	ShutdownGraceSeconds int32            `json:"shutdownGraceSeconds"`
}

type backendReference struct {
	URL              string `json:"url"`
	AssertionKeyFile string `json:"assertionKeyFile"`
}

type adminsConfig struct {
	Issuers []issuerConfig `json:"issuers"`
}

type issuerConfig struct {
	Issuer     string      `json:"issuer"`
	Audiences  []string    `json:"audiences"`
	Algorithms []string    `json:"algorithms"`
	JWKSFile   string      `json:"jwksFile"`
	Roles      rolesConfig `json:"roles"`
}

type rolesConfig struct {
	Claim string   `json:"claim"`
	Admin []string `json:"admin"`
}

type backendConfig struct {
	Listen               string       `json:"listen"`
	Telemetry            listener     `json:"telemetry"`
	AssertionKeyFile     string       `json:"assertionKeyFile"`
	OpenIM               openimConfig `json:"openim"`
	ShutdownGraceSeconds int32        `json:"shutdownGraceSeconds"`
}

type openimConfig struct {
	APIURL      string `json:"apiURL"`
	AdminUserID string `json:"adminUserID"`
	SecretFile  string `json:"secretFile"`
}
