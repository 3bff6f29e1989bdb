package v1alpha1

// UserAuth says how users log in, and from where.
type UserAuth struct {
	// audience is the URL under which users reach the gateway, scheme and host alone, for example https://im.example.com. Logins
	// are bound to it: one made for another audience is refused. http is for clusters without TLS, to try things.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/?#@ ]+$')",message="users.audience must be a URL of scheme and host alone, for example https://im.example.com"
	Audience string `json:"audience,omitempty"`

	// origins of web pages that may call the gateway from a browser. Default: none. A change takes effect without a restart.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Origins []Origin `json:"origins,omitempty"`

	// trustedProxies are load balancers whose X-Forwarded-For is believed. Default: none. A change takes effect without a restart.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="a CIDR must be an address and a prefix length, for example 192.0.2.0/24 or 2001:db8::/32"
	TrustedProxies []CIDR `json:"trustedProxies,omitempty"`

	// serverKeys are the static keys of the login, by which clients recognise the gateway; the backend alone reads them. When absent,
	// one is generated as <name>-login, which stays when the stack is deleted.
	// +optional
	ServerKeys *ServerKeys `json:"serverKeys,omitempty"`

	// serverKeyFingerprint is that of a static key that clients have pinned, as status.loginKeys shows it. The wrapper then
	// runs only with a Secret that holds that key, and no other key is ever generated in its place.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="users.serverKeyFingerprint must be sha256: followed by 64 hexadecimal digits, as status.loginKeys shows it"
	ServerKeyFingerprint string `json:"serverKeyFingerprint,omitempty"`

	// enrolment is how a new device is taken in.
	// +optional
	Enrolment *Enrolment `json:"enrolment,omitempty"`

	// session is what a login gives.
	// +optional
	Session *UserSession `json:"session,omitempty"`

	// socketToken is what opens a WebSocket. Default TicketOrSession; TicketOnly refuses session tokens in its URL.
	// +optional
	SocketToken SocketToken `json:"socketToken,omitempty"`
}

// SocketToken is what opens a WebSocket.
// +kubebuilder:validation:Enum=TicketOrSession;TicketOnly
type SocketToken string

// What opens a WebSocket.
const (
	// SocketTicketOrSession takes a ticket, or the session's token in the URL as official SDKs send it.
	SocketTicketOrSession SocketToken = "TicketOrSession"
	// SocketTicketOnly takes a ticket alone: URLs are written down on the way.
	SocketTicketOnly SocketToken = "TicketOnly"
)

// Origin of a web page: scheme, host and port.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self == '*' || self.matches('^https?://[^/?#@* ]+$')",message="an origin must be a URL of scheme and host alone, for example https://chat.example.com, or * for any"
type Origin string

// ServerKeys are where the static keys of the login are.
type ServerKeys struct {
	// secretRef names a Secret of which every key holds the private half of an X25519 key pair: 32 bytes as base64url or as 64
	// hexadecimal digits. Up to 4; the first by name is the one that new logins use. A change is picked up without a restart.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`
}

// Enrolment is how a new device is taken in: by a code that works once.
type Enrolment struct {
	// codeLifetimeSeconds is how long a code is good for. Default 600, which is also the most.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=600
	CodeLifetimeSeconds *int32 `json:"codeLifetimeSeconds,omitempty"`
}

// UserSession is what a login gives.
// +kubebuilder:validation:XValidation:rule="!has(self.idleSeconds) || self.idleSeconds <= (has(self.lifetimeSeconds) ? self.lifetimeSeconds : 86400)",message="session.idleSeconds must not be longer than session.lifetimeSeconds (default 86400): lower the one or raise the other"
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
