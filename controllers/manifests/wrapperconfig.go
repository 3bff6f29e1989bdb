package manifests

import "encoding/json"

// The files that the wrapper reads, as its packages gateway and backend define them. The two sides do not import each
// other; a test parses what is rendered here with the wrapper's own parser.

type listener struct {
	Listen string `json:"listen"`
}

type doorConfig struct {
	Listen string     `json:"listen"`
	TLS    *tlsConfig `json:"tls,omitempty"`
}

type tlsConfig struct {
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

type gatewayConfig struct {
	Admin                doorConfig       `json:"admin"`
	Users                *usersConfig     `json:"users,omitempty"`
	HotFile              string           `json:"hotFile,omitempty"`
	Redis                *redisConfig     `json:"redis,omitempty"`
	Telemetry            listener         `json:"telemetry"`
	Debug                *listener        `json:"debug,omitempty"`
	Tracing              *tracingConfig   `json:"tracing,omitempty"`
	Audit                *auditConfig     `json:"audit,omitempty"`
	Backend              backendReference `json:"backend"`
	Admins               adminsConfig     `json:"admins"`
	ShutdownGraceSeconds int32            `json:"shutdownGraceSeconds"`
}

type usersConfig struct {
	doorConfig          `json:",inline"`
	Session             sessionConfig  `json:"session"`
	CodeLifetimeSeconds int32          `json:"codeLifetimeSeconds"`
	SocketToken         string         `json:"socketToken,omitempty"`
	Realtime            realtimeConfig `json:"realtime"`
}

// loginConfig is what the backend logs users in by, and bounds their sessions.
type loginConfig struct {
	Audience      string        `json:"audience"`
	ServerKeysDir string        `json:"serverKeysDir"`
	Session       sessionConfig `json:"session"`
}

type sessionConfig struct {
	LifetimeSeconds int32 `json:"lifetimeSeconds"`
	IdleSeconds     int32 `json:"idleSeconds"`
}

type realtimeConfig struct {
	URL          string `json:"url"`
	MaxSockets   int32  `json:"maxSockets"`
	DrainSeconds int32  `json:"drainSeconds"`
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
	JWKSFile   string      `json:"jwksFile,omitempty"`
	JWKSURL    string      `json:"jwksURL,omitempty"`
	CAFile     string      `json:"caFile,omitempty"`
	Roles      rolesConfig `json:"roles"`
}

type rolesConfig struct {
	Claim string   `json:"claim"`
	Admin []string `json:"admin"`
}

type redisConfig struct {
	Addresses    []string        `json:"addresses"`
	UsernameFile string          `json:"usernameFile,omitempty"`
	PasswordFile string          `json:"passwordFile,omitempty"`
	KeyPrefix    string          `json:"keyPrefix"`
	Database     int32           `json:"database,omitempty"`
	TLS          *redisTLSConfig `json:"tls,omitempty"`
}

type redisTLSConfig struct {
	CAFile string `json:"caFile"`
}

type mongodbConfig struct {
	URIFile      string   `json:"uriFile,omitempty"`
	Addresses    []string `json:"addresses,omitempty"`
	UsernameFile string   `json:"usernameFile,omitempty"`
	PasswordFile string   `json:"passwordFile,omitempty"`
	Database     string   `json:"database"`
	AuthSource   string   `json:"authSource,omitempty"`
}

type tracingConfig struct {
	Endpoint    string      `json:"endpoint"`
	SampleRatio json.Number `json:"sampleRatio"`
}

type auditConfig struct {
	Path string `json:"path"`
}

type backendConfig struct {
	Listen               string         `json:"listen"`
	Telemetry            listener       `json:"telemetry"`
	Debug                *listener      `json:"debug,omitempty"`
	Tracing              *tracingConfig `json:"tracing,omitempty"`
	AssertionKeyFile     string         `json:"assertionKeyFile"`
	OpenIM               openimConfig   `json:"openim"`
	Admins               adminsConfig   `json:"admins"`
	Users                *loginConfig   `json:"users,omitempty"`
	Redis                *redisConfig   `json:"redis,omitempty"`
	MongoDB              *mongodbConfig `json:"mongodb,omitempty"`
	CustodyKeyFile       string         `json:"custodyKeyFile,omitempty"`
	ShutdownGraceSeconds int32          `json:"shutdownGraceSeconds"`
}

type openimConfig struct {
	APIURL      string `json:"apiURL"`
	AdminUserID string `json:"adminUserID"`
	SecretFile  string `json:"secretFile"`
	Release     string `json:"release,omitempty"`
	ExternalURL string `json:"externalURL,omitempty"`
	ObjectURL   string `json:"objectURL,omitempty"`
}

// hotConfig is what the gateway takes without a restart.
type hotConfig struct {
	Origins        []string      `json:"origins,omitempty"`
	TrustedProxies []string      `json:"trustedProxies,omitempty"`
	Limits         *limitsConfig `json:"limits,omitempty"`
	Rules          []ruleConfig  `json:"rules,omitempty"`
}

type limitsConfig struct {
	Classes map[string]classConfig `json:"classes"`
}

type classConfig struct {
	PerSecond float64  `json:"perSecond"`
	Burst     int32    `json:"burst"`
	By        []string `json:"by"`
}

type ruleConfig struct {
	Name       string `json:"name"`
	Expression string `json:"expression"`
	Message    string `json:"message"`
}
