package config

// Gateway is the gateway's configuration file.
type Gateway struct {
	Admin     AdminListener `json:"admin"`
	Telemetry Telemetry     `json:"telemetry"`
	// Backend is the address at which the gateway reaches the backend.
	Backend BackendEndpoint `json:"backend"`
	Admins  Admins          `json:"admins"`
	// Users is the users' listener. Absent: the gateway serves administrators alone.
	Users *UserListener `json:"users,omitempty"`
	// Redis is the wrapper's own Redis, required by the users' listener. It is never OpenIM's: a client of OpenIM's Redis controls OpenIM.
	Redis *Redis `json:"redis,omitempty"`
	// HotFile is the path of the file with Hot. Absent: the defaults of Hot.
	HotFile string `json:"hotFile,omitempty"`
	// Audit is the audit log.
	Audit   AuditLog `json:"audit,omitzero"`
	Tracing Tracing  `json:"tracing,omitzero"`
	Debug   Debug    `json:"debug,omitzero"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
}

// AdminListener configures the administrators' listener.
type AdminListener struct {
	// Listen is host:port.
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls,omitzero"`
	// ConnectionsPerAddress bounds the open connections of one address; trustedProxies are not bounded. An IPv6 /64 counts as one address,
	// a /56 has twice and a /48 four times the bound. Default 256.
	ConnectionsPerAddress int32 `json:"connectionsPerAddress,omitempty"`
}

// UserListener configures the users' listener, for calls and sockets.
type UserListener struct {
	// Listen is host:port.
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls,omitzero"`
	// ConnectionsPerAddress bounds the open connections of one address, sockets included; trustedProxies are not bounded. An IPv6 /64
	// counts as one address, a /56 has twice and a /48 four times the bound. Default: a sixteenth of the listener's connections, and half
	// of them for a private address.
	ConnectionsPerAddress int32 `json:"connectionsPerAddress,omitempty"`
	// Session has the same values in the backend's file: the backend makes the sessions, the gateway checks them.
	Session Session `json:"session"`
	// CodeLifetimeSeconds is how long an enrolment code is valid, at most MaxCodeLifetimeSeconds. Default DefaultCodeLifetimeSeconds.
	CodeLifetimeSeconds int32 `json:"codeLifetimeSeconds"`
	// SocketToken is the credential that opens a socket, TicketOrSession or TicketOnly. Default TicketOrSession.
	SocketToken string   `json:"socketToken,omitempty"`
	Realtime    Realtime `json:"realtime"`
}

// Credentials that open a socket.
const (
	TicketOrSession = "TicketOrSession"
	// TicketOnly refuses a session's token in the query, where access logs of proxies would keep it.
	TicketOnly = "TicketOnly"
)

// Realtime is OpenIM's message gateway, and the bound of the sockets that the gateway relays to it.
type Realtime struct {
	// URL is ws://host:port.
	URL string `json:"url"`
	// MaxSockets is how many sockets one replica holds at once. Default DefaultMaxSockets.
	MaxSockets int32 `json:"maxSockets"`
	// DrainSeconds is the time over which a stopping gateway closes its sockets. Default DefaultDrainSeconds.
	DrainSeconds int32 `json:"drainSeconds"`
}

// BackendEndpoint holds the backend's address, and the key that the gateway authenticates with.
type BackendEndpoint struct {
	// URL is http://host:port.
	URL string `json:"url"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
}

// AuditLog configures where the audit log is written.
type AuditLog struct {
	// Path is a file, or AuditStdout. Default AuditStdout.
	Path string `json:"path,omitempty"`
}

// AuditStdout is the Path of an audit log on standard output.
const AuditStdout = "stdout"

// Defaults of the users' listener.
const (
	DefaultMaxSockets          = int32(20000)
	DefaultDrainSeconds        = int32(10)
	DefaultCodeLifetimeSeconds = int32(600)
	MaxCodeLifetimeSeconds     = int32(600)
)
