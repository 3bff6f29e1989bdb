package devices

import (
	"errors"
	"fmt"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// commandError is the code with which MongoDB refused a command. It is an ErrUnavailable.
type commandError struct{ code int32 }

// Error implements error.
func (e *commandError) Error() string {
	return fmt.Sprintf("%v: MongoDB answered with error %d", ErrUnavailable, e.code)
}

// Unwrap returns ErrUnavailable.
func (e *commandError) Unwrap() error { return ErrUnavailable }

// Codes of MongoDB.
const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeAtlas                = 8000 // authentication failed, at MongoDB Atlas
	codeNotWritablePrimary   = 10107
)

// Reason returns why MongoDB cannot be used, from the error of a call.
func Reason(err error) termination.StoreReason {
	if refused, ok := errors.AsType[*commandError](err); ok {
		switch refused.code {
		case codeAuthenticationFailed, codeAtlas:
			return termination.AuthenticationFailed
		case codeUnauthorized:
			return termination.PermissionDenied
		case codeNotWritablePrimary:
			return termination.NoPrimary
		}
	}
	return termination.Unreachable
}
