package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// linkDeadline bounds a call that the gateway makes for itself.
const linkDeadline = 5 * time.Second

// errBackend is a call of the gateway's own that the backend did not carry out.
var errBackend = errors.New("the backend did not answer")

// self is who the gateway is when it asks for itself.
var self = auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}

// ask makes one call of package link. The error never holds what was asked or answered: both can be secrets.
func ask[Reply any](ctx context.Context, b *backendClient, path string, request any) (Reply, error) {
	var reply Reply
	body, err := json.Marshal(request)
	if err != nil {
		return reply, fmt.Errorf("encode the call of %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, linkDeadline)
	defer cancel()
	id := requestID(ctx)
	answer, err := b.send(ctx, auth.Call{Principal: self, Method: http.MethodPost, Path: path, RequestID: id, Body: body}, wire.MediaTypeJSON)
	if err != nil {
		return reply, fmt.Errorf("%w: %s: %w", errBackend, path, err)
	}
	var envelope wire.Envelope
	if err := json.Unmarshal(answer.Body, &envelope); err != nil {
		return reply, fmt.Errorf("%w: %s: its reply is not understood", errBackend, path)
	}
	if answer.Status != http.StatusOK {
		return reply, refusalOf(path, answer, envelope)
	}
	if envelope.ErrCode != wire.CodeOK {
		return reply, fmt.Errorf("%w: %s: errCode %d", errBackend, path, envelope.ErrCode)
	}
	if len(envelope.Data) > 0 && json.Unmarshal(envelope.Data, &reply) != nil {
		return reply, fmt.Errorf("%w: %s: its reply is not understood", errBackend, path)
	}
	return reply, nil
}

// refusal is a call that the backend understood and will not carry out, for a reason that is the caller's.
type refusal struct{ failure wire.Failure }

func (r *refusal) Error() string { return "the backend refuses: " + r.failure.Name }

func refusalOf(path string, answer upstream.Reply, envelope wire.Envelope) error {
	failure, known := wire.FailureNamed(answer.Header.Get(wire.HeaderReason))
	if !known || failure.Status != answer.Status {
		return fmt.Errorf("%w: %s: HTTP status %d without a reason", errBackend, path, answer.Status)
	}
	switch failure.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusTooManyRequests:
		return &refusal{failure.Because(envelope.ErrMsg)}
	}
	return fmt.Errorf("%w: %s: %s", errBackend, path, failure.Name)
}

// registry is the device registry, as the login sees it. Whether a code still holds is judged here: the sessions are the gateway's.
type registry struct {
	backend  *backendClient
	sessions *session.Store
}

// Resolve implements login.Registry.
func (r registry) Resolve(ctx context.Context, request link.Resolve) (link.Resolved, error) {
	return ask[link.Resolved](ctx, r.backend, link.PathResolve, request)
}

// OpenCode implements login.Registry.
func (r registry) OpenCode(ctx context.Context, request link.OpenCode) (link.OpenedCode, error) {
	opened, err := ask[link.OpenedCode](ctx, r.backend, link.PathOpenCode, request)
	if err != nil {
		return link.OpenedCode{}, err
	}
	stands, err := r.stands(ctx, opened.Under)
	if err != nil {
		return link.OpenedCode{}, err
	}
	if !stands {
		// As for a code that never was.
		opened.Found, opened.PSK = false, base64.RawURLEncoding.EncodeToString(randomBytes(handshake.PSKBytes))
	}
	return opened, nil
}

// Enrol implements login.Registry.
func (r registry) Enrol(ctx context.Context, request link.Enrol) (link.Enrolled, error) {
	enrolled, err := ask[link.Enrolled](ctx, r.backend, link.PathEnrol, request)
	if err != nil || enrolled.Refused != "" {
		return enrolled, err
	}
	// Once more: whatever ended the code until now has not seen the device, and whatever ends it from now on comes after the enrolment.
	// Also for a caller who has gone meanwhile: the device is there.
	ctx = context.WithoutCancel(ctx)
	stands, err := r.stands(ctx, enrolled.Under)
	if stands {
		return enrolled, nil
	}
	return link.Enrolled{Refused: link.CodeGone}, errors.Join(err, r.takeBack(ctx, enrolled.Device.ID))
}

// takeBack revokes a device that should not have been enrolled.
func (r registry) takeBack(ctx context.Context, deviceID string) error {
	_, err := ask[link.Devices](ctx, r.backend, link.PathRevokeDevices, link.RevokeDevices{DeviceID: deviceID})
	ended := r.sessions.Revoke(ctx, session.Revocation{Scope: session.ScopeDevice, ID: deviceID, Reason: "code-revoked"})
	return errors.Join(err, ended)
}

// noted is a session as it goes along with a code: all of it, so that nothing that a revocation speaks of is missing.
func noted(s session.Session) (string, error) {
	text, err := json.Marshal(s)
	return string(text), err
}

// stands reports whether no revocation concerns what a code was issued under. Without a note it does not, after the same work.
func (r registry) stands(ctx context.Context, under string) (bool, error) {
	var s session.Session
	known := under != "" && json.Unmarshal([]byte(under), &s) == nil && s.UserID != ""
	err := r.sessions.Stands(ctx, s)
	switch {
	case errors.Is(err, session.ErrRevoked):
		return false, nil
	case err != nil:
		return false, err
	}
	return known, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// Rotate implements login.Registry.
func (r registry) Rotate(ctx context.Context, request link.Rotate) (link.Enrolled, error) {
	return ask[link.Enrolled](ctx, r.backend, link.PathRotate, request)
}
