package login

import (
	"errors"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// Errors of Start and Finish. A client learns nothing else.
var (
	// ErrRefused is the one answer to every caller who did not prove that they may have a session.
	ErrRefused = errors.New("the login failed: start again")
	// ErrMalformed says that the request has an invalid form. The text that wraps it is for the client.
	ErrMalformed = errors.New("the request is malformed")
	// ErrBusy says that too many handshakes were started.
	ErrBusy = errors.New("too many logins are being made: try again after a few seconds")
	// ErrUnavailable says that Redis, the registry or the keys cannot be used. The text that wraps it is for the log.
	ErrUnavailable = errors.New("the login is not available at the moment: try again after a second")
)

// Reason is why a call was refused, for logs, metrics and the audit log. Clients never see it.
type Reason string

// Reasons. Granted is the empty one.
const (
	Granted         Reason = ""
	Malformed       Reason = "malformed"
	Busy            Reason = "too_many_handshakes"
	UnknownServer   Reason = "unknown_server_key"   // an old pin, or the retired key of a finished rotation
	BadMessage      Reason = "message_refused"      // wrong tag, point of low order, wrong terms, wrong code's secret
	BadPayload      Reason = "payload_refused"      // authentic, but of invalid content
	NoHandshake     Reason = "no_such_handshake"    // never started, used up or expired
	BadState        Reason = "state_refused"        // somebody wrote to Redis, or the server key was removed
	UnknownCode     Reason = "unknown_code"         // never issued, used up or expired
	UnknownKey      Reason = "unknown_key"          // of no device
	DeviceRevoked   Reason = "device_revoked"       //
	UserDisabled    Reason = "user_disabled"        //
	WrongPlatform   Reason = "wrong_platform"       // not the platform of the device, or not allowed by the code
	KeyTaken        Reason = "key_taken"            // the key is or was another device's
	NoSession       Reason = "no_session"           // a rotation without a session
	StaleSession    Reason = "session_not_fresh"    // a rotation long after the login
	RegistryRefused Reason = "refused_by_registry"  // for any other reason
	StatesDown      Reason = "states_unavailable"   // Redis
	RegistryDown    Reason = "registry_unavailable" // MongoDB
	SessionsDown    Reason = "sessions_unavailable" // Redis
	KeysDown        Reason = "keys_unavailable"     // the mounted folder was never valid
	Failed          Reason = "internal"             //
)

// Outcome is the result of a call for the audit log.
type Outcome struct {
	Reason      Reason
	Purpose     handshake.Purpose
	ServerKeyID string
	CodeID      string // of an enrolment
	UserID      string // set once a key was found in the registry, granted or not
	DeviceID    string
	PlatformID  int32
	SessionID   string // set when granted
	// Ends is the session that a granted rotation replaces. The caller of Finish revokes it.
	Ends string
}

// Caller is the session with which a client requests a rotation.
type Caller struct {
	UserID     string
	DeviceID   string
	SessionID  string
	PlatformID int32
	// LoggedIn is when the session was created.
	LoggedIn time.Time
}

// freshness is the largest age of a session that may replace its device's key, issue a code for another device or revoke another device.
// These changes outlast a session, so a stolen token alone must not suffice: the caller must have just logged in with the key.
const freshness = 2 * time.Minute

// Fresh reports whether a session that was created at loggedIn is fresh enough for such a change. It tolerates a clock that is off by
// freshness.
func Fresh(now, loggedIn time.Time) bool {
	age := now.Sub(loggedIn)
	return age <= freshness && age >= -freshness
}
