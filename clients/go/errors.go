package client

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Errors to be told apart by errors.Is.
var (
	// ErrRefused: the gateway does not let this key or code in, and does not say why.
	ErrRefused = errors.New("the login was refused")
	// ErrExpired: the session has come to its end. Log in again.
	ErrExpired = errors.New("the session has expired")
	// ErrRevoked: the session was ended by its user or an administrator. Log in again, if the device still may.
	ErrRevoked = errors.New("the session was revoked")
	// ErrNoSession: the gateway does not know the session. Log in again.
	ErrNoSession = errors.New("there is no such session")
	// ErrLoginTooOld: the call takes a login of the last two minutes. Log in again with the device's key and repeat it.
	ErrLoginTooOld = errors.New("the login is too old for this")
	// ErrForbidden: the user may not do this.
	ErrForbidden = errors.New("this is not permitted")
	// ErrBusy: too many calls. Wait before the next one.
	ErrBusy = errors.New("the gateway is asked too often")
	// ErrUnavailable: the gateway, or something behind it, cannot be reached. Whether the call took effect is not known.
	ErrUnavailable = errors.New("the gateway is not available")
	// ErrServerKey: none of the keys that the gateway publishes is pinned. Either it is another gateway, or its keys
	// were replaced while this program was away: get the new ones by a way you trust.
	ErrServerKey = errors.New("none of the gateway's keys is pinned")
	// ErrServerProof: the other side does not hold the key that it publishes. Somebody is in between.
	ErrServerProof = errors.New("the gateway did not prove that it holds its key")
	// ErrAudience: the gateway calls itself by another origin than the one that was asked for.
	ErrAudience = errors.New("the gateway is another one than was asked for")
	// ErrReply: the reply is not one of a gateway's.
	ErrReply = errors.New("the reply is not understood")
)

// Error is a call that the gateway answered with an error.
type Error struct {
	Path   string // that was called
	Status int    // of HTTP
	Code   int    // OpenIM's errCode
	Text   string // what the gateway says
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (HTTP %d, errCode %d)", e.Path, e.Text, e.Status, e.Code)
}

// Unwrap is the value of this package that the error belongs to, if any.
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
