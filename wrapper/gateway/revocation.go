package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// relayInternal makes a call of package internalapi on behalf of a caller and returns its reply for a route of the gateway's own.
func relayInternal[Reply any](x *exchange, h *services, path string, request any) (any, *wire.Failure) {
	reply, failure := callForCaller[Reply](x, h, path, request)
	if failure != nil {
		return nil, failure
	}
	return reply, nil
}

// callForCaller is relayInternal with a typed reply.
func callForCaller[Reply any](x *exchange, h *services, path string, request any) (Reply, *wire.Failure) {
	reply, err := callInternal[Reply](x.r.Context(), h.backend, path, x.proof, request)
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

// revocation ends sessions, devices and users. Sessions end first, here and on every replica. Then OpenIM's force_logout closes what
// OpenIM still holds open for the user, best effort (see followUps).
type revocation struct {
	*services
	sessions *session.Store
}

// platforms of OpenIM that a device can be on (OpenIM's constants; 10 is its administrator).
var platforms = []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}

// loginInFlight is longer than a login can take that resolved its device before the revocation. The revocation also covers sessions
// that are created within it. That ends no other session, because a revoked device never logs in again.
const loginInFlight = 2 * time.Minute

// end revokes sessions. For the scope user it also closes the user's sockets at OpenIM.
func (v revocation) end(x *exchange, r session.Revocation) (any, *wire.Failure) {
	if err := v.sessions.Revoke(x.r.Context(), r); err != nil {
		return nil, x.revocationFailure(err)
	}
	v.removeCodes(x, codesUnder(r))
	if r.Scope == session.ScopeUser {
		v.logouts.start(x.r.Context(), x.rec.RequestID, func(ctx context.Context) error {
			return v.forceLogout(ctx, internalapi.ForceLogout{UserID: r.ID, PlatformIDs: platforms})
		})
	}
	return internalapi.Empty{}, nil
}

// codesUnder selects the enrolment codes that were issued under what a revocation ends. The backend already refuses them: it compares each
// code with the revocations.
func codesUnder(r session.Revocation) internalapi.DropCodes {
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

// removeCodes removes revoked enrolment codes at the backend, best effort. Left in place they would count against the user's limit of
// codes.
func (v revocation) removeCodes(x *exchange, which internalapi.DropCodes) {
	v.codeRemovals.start(x.r.Context(), x.rec.RequestID, func(ctx context.Context) error {
		_, err := callInternal[internalapi.Empty](ctx, v.backend, internalapi.PathDropCodes, "", which)
		return err
	})
}

// platform ends the sessions of a user on one of OpenIM's platforms. The caller of platform does OpenIM's own logout.
func (v revocation) platform(x *exchange, userID string, platformID int32) *wire.Failure {
	r := session.Revocation{Scope: session.ScopePlatform, ID: userID, PlatformID: platformID, Reason: "administrator"}
	if err := v.sessions.Revoke(x.r.Context(), r); err != nil {
		return x.revocationFailure(err)
	}
	v.removeCodes(x, codesUnder(r))
	return nil
}

// devices revokes devices permanently, and all their sessions.
func (v revocation) devices(x *exchange, request internalapi.RevokeDevices) (any, *wire.Failure) {
	ctx := x.r.Context()
	revoked, err := callInternal[internalapi.Devices](ctx, v.backend, internalapi.PathRevokeDevices, x.proof, request)
	if err != nil {
		return nil, x.revocationFailure(err)
	}
	for _, device := range revoked.Devices {
		x.addUser(device.UserID)
		r := session.Revocation{Scope: session.ScopeDevice, ID: device.ID, Before: v.now().Add(loginInFlight), Reason: "device-revoked"}
		if err := v.sessions.Revoke(ctx, r); err != nil {
			return nil, x.revocationFailure(err)
		}
	}
	if len(revoked.Devices) > 0 {
		v.logouts.start(ctx, x.rec.RequestID, func(ctx context.Context) error { return v.forceLogoutDevices(ctx, revoked.Devices) })
	}
	return revoked, nil
}

// user disables a user and ends all their sessions, or enables the user again.
func (v revocation) user(x *exchange, userID string, disabled bool) (any, *wire.Failure) {
	change := internalapi.SetUser{UserID: userID, Disabled: &disabled, NextEpoch: disabled}
	user, err := callInternal[internalapi.User](x.r.Context(), v.backend, internalapi.PathSetUser, x.proof, change)
	if err != nil {
		return nil, x.revocationFailure(err)
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

// revocationFailure returns the failure of a revocation that may not be in force. The caller must learn of it and repeat the call.
func (x *exchange) revocationFailure(err error) *wire.Failure {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return &refused.failure
	}
	f := wire.Unavailable.Because("it could not be recorded: repeat it until it succeeds")
	x.rec.Refuse(f, err.Error())
	return &f
}

// forceLogoutDevices closes the devices' sockets at OpenIM. OpenIM knows users and platforms but no devices: a user with another active
// device on the platform keeps the sockets there.
func (v revocation) forceLogoutDevices(ctx context.Context, devices []internalapi.Device) error {
	var failed error
	for _, device := range devices {
		which := internalapi.ForceLogout{UserID: device.UserID, PlatformIDs: []int32{device.PlatformID}, SpareActive: true}
		failed = errors.Join(failed, v.forceLogout(ctx, which))
	}
	return failed
}

// forceLogout calls OpenIM's force_logout, best effort.
func (v revocation) forceLogout(ctx context.Context, which internalapi.ForceLogout) error {
	_, err := callInternal[internalapi.Empty](ctx, v.backend, internalapi.PathForceLogout, "", which)
	return err
}
