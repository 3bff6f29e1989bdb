package internalapi

import (
	"encoding/json"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// LoginDeadline bounds each call of a login at the backend: less than the gateway waits, so that the backend's answer comes first.
const LoginDeadline = 4500 * time.Millisecond

// LoginStart is the first call of a login, as the client sent it.
type LoginStart struct {
	Request handshake.StartRequest `json:"request"`
	// From is the client's address, for the bound on handshakes; empty: not known.
	From string `json:"from,omitempty"`
}

// LoginStarted is what came of it. Reply is the client's, when Verdict says that it was granted.
type LoginStarted struct {
	Verdict LoginVerdict         `json:"verdict,omitempty"`
	Outcome LoginOutcome         `json:"outcome"`
	Reply   handshake.StartReply `json:"reply"`
}

// LoginFinish is the second call. The proof beside it, if there is one, is the session that a key rotation comes with; a bad one is as good
// as none.
type LoginFinish struct {
	Request handshake.FinishRequest `json:"request"`
}

// LoginFinished is what came of it.
type LoginFinished struct {
	Verdict LoginVerdict          `json:"verdict,omitempty"`
	Outcome LoginOutcome          `json:"outcome"`
	Reply   handshake.FinishReply `json:"reply"`
}

// LoginVerdict is what the client is told of a call of a login.
type LoginVerdict string

// Verdicts. The empty one: granted.
const (
	LoginGranted     LoginVerdict = ""
	LoginRefused     LoginVerdict = "refused"
	LoginMalformed   LoginVerdict = "malformed"
	LoginBusy        LoginVerdict = "busy"
	LoginUnavailable LoginVerdict = "unavailable"
)

// LoginOutcome is for the gateway's log and audit trail. Clients never see it.
type LoginOutcome struct {
	// Reason is login.Reason: empty when the call was granted.
	Reason     string `json:"reason,omitempty"`
	Detail     string `json:"detail,omitempty"` // for the log; holds no secret
	UserID     string `json:"userID,omitempty"` // known once a key was found in the registry, granted or not
	DeviceID   string `json:"deviceID,omitempty"`
	PlatformID int32  `json:"platformID,omitempty"`
	SessionID  string `json:"sessionID,omitempty"` // granted
	// Ends is the session that a granted rotation has ended: the codes that were issued under it hold no longer.
	Ends string `json:"ends,omitempty"`
}

// RedeemTicket uses a ticket up. Whoever has its text may.
type RedeemTicket struct {
	Ticket string `json:"ticket"`
}

// RedeemedTicket is the session of a ticket.
type RedeemedTicket struct {
	// Session is session.Session, with every field, so that what is attached to it can be compared with revocations.
	Session json.RawMessage `json:"session"`
	// Grant proves the session to the backend for as long as it lasts, for what a socket needs.
	Grant string `json:"grant"`
}

// IssuedTicket opens one socket, once, for the session that the proof is of.
type IssuedTicket struct {
	Ticket  string    `json:"ticket"`
	Expires time.Time `json:"expires"`
}
