package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// asked makes a call of package link on behalf of a caller and gives its reply on.
func asked[Reply any](x *exchange, h *hall, path string, request any) (any, *wire.Failure) {
	reply, failure := askedFor[Reply](x, h, path, request)
	if failure != nil {
		return nil, failure
	}
	return reply, nil
}

// askedFor is asked with the reply's type.
func askedFor[Reply any](x *exchange, h *hall, path string, request any) (Reply, *wire.Failure) {
	reply, err := ask[Reply](x.r.Context(), h.backend, path, x.proof, request)
	if refused, ok := errors.AsType[*refusal](err); ok {
		return reply, &refused.failure
	}
	if err != nil {
		f := wire.Unavailable
		x.rec.Refuse(f, err.Error())
		return reply, &f
	}
	return reply, nil
}

// revocation takes back what was given. Sessions end first, here and on every replica; then, as the second belt, OpenIM
// is asked to close what it still holds open for the user: for that the answer waits a moment and no longer (see belt).
type revocation struct {
	*hall
	sessions *session.Store
}

// platforms of OpenIM that a device can be on (OpenIM's constants; 10 is its administrator).
var platforms = []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}

// loginOnItsWay is longer than a login that resolved its device before the revocation can take. The device never comes
// back, so that nothing is lost by looking ahead.
const loginOnItsWay = 2 * time.Minute

// end revokes sessions. When all of a user's end, the user's sockets at OpenIM are closed too.
func (v revocation) end(x *exchange, r session.Revocation) (any, *wire.Failure) {
	if err := v.sessions.Revoke(x.r.Context(), r); err != nil {
		return nil, x.unrecorded(err)
	}
	v.drop(x, codesOf(r))
	if r.Scope == session.ScopeUser {
		v.belt.fasten(x.r.Context(), x.rec.RequestID, func(ctx context.Context) error {
			return v.logOut(ctx, internalapi.ForceLogout{UserID: r.ID, PlatformIDs: platforms})
		})
	}
	return internalapi.Empty{}, nil
}

// codesOf are the open codes that were issued under what a revocation ends. They do not hold from the revocation on: the backend compares.
func codesOf(r session.Revocation) internalapi.DropCodes {
	switch r.Scope {
	case session.ScopeSession:
		return internalapi.DropCodes{SessionID: r.ID}
	case session.ScopeDevice:
		return internalapi.DropCodes{DeviceID: r.ID}
	case session.ScopeAll:
		return internalapi.DropCodes{All: true}
	}
	return internalapi.DropCodes{UserID: r.ID}
}

// drop has the backend remove codes that hold no longer, which would keep others from being issued. Its failure takes nothing back.
func (v revocation) drop(x *exchange, which internalapi.DropCodes) {
	v.tidy.fasten(x.r.Context(), x.rec.RequestID, func(ctx context.Context) error {
		_, err := ask[internalapi.Empty](ctx, v.backend, internalapi.PathDropCodes, "", which)
		return err
	})
}

// platform ends the sessions of a user on one of OpenIM's platforms. OpenIM's own logout is for the caller.
func (v revocation) platform(x *exchange, userID string, platformID int32) *wire.Failure {
	r := session.Revocation{Scope: session.ScopePlatform, ID: userID, PlatformID: platformID, Reason: "administrator"}
	if err := v.sessions.Revoke(x.r.Context(), r); err != nil {
		return x.unrecorded(err)
	}
	v.drop(x, codesOf(r))
	return nil
}

// devices revokes devices for good, and all their sessions.
func (v revocation) devices(x *exchange, request internalapi.RevokeDevices) (any, *wire.Failure) {
	ctx := x.r.Context()
	revoked, err := ask[internalapi.Devices](ctx, v.backend, internalapi.PathRevokeDevices, x.proof, request)
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
	if len(revoked.Devices) > 0 {
		v.belt.fasten(ctx, x.rec.RequestID, func(ctx context.Context) error { return v.logOutDevices(ctx, revoked.Devices) })
	}
	return revoked, nil
}

// user ends everything of a user's and keeps the user out, or lets the user in again.
func (v revocation) user(x *exchange, userID string, disabled bool) (any, *wire.Failure) {
	change := internalapi.SetUser{UserID: userID, Disabled: &disabled, NextEpoch: disabled}
	user, err := ask[internalapi.User](x.r.Context(), v.backend, internalapi.PathSetUser, x.proof, change)
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

// logOutDevices has OpenIM forget what the devices had open. OpenIM knows users and platforms, no devices: who has another device on the
// platform keeps the sockets there.
func (v revocation) logOutDevices(ctx context.Context, devices []internalapi.Device) error {
	var failed error
	for _, device := range devices {
		which := internalapi.ForceLogout{UserID: device.UserID, PlatformIDs: []int32{device.PlatformID}, SpareActive: true}
		failed = errors.Join(failed, v.logOut(ctx, which))
	}
	return failed
}

// logOut is the second belt: its failure takes nothing back.
func (v revocation) logOut(ctx context.Context, which internalapi.ForceLogout) error {
	_, err := ask[internalapi.Empty](ctx, v.backend, internalapi.PathForceLogout, "", which)
	return err
}
