package gateway

import (
	"errors"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// asked makes a call of package link on behalf of a caller and gives its reply on.
func asked[Reply any](x *exchange, h *hall, path string, request any) (any, *wire.Failure) {
	reply, err := ask[Reply](x.r.Context(), h.backend, path, request)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return nil, &refused.failure
	}
	if err != nil {
		f := wire.Unavailable
		x.rec.Refuse(f, err.Error())
		return nil, &f
	}
	return reply, nil
}

// revocation takes back what was given. Sessions end first, here and on every replica; then, as the second belt, OpenIM
// is asked to close what it still holds open for the user.
type revocation struct {
	*hall
	sessions *session.Store
}

// platforms of OpenIM that a device can be on (OpenIM's constants; 10 is its administrator).
var platforms = []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}

// loginOnItsWay is longer than a login that resolved its device before the revocation can take. The device never comes
// back, so that nothing is lost by looking ahead.
const loginOnItsWay = 2 * time.Minute

// end revokes sessions. When all of a user's end, his sockets at OpenIM are closed too.
func (v revocation) end(x *exchange, r session.Revocation) (any, *wire.Failure) {
	if err := v.sessions.Revoke(x.r.Context(), r); err != nil {
		return nil, x.unrecorded(err)
	}
	if r.Scope == session.ScopeUser {
		v.forceLogout(x, r.ID, platforms)
	}
	return link.Empty{}, nil
}

// devices revokes devices for good, and all their sessions.
func (v revocation) devices(x *exchange, request link.RevokeDevices) (any, *wire.Failure) {
	ctx := x.r.Context()
	revoked, err := ask[link.Devices](ctx, v.backend, link.PathRevokeDevices, request)
	if err != nil {
		return nil, x.unrecorded(err)
	}
	for _, device := range revoked.Devices {
		x.concerns(device.UserID)
		r := session.Revocation{Scope: session.ScopeDevice, ID: device.ID, Before: v.now().Add(loginOnItsWay), Reason: "device-revoked"}
		if err := v.sessions.Revoke(ctx, r); err != nil {
			return nil, x.unrecorded(err)
		}
	}
	for _, device := range revoked.Devices {
		// OpenIM knows users and platforms, no devices: whoever has another device on the platform keeps his sockets.
		left, err := ask[link.Devices](ctx, v.backend, link.PathListDevices, link.ListDevices{UserID: device.UserID})
		if err == nil && !slices.ContainsFunc(left.Devices, func(d link.Device) bool {
			return d.Status == link.DeviceActive && d.PlatformID == device.PlatformID
		}) {
			v.forceLogout(x, device.UserID, []int32{device.PlatformID})
		}
	}
	return revoked, nil
}

// user ends everything of a user's and keeps him out, or lets him in again.
func (v revocation) user(x *exchange, userID string, disabled bool) (any, *wire.Failure) {
	user, err := ask[link.User](x.r.Context(), v.backend, link.PathSetUser, link.SetUser{UserID: userID, Disabled: &disabled, NextEpoch: disabled})
	if err != nil {
		return nil, x.unrecorded(err)
	}
	if !disabled {
		return user, nil
	}
	r := session.Revocation{Scope: session.ScopeUser, ID: userID, Epoch: user.Epoch, Reason: "user-disabled"}
	if _, failure := v.end(x, r); failure != nil {
		return nil, failure
	}
	return user, nil
}

// unrecorded is a revocation that may not have happened, which the caller must hear.
func (x *exchange) unrecorded(err error) *wire.Failure {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return &refused.failure
	}
	f := wire.Unavailable.Because("it could not be recorded: repeat it until it succeeds")
	x.rec.Refuse(f, err.Error())
	return &f
}

// forceLogout is the second belt: its failure is noted, and takes nothing back.
func (v revocation) forceLogout(x *exchange, userID string, platforms []int32) {
	_, err := ask[link.Empty](x.r.Context(), v.backend, link.PathForceLogout, link.ForceLogout{UserID: userID, PlatformIDs: platforms})
	if err != nil {
		x.rec.Detail = "sessions are revoked; OpenIM's own logout failed: " + err.Error()
	}
}
