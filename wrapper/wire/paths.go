package wire

// Paths of the users' listener.
const (
	// UserPrefix precedes OpenIM's own path on the users' listener. The API address for official SDKs ends with it.
	UserPrefix = "/im/v1"
	// SocketPath is the path of the WebSocket. The WebSocket address for official SDKs ends with it.
	SocketPath = UserPrefix + "/ws"
	// ObjectPrefix precedes an object's name in a GET.
	ObjectPrefix = UserPrefix + "/object/"

	// WellKnownPath is the path of the key document of the login (RFC 8615).
	WellKnownPath = "/.well-known/openim-gateway"

	// AuthPrefix is the prefix of the gateway's own routes for users.
	AuthPrefix         = "/auth/v1"
	PathLoginStart     = AuthPrefix + "/dh/start"
	PathLoginFinish    = AuthPrefix + "/dh/finish"
	PathCodes          = AuthPrefix + "/codes"
	PathDevices        = AuthPrefix + "/devices"
	PathRevokeDevice   = AuthPrefix + "/devices/revoke"
	PathSession        = AuthPrefix + "/session"
	PathRevokeSessions = AuthPrefix + "/sessions/revoke"
	PathTickets        = AuthPrefix + "/tickets"
)

// Paths of the gateway's own routes on the administrators' listener.
const (
	AdminOwnPrefix          = AdminPrefix + "/wrapper"
	PathAdminIssueCode      = AdminOwnPrefix + "/codes/issue"
	PathAdminDevices        = AdminOwnPrefix + "/devices/list"
	PathAdminRevokeDevices  = AdminOwnPrefix + "/devices/revoke"
	PathAdminRevokeSessions = AdminOwnPrefix + "/sessions/revoke"
	PathAdminDisableUser    = AdminOwnPrefix + "/users/disable"
	PathAdminEnableUser     = AdminOwnPrefix + "/users/enable"
	PathAdminAuditHeads     = AdminOwnPrefix + "/audit/heads"
)
