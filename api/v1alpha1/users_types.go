package v1alpha1

// UserAuth configures how users log in.
type UserAuth struct {
	// audience is the URL at which users reach the gateway, with only scheme and host, for example https://im.example.com. Logins
	// are bound to the audience: a login for another audience is refused. Use http only for tests in clusters without TLS.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*[.]?|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?$')",message="users.audience must be a URL with only scheme and host, for example https://im.example.com"
	Audience string `json:"audience,omitempty"`

	// origins of web pages that may call the gateway from a browser. Default: none. A change takes effect without a restart.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Origins []Origin `json:"origins,omitempty"`

	// trustedProxies are load balancers whose header X-Forwarded-For is trusted. Default: none. A change takes effect without a restart.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="a CIDR must be an address and a prefix length, for example 192.0.2.0/24 or 2001:db8::/32"
	TrustedProxies []CIDR `json:"trustedProxies,omitempty"`

	// serverKeys are the static keys of the login, by which clients recognise the gateway. Only the backend reads them. When absent,
	// a key is generated in the Secret <name>-login, which is kept when the stack is deleted.
	// +optional
	ServerKeys *ServerKeys `json:"serverKeys,omitempty"`

	// serverKeyFingerprint is the fingerprint of a static key that clients have pinned, as in status.loginKeys. The wrapper then
	// runs only with a Secret that holds this key, and the operator never generates another key.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="users.serverKeyFingerprint must be sha256: followed by 64 hexadecimal digits, as in status.loginKeys"
	ServerKeyFingerprint string `json:"serverKeyFingerprint,omitempty"`

	// enrolment configures how new devices are enrolled.
	// +optional
	Enrolment *Enrolment `json:"enrolment,omitempty"`

	// session configures the sessions of users.
	// +optional
	Session *UserSession `json:"session,omitempty"`

	// socketToken selects the tokens that open a WebSocket. Default TicketOrSession; TicketOnly refuses session tokens in the URL.
	// +optional
	SocketToken SocketToken `json:"socketToken,omitempty"`
}

// SocketToken selects the tokens that open a WebSocket.
// +kubebuilder:validation:Enum=TicketOrSession;TicketOnly
type SocketToken string

// Values of SocketToken.
const (
	// SocketTicketOrSession accepts a ticket, or the session's token in the URL as official SDKs send it.
	SocketTicketOrSession SocketToken = "TicketOrSession"
	// SocketTicketOnly accepts only a ticket: proxies log URLs, and a ticket works once.
	SocketTicketOnly SocketToken = "TicketOnly"
)

// Origin of a web page: scheme, host and port.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^https?://([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*[.]?|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?$')",message="an origin must be a URL with only scheme and host, for example https://chat.example.com, or * for any"
type Origin string

// ServerKeys names the static keys of the login.
type ServerKeys struct {
	// secretRef names a Secret. Each of its keys holds the private half of an X25519 key pair: 32 bytes as base64url or as 64
	// hexadecimal digits. Up to 4 keys; new logins use the first by name. A change takes effect without a restart.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`
}

// Enrolment configures how new devices are enrolled: by a code that works once.
type Enrolment struct {
	// codeLifetimeSeconds is the lifetime of a code. Default 600, which is also the maximum.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=600
	CodeLifetimeSeconds *int32 `json:"codeLifetimeSeconds,omitempty"`
}

// UserSession configures the sessions of users.
// +kubebuilder:validation:XValidation:rule="!has(self.idleSeconds) || self.idleSeconds <= (has(self.lifetimeSeconds) ? self.lifetimeSeconds : 86400)",message="session.idleSeconds must not exceed session.lifetimeSeconds (default 86400): lower idleSeconds or raise lifetimeSeconds"
type UserSession struct {
	// lifetimeSeconds after which the user must log in again. Default 86400, one day.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=7776000
	LifetimeSeconds *int32 `json:"lifetimeSeconds,omitempty"`

	// idleSeconds without a call after which the user must log in again. Default 3600, one hour.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=7776000
	IdleSeconds *int32 `json:"idleSeconds,omitempty"`
}
