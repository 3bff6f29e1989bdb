package login

import (
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// What can become of a call. Nothing else is ever told to the client.
var (
	// ErrRefused is the one answer to everybody who did not prove that he may have a session.
	ErrRefused = errors.New("the login failed: start again")
	// ErrMalformed is a request without the form of one. The text that wraps it is for the client.
	ErrMalformed = errors.New("the request is malformed")
	// ErrBusy: too many handshakes were begun. Try again later.
	ErrBusy = errors.New("too many logins are being made: try again after a few seconds")
	// ErrUnavailable: Redis, the registry or the keys are not to be had. What wraps it is for the log.
	ErrUnavailable = errors.New("the login is not available at the moment: try again after a second")
)

// Reason is why a call was not granted, for the log, metrics and the audit trail. Clients never see it.
type Reason string

// Reasons. The empty one: it was granted.
const (
	Granted         Reason = ""
	Malformed       Reason = "malformed"
	Busy            Reason = "too_many_handshakes"
	UnknownServer   Reason = "unknown_server_key"   // an old pin, or the retired key of a finished rotation
	BadMessage      Reason = "message_refused"      // wrong tag, point of low order, wrong terms, wrong code's secret
	BadPayload      Reason = "payload_refused"      // authentic, but not what belongs there
	NoHandshake     Reason = "no_such_handshake"    // never begun, used up or expired
	BadState        Reason = "state_refused"        // somebody wrote to Redis, or the server key is gone
	UnknownCode     Reason = "unknown_code"         // never issued, used up or expired
	UnknownKey      Reason = "unknown_key"          // nobody's device
	DeviceRevoked   Reason = "device_revoked"       //
	UserDisabled    Reason = "user_disabled"        //
	WrongPlatform   Reason = "wrong_platform"       // another than the device was enrolled with, or the code allows
	KeyTaken        Reason = "key_taken"            // it is or was another device's
	NoSession       Reason = "no_session"           // a rotation without one
	StaleSession    Reason = "session_not_fresh"    // a rotation long after the login
	RegistryRefused Reason = "refused_by_registry"  // for a reason that is none of the above
	StatesDown      Reason = "states_unavailable"   // Redis
	RegistryDown    Reason = "registry_unavailable" // the backend
	SessionsDown    Reason = "sessions_unavailable" // Redis
	KeysDown        Reason = "keys_unavailable"     // the mounted folder was never good
	Failed          Reason = "internal"             //
)

// Outcome is what the audit trail learns of a call.
type Outcome struct {
	Reason      Reason
	Purpose     handshake.Purpose
	ServerKeyID string
	CodeID      string // of an enrolment
	UserID      string // known once a key was found in the registry, granted or not
	DeviceID    string
	PlatformID  int32
	SessionID   string // granted
	// Ends is the session that a granted rotation replaces: the caller revokes it.
	Ends string
}

// Caller is the session with which a rotation is asked for.
type Caller struct {
	UserID     string
	DeviceID   string
	SessionID  string
	PlatformID int32
	// LoggedIn is when the session was made.
	LoggedIn time.Time
}

// freshness is how old a session may be that replaces its device's key, issues a code for another device or revokes one. A stolen token
// must not be enough for what outlasts it, so that whoever does this has logged in with the key just before.
const freshness = 2 * time.Minute

// Fresh reports whether a session made at loggedIn may do what a stolen token must not be enough for. A clock may be off by as much.
func Fresh(now, loggedIn time.Time) bool {
	age := now.Sub(loggedIn)
	return age <= freshness && age >= -freshness
}
