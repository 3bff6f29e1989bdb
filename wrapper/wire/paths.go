package wire

// Paths of the users' door.
const (
	// UserPrefix stands before OpenIM's own path on the users' listener: official SDKs take it as the end of their API address.
	UserPrefix = "/im/v1"
	// SocketPath is the WebSocket: official SDKs take it as their WebSocket address.
	SocketPath = UserPrefix + "/ws"
	// ObjectPrefix stands before an object's name in a GET.
	ObjectPrefix = UserPrefix + "/object/"

	// WellKnownPath publishes the keys of the login (RFC 8615).
	WellKnownPath = "/.well-known/openim-gateway"

	// AuthPrefix stands before the gateway's own routes for users.
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

// Paths of the admins' door that are the gateway's own.
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
