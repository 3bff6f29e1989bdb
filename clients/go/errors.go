package client

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Errors of this package, for errors.Is.
var (
	// ErrRefused: the gateway refused the device key or the enrolment code. The gateway never reports the reason.
	ErrRefused = errors.New("the login was refused")
	// ErrExpired: the session has expired. Log in again.
	ErrExpired = errors.New("the session has expired")
	// ErrRevoked: the user or an administrator revoked the session. Log in again; the gateway refuses that if the device was
	// revoked too.
	ErrRevoked = errors.New("the session was revoked")
	// ErrReplaced: another device of the user logged in, and the gateway's multi-login policy ended this session. It is also ErrRevoked.
	// Log in again only when the user asks for it: two programs that log in again by themselves end each other's sessions without end.
	ErrReplaced = fmt.Errorf("%w: another device of the user logged in", ErrRevoked)
	// ErrNoSession: the gateway does not know the session. Log in again.
	ErrNoSession = errors.New("the session is unknown")
	// ErrLoginTooOld: the call requires a login of the last two minutes. Log in again with the device's key and repeat the
	// call.
	ErrLoginTooOld = errors.New("the login is too old for this call")
	// ErrForbidden: the user is not permitted to make this call.
	ErrForbidden = errors.New("the call is not permitted")
	// ErrBusy: the gateway's rate limit refused the call. Wait before the next call.
	ErrBusy = errors.New("too many calls")
	// ErrUnavailable: the gateway, or a server behind it, cannot be reached. The call may or may not have taken effect.
	ErrUnavailable = errors.New("the gateway is not available")
	// ErrServerKey: the gateway publishes no pinned key. Either the address belongs to another gateway, or the gateway's keys
	// were replaced while this program was not running. Get the new keys through a channel that you trust.
	ErrServerKey = errors.New("the gateway publishes no pinned key")
	// ErrServerProof: the server does not hold the private key of the public key that it publishes. An attacker may be between
	// the program and the gateway.
	ErrServerProof = errors.New("the gateway did not prove possession of its key")
	// ErrAudience: the gateway's own origin differs from Options.Audience.
	ErrAudience = errors.New("the gateway has another origin than the expected one")
	// ErrReply: the reply is not in the gateway's format. BaseURL may be the address of another server.
	ErrReply = errors.New("the reply is not in the gateway's format")
)

// Error is a reply with an error: an error code of OpenIM's, or a status of HTTP. errors.Is matches it with the value that Unwrap
// returns.
type Error struct {
	Path   string // the path of the call
	Status int    // the status of HTTP
	Code   int    // OpenIM's errCode; 0 when the reply has no envelope
	Text   string // the reply's errMsg, at most 256 bytes
}

func (e *Error) Error() string {
	return fmt.Sprintf("calling %s: %s (HTTP %d, errCode %d)", e.Path, e.Text, e.Status, e.Code)
}

// Unwrap returns the Err value of this package that the reply means, nil when there is none.
func (e *Error) Unwrap() error {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return ErrBusy
	case e.Status >= http.StatusInternalServerError:
		return ErrUnavailable
	}
	switch e.Code {
	case wire.CodeNoPermission:
		return ErrForbidden
	case wire.CodeLoginTooOld:
		return ErrLoginTooOld
	case wire.CodeTokenExpired:
		return ErrExpired
	case wire.CodeTokenKicked:
		if e.Text == wire.ReplacedText {
			return ErrReplaced
		}
		return ErrRevoked
	case wire.CodeTokenInvalid:
		if e.Path == wire.PathLoginStart || e.Path == wire.PathLoginFinish {
			return ErrRefused
		}
	}
	if wire.IsTokenError(e.Code) {
		return ErrNoSession
	}
	return nil
}
