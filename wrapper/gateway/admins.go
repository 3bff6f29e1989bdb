package gateway

import (
	"net/http"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The administrators' routes that the gateway answers itself. They act on sessions, so they need a users' listener.

func (h *adminHandler) ownRoutes() map[string]ownRoute {
	return map[string]ownRoute{
		wire.PathAdminIssueCode:      h.issueCode,
		wire.PathAdminDevices:        h.listDevices,
		wire.PathAdminRevokeDevices:  h.revokeDevices,
		wire.PathAdminRevokeSessions: h.revokeSessions,
		wire.PathAdminDisableUser:    func(x *exchange, body []byte) (any, *wire.Failure) { return h.setUser(x, body, true) },
		wire.PathAdminAuditHeads:     h.auditHeads,
		wire.PathAdminEnableUser:     func(x *exchange, body []byte) (any, *wire.Failure) { return h.setUser(x, body, false) },
	}
}

// answerOwn answers one of the gateway's own routes for a verified caller.
func (h *adminHandler) answerOwn(x *exchange, route *routes.OwnRoute) *wire.Failure {
	switch {
	case x.caller.Role != auth.RoleAdmin:
		return &wire.Forbidden
	case h.sessions == nil:
		f := wire.NotInRelease.Because("this gateway has no users' listener: configure users first")
		return &f
	case x.r.Method != route.Method:
		x.w.Header().Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	x.rec.Route, x.rec.Audit = route.Name(), string(route.Audit)
	if failure := h.requireAuditLog(x, route.Audit); failure != nil {
		return failure
	}
	return h.perform(x, route, h.own[route.Path])
}

func (h *adminHandler) issueCode(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		UserID          string `json:"userID"`
		Nickname        string `json:"nickname"`
		FaceURL         string `json:"faceURL"`
		PlatformID      int32  `json:"platformID"`
		LifetimeSeconds int32  `json:"lifetimeSeconds"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if failure := x.checkID(request.UserID); failure != nil {
		return nil, failure
	}
	setDefault(&request.LifetimeSeconds, h.codeSeconds)
	if request.LifetimeSeconds < 1 || request.LifetimeSeconds > config.MaxCodeLifetimeSeconds {
		return nil, badRequest("lifetimeSeconds: write 1 to 600")
	}
	return relayInternal[internalapi.IssuedCode](x, h.services, internalapi.PathIssueCode, internalapi.IssueCode{
		UserID: request.UserID, Nickname: request.Nickname, FaceURL: request.FaceURL, PlatformID: request.PlatformID,
		LifetimeSeconds: request.LifetimeSeconds,
	})
}

func (h *adminHandler) listDevices(x *exchange, body []byte) (any, *wire.Failure) {
	var request internalapi.ListDevices
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if failure := x.checkID(request.UserID); failure != nil {
		return nil, failure
	}
	return relayInternal[internalapi.Devices](x, h.services, internalapi.PathListDevices, request)
}

func (h *adminHandler) revokeDevices(x *exchange, body []byte) (any, *wire.Failure) {
	var request internalapi.RevokeDevices
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if request.UserID == "" && request.DeviceID == "" {
		return nil, badRequest("write userID, deviceID or both")
	}
	return h.revocation().devices(x, request)
}

func (h *adminHandler) revokeSessions(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		Scope  session.Scope `json:"scope"`
		ID     string        `json:"id"`
		Before int64         `json:"before"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	switch request.Scope {
	case session.ScopeSession, session.ScopeDevice, session.ScopeUser:
		if failure := x.checkID(request.ID); failure != nil {
			return nil, failure
		}
	case session.ScopeAll:
		if request.ID != "" {
			return nil, badRequest("id: leave it out when the scope is all")
		}
	default:
		return nil, badRequest("scope: write session, device, user or all")
	}
	r := session.Revocation{Scope: request.Scope, ID: request.ID, Reason: "administrator"}
	if request.Before != 0 {
		r.Before = time.Unix(request.Before, 0)
	}
	return h.revocation().end(x, r)
}

func (h *adminHandler) setUser(x *exchange, body []byte, disabled bool) (any, *wire.Failure) {
	var request struct {
		UserID string `json:"userID"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if failure := x.checkID(request.UserID); failure != nil {
		return nil, failure
	}
	return h.revocation().user(x, request.UserID, disabled)
}

func (h *adminHandler) revocation() revocation {
	return revocation{services: h.services, sessions: h.sessions}
}

// maxIDBytes is the longest identifier that is accepted from an administrator.
const maxIDBytes = 128

// checkID checks the identifier that a call names and adds it to the call's log line and audit event.
func (x *exchange) checkID(id string) *wire.Failure {
	if id == "" || len(id) > maxIDBytes || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return badRequest("write the identifier: 1 to 128 bytes without control characters")
	}
	x.addUser(id)
	return nil
}

// addUser adds a user to the call's log line and audit event.
func (x *exchange) addUser(id string) {
	x.rec.Users = append(x.rec.Users, id)
	x.rec.UserCount = len(x.rec.Users)
}

func badRequest(text string) *wire.Failure {
	f := wire.BadRequest.Because(text)
	return &f
}

var _ http.Handler = (*adminHandler)(nil)
