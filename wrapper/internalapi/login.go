package internalapi

import (
	"encoding/json"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// LoginDeadline bounds each login call at the backend. It is shorter than the gateway's timeout, so that the backend's answer arrives.
const LoginDeadline = 4500 * time.Millisecond

// LoginStart is the first call of a login, as the client sent it.
type LoginStart struct {
	Request handshake.StartRequest `json:"request"`
	// From is the client's address, for the limit on handshakes. It is empty when the address is unknown.
	From string `json:"from,omitempty"`
}

// LoginStarted is the result of LoginStart. Reply is for the client if Verdict is LoginGranted.
type LoginStarted struct {
	Verdict LoginVerdict         `json:"verdict,omitempty"`
	Outcome LoginOutcome         `json:"outcome"`
	Reply   handshake.StartReply `json:"reply"`
}

// LoginFinish is the second call of a login. Its proof is optional: the session that a key rotation needs. An invalid proof counts as
// none.
type LoginFinish struct {
	Request handshake.FinishRequest `json:"request"`
	// MultiLogin is the policy that the backend applies to the user's sessions after the login. Nil: none, which a backend of an earlier
	// release understands too.
	MultiLogin *config.MultiLogin `json:"multiLogin,omitempty"`
}

// LoginFinished is the result of LoginFinish. Reply is for the client if Verdict is LoginGranted.
type LoginFinished struct {
	Verdict LoginVerdict          `json:"verdict,omitempty"`
	Outcome LoginOutcome          `json:"outcome"`
	Reply   handshake.FinishReply `json:"reply"`
}

// LoginVerdict is the result of a login call as the client learns it.
type LoginVerdict string

// Verdicts.
const (
	LoginGranted     LoginVerdict = ""
	LoginRefused     LoginVerdict = "refused"
	LoginMalformed   LoginVerdict = "malformed"
	LoginBusy        LoginVerdict = "busy"
	LoginUnavailable LoginVerdict = "unavailable"
)

// LoginOutcome is the result of a login call for the gateway's log and audit log. Clients never see it.
type LoginOutcome struct {
	// Reason is a login.Reason. It is empty when the call was granted.
	Reason     string `json:"reason,omitempty"`
	Detail     string `json:"detail,omitempty"` // for the log; holds no secret
	UserID     string `json:"userID,omitempty"` // set once a key was found in the registry, granted or not
	DeviceID   string `json:"deviceID,omitempty"`
	PlatformID int32  `json:"platformID,omitempty"`
	SessionID  string `json:"sessionID,omitempty"` // set when granted
	// Ends is the session that a granted rotation ended. Codes that were issued under it are no longer valid.
	Ends string `json:"ends,omitempty"`
	// Excluded are the ids of the sessions that the multi-login policy excludes, at most MaxExcluded of them, newest first. They were
	// ended unless the policy is only reported. ExcludedCount is the number of all.
	Excluded      []string `json:"excluded,omitempty"`
	ExcludedCount int      `json:"excludedCount,omitempty"`
}

// MaxExcluded bounds LoginOutcome.Excluded.
const MaxExcluded = 8

// RedeemTicket uses a ticket up. The ticket itself is the only credential.
type RedeemTicket struct {
	Ticket string `json:"ticket"`
}

// RedeemedTicket is the session of a ticket.
type RedeemedTicket struct {
	// Session is a session.Session with every field, so that an attached socket can be compared with revocations.
	Session json.RawMessage `json:"session"`
	// Grant proves the session to the backend for the socket's calls, until the session ends.
	Grant string `json:"grant"`
}

// IssuedTicket opens one socket, once, for the proof's session.
type IssuedTicket struct {
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
}
