package backend

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func (l *internalAPI) issueCode(ctx context.Context, call *internalCall, q internalapi.IssueCode) (internalapi.IssuedCode, error) {
	lifetime := time.Duration(q.LifetimeSeconds) * time.Second
	by := call.caller
	switch {
	case !legalNewUser(q.UserID):
		return internalapi.IssuedCode{}, bad("userID must be 1 to %d letters, digits and underscores, as OpenIM requires", maxUserIDBytes)
	case q.UserID == l.adminUserID:
		return internalapi.IssuedCode{}, bad("userID is OpenIM's administrator, who cannot log in here: name another user")
	case ids.Reserved(q.UserID):
		return internalapi.IssuedCode{}, bad("userID is a user of \"wrapper check\", who cannot log in here: name another user")
	case q.PlatformID != 0 && !legalPlatform(q.PlatformID):
		return internalapi.IssuedCode{}, bad("platformID must be 1 to %d, or 0 for any", maxPlatform)
	case lifetime < minCodeLifetime || lifetime > devices.MaxCodeLifetime:
		return internalapi.IssuedCode{}, bad(
			"lifetimeSeconds must be %d to %d", int(minCodeLifetime.Seconds()), int(devices.MaxCodeLifetime.Seconds()))
	case !legalText(q.Nickname, maxNicknameBytes) || !legalText(q.FaceURL, maxFaceURLBytes):
		return internalapi.IssuedCode{}, bad("nickname or faceURL is too long, or holds a control character")
	case by.isUser() && (q.UserID != by.Subject || q.Nickname != "" || q.FaceURL != ""):
		return internalapi.IssuedCode{}, wire.Forbidden.Because("a user issues codes for themselves, without a new name or picture")
	}
	recordUser(call.rec, q.UserID)
	in := devices.Invitation{UserID: q.UserID, Nickname: q.Nickname, FaceURL: q.FaceURL, PlatformID: q.PlatformID}
	var under session.Session
	if by.isUser() {
		if err := l.requireFreshLogin(by); err != nil {
			return internalapi.IssuedCode{}, err
		}
		under, in.Issuer, in.SessionID, in.DeviceID = by.session, "device "+by.Device, by.Session, by.Device
	} else {
		mark, err := l.sessions.Mark(ctx, q.UserID, lifetime)
		if err != nil {
			return internalapi.IssuedCode{}, err
		}
		under, in.Issuer = mark, "admin "+by.Subject
	}
	var err error
	if in.Under, err = encodeSession(under); err != nil {
		return internalapi.IssuedCode{}, err
	}
	call.rec.Detail = "issued by " + in.Issuer
	// A user who issues a code must have an enrolled device.
	code, expires, err := l.devices.IssueCode(ctx, in, lifetime, by.isUser())
	return internalapi.IssuedCode{Code: code, Expires: expires}, err
}

// requireFreshLogin refuses a user whose login is older than two minutes. It guards changes that outlast the session: a thief of the
// session token has no key with which to log in again.
func (l *internalAPI) requireFreshLogin(by *provenCaller) error {
	if login.Fresh(l.now(), by.session.Created) {
		return nil
	}
	return wire.LoginTooOld
}

func (l *internalAPI) dropCodes(ctx context.Context, call *internalCall, q internalapi.DropCodes) (internalapi.Empty, error) {
	recordUser(call.rec, q.UserID)
	q.UserID, q.DeviceID, q.SessionID = boundedText(q.UserID), boundedText(q.DeviceID), boundedText(q.SessionID)
	return internalapi.Empty{}, l.devices.DropCodes(ctx, q)
}

// encodeSession encodes a session with every field, so that it can later be compared with any revocation.
func encodeSession(s session.Session) (string, error) {
	text, err := json.Marshal(s)
	return string(text), err
}

// loginRegistry implements login.Registry. It also checks whether what a code was issued under is still in force.
type loginRegistry struct {
	devices  deviceStore
	openim   openimUsers
	sessions *session.Store
}

// Resolve implements login.Registry.
func (r loginRegistry) Resolve(ctx context.Context, key string) (devices.Holder, error) {
	return r.devices.Resolve(ctx, key)
}

// SpendHandshake implements login.Registry.
func (r loginRegistry) SpendHandshake(ctx context.Context, id string) (bool, error) {
	return r.devices.SpendHandshake(ctx, id)
}

// Rotate implements login.Registry.
func (r loginRegistry) Rotate(ctx context.Context, q devices.KeyRotation) (devices.Enrolled, error) {
	return r.devices.Rotate(ctx, q)
}

// OpenCode implements login.Registry.
func (r loginRegistry) OpenCode(ctx context.Context, codeID string) (psk []byte, found bool, err error) {
	opened, err := r.devices.OpenCode(ctx, codeID)
	if err != nil {
		return nil, false, err
	}
	inForce, err := r.inForce(ctx, opened.Under)
	if err != nil {
		return nil, false, err
	}
	if !inForce { // answered like an unknown code
		return ids.RandomBytes(handshake.PSKBytes), false, nil
	}
	return opened.PSK, opened.OK, nil
}

// Enrol implements login.Registry.
func (r loginRegistry) Enrol(ctx context.Context, q devices.Enrolment) (devices.Enrolled, error) {
	enrolled, err := r.devices.Enrol(ctx, q, func(ctx context.Context, in devices.Invitation) error {
		recordUser(httpserver.RecordOf(ctx), in.UserID)
		// OpenIM requires a name.
		u := openimclient.User{ID: in.UserID, Nickname: in.Nickname, FaceURL: in.FaceURL}
		if u.Nickname == "" {
			u.Nickname = in.UserID
		}
		return r.openim.RegisterUser(ctx, u)
	})
	if err != nil || enrolled.Refused != "" {
		return enrolled, err
	}
	// Checked again after the enrolment: a revocation that came before it has not seen the device. A later revocation finds the device.
	// The check also runs when the caller has gone, because the device now exists.
	ctx = context.WithoutCancel(ctx)
	inForce, err := r.inForce(ctx, enrolled.Under)
	if inForce {
		return enrolled, nil
	}
	return devices.Enrolled{Refused: devices.CodeGone}, errors.Join(err, r.revokeEnrolled(ctx, enrolled.Device.ID))
}

// revokeEnrolled revokes a device whose enrolment must not stand.
func (r loginRegistry) revokeEnrolled(ctx context.Context, deviceID string) error {
	_, err := r.devices.RevokeDevices(ctx, internalapi.RevokeDevices{DeviceID: deviceID})
	ended := r.sessions.Revoke(ctx, session.Revocation{Scope: session.ScopeDevice, ID: deviceID, Reason: "code-revoked"})
	return errors.Join(err, ended)
}

// inForce reports whether no revocation concerns the session under which a code was issued. For an empty or broken session it does the
// same work and reports false.
func (r loginRegistry) inForce(ctx context.Context, under string) (bool, error) {
	var s session.Session
	known := under != "" && json.Unmarshal([]byte(under), &s) == nil && s.UserID != ""
	err := r.sessions.CheckNotRevoked(ctx, s)
	switch {
	case errors.Is(err, session.ErrRevoked):
		return false, nil
	case err != nil:
		return false, err
	}
	return known, nil
}
