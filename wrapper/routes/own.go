package routes

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Listener is one of the gateway's listeners.
type Listener string

// The gateway's listeners.
const (
	Users  Listener = "users"
	Admins Listener = "admins"
)

// OwnRoute is a route that the gateway serves itself.
type OwnRoute struct {
	Method   string
	Path     string // matched byte for byte with the request line
	Listener Listener
	Session  bool   // users' listener: needs a session; the administrators' listener always needs a token
	Limit    string // a class of the gateway's rate limits: login, self, admin, socket
	Audit    Audit
	Body     int64 // bytes; 0: no body is read
	// Reply is the message of own_replies.txt for the reply's data; "": the reply is a connection.
	Reply string
	Why   string
}

// Rate limit classes of OwnRoutes.
const (
	LimitLogin  = "login"
	LimitSelf   = "self"
	LimitAdmin  = "admin"
	LimitSocket = "socket"
)

// handshakeBody suffices for the largest message of a login in base64, and its JSON.
const handshakeBody = 4 << 10

// OwnRoutes lists the gateway's own routes, in the order of the documentation.
var OwnRoutes = []OwnRoute{
	{Method: get, Path: wire.WellKnownPath, Listener: Users, Limit: LimitLogin, Audit: AuditRead,
		Reply: "gateway.WellKnown",
		Why:   "the gateway's audience, its login protocols and its public keys; a plain document, not an envelope"},
	{Method: post, Path: wire.PathLoginStart, Listener: Users, Limit: LimitLogin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.LoginStarted", Why: "first message of a login, an enrolment or a change of key"},
	{Method: post, Path: wire.PathLoginFinish, Listener: Users, Limit: LimitLogin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.LoginFinished",
		Why:   "last message; its reply contains the session's token, encrypted. A change of key also needs the session"},
	{Method: post, Path: wire.PathCodes, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Code",
		Why:   "a code with which the caller enrols another device; needs a login of the last two minutes; the code ends with the session"},
	{Method: post, Path: wire.PathDevices, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditPrivate, Body: handshakeBody,
		Reply: "gateway.Devices", Why: "the caller's own devices"},
	{Method: post, Path: wire.PathRevokeDevice, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Devices",
		Why:   "revoke a device of the caller; for another device than the session's it needs a login of the last two minutes"},
	{Method: post, Path: wire.PathSession, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditRead, Body: handshakeBody,
		Reply: "gateway.Session", Why: "who the caller is"},
	{Method: post, Path: wire.PathRevokeSessions, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Done", Why: "end sessions of the caller: this one, the device's, or all"},
	{Method: post, Path: wire.PathTickets, Listener: Users, Session: true, Limit: LimitSelf, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Ticket", Why: "a ticket for one WebSocket, valid once and for 30 seconds"},
	{Method: get, Path: wire.SocketPath, Listener: Users, Session: true, Limit: LimitSocket, Audit: AuditWrite,
		Why: "the WebSocket; its session comes as a ticket in a subprotocol or, from official SDKs, as the token in the query"},
	{Method: post, Path: wire.PathAdminIssueCode, Listener: Admins, Limit: LimitAdmin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Code", Why: "a code with which a user enrols a device; creates the user if there is none yet"},
	{Method: post, Path: wire.PathAdminDevices, Listener: Admins, Limit: LimitAdmin, Audit: AuditPrivate, Body: handshakeBody,
		Reply: "gateway.Devices", Why: "a user's devices"},
	{Method: post, Path: wire.PathAdminRevokeDevices, Listener: Admins, Limit: LimitAdmin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Devices", Why: "revoke one device of a user, or all"},
	{Method: post, Path: wire.PathAdminRevokeSessions, Listener: Admins, Limit: LimitAdmin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.Done", Why: "end a session, the sessions of a device or of a user, or all"},
	{Method: post, Path: wire.PathAdminDisableUser, Listener: Admins, Limit: LimitAdmin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.User", Why: "refuse a user's logins from now on, and end the user's sessions"},
	{Method: post, Path: wire.PathAdminEnableUser, Listener: Admins, Limit: LimitAdmin, Audit: AuditWrite, Body: handshakeBody,
		Reply: "gateway.User", Why: "let a user log in again"},
	{Method: post, Path: wire.PathAdminAuditHeads, Listener: Admins, Limit: LimitAdmin, Audit: AuditRead, Body: handshakeBody,
		Reply: "gateway.AuditHeads", Why: "the heads of all audit logs, for wrapper audit verify --expect"},
}

// FindOwn returns the gateway's own route of a request target, nil if there is none. Only the WebSocket accepts a query.
func FindOwn(listener Listener, target string) *OwnRoute {
	path, _, query := strings.Cut(target, "?")
	for i := range OwnRoutes {
		if r := &OwnRoutes[i]; r.Listener == listener && r.Path == path && (!query || r.Path == wire.SocketPath) {
			return r
		}
	}
	return nil
}

// Name returns the route's label in logs and metrics.
func (r *OwnRoute) Name() string { return strings.TrimPrefix(r.Path, "/") }
