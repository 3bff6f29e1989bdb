package internalapi

import "time"

// Prefix stands before all of them. None is reachable but with an assertion of the gateway's.
const Prefix = "/internal/v1"

// Paths, each with its request and reply. What is asked for a caller carries the caller's own credential as proof (auth.Call.Proof), which
// the backend verifies. Whose credential each call needs: docs/token-vault.md.
const (
	PathLoginKeys     = Prefix + "/login/keys"     // Empty -> handshake.WellKnown
	PathLoginStart    = Prefix + "/login/start"    // LoginStart -> LoginStarted
	PathLoginFinish   = Prefix + "/login/finish"   // LoginFinish -> LoginFinished
	PathIssueTicket   = Prefix + "/tickets/issue"  // Empty -> IssuedTicket
	PathRedeemTicket  = Prefix + "/tickets/redeem" // RedeemTicket -> RedeemedTicket
	PathIssueCode     = Prefix + "/codes/issue"    // IssueCode -> IssuedCode
	PathDropCodes     = Prefix + "/codes/drop"     // DropCodes -> Empty
	PathListDevices   = Prefix + "/devices/list"   // ListDevices -> Devices
	PathRevokeDevices = Prefix + "/devices/revoke" // RevokeDevices -> Devices (those that it revoked)
	PathSetUser       = Prefix + "/users/set"      // SetUser -> User
	PathOpenIMToken   = Prefix + "/openim/token"   // TokenRequest -> Token
	PathForceLogout   = Prefix + "/openim/logout"  // ForceLogout -> Empty
	PathMembership    = Prefix + "/membership"     // Membership -> Members
	PathSender        = Prefix + "/sender"         // SenderOf -> Sender
)

// Empty is a reply without content.
type Empty struct{}

// Devices is a list.
type Devices struct {
	Devices []Device `json:"devices"`
}

// User is what the wrapper itself keeps of a user. OpenIM keeps the rest.
type User struct {
	ID       string `json:"id"`
	Disabled bool   `json:"disabled"`
	// Epoch grows with each "end everything of this user". A session of a smaller epoch is revoked.
	Epoch int64 `json:"epoch"`
}

// IssueCode asks for a one-time enrolment code. The user is created in OpenIM at enrolment if not there. An administrator asks for anybody;
// a user who logged in within the last two minutes asks for themselves, and the code goes with the session and the device.
type IssueCode struct {
	UserID          string `json:"userID"`
	Nickname        string `json:"nickname,omitempty"` // for a new user; administrators alone
	FaceURL         string `json:"faceURL,omitempty"`
	PlatformID      int32  `json:"platformID,omitempty"` // 0: any
	LifetimeSeconds int32  `json:"lifetimeSeconds"`      // at most 600
}

// DropCodes removes open codes: those that a session or a device issued, those of a user, or all. One of the four is written. Whether a
// code holds does not depend on it: what was issued under something that was revoked holds no longer. This makes room for others.
type DropCodes struct {
	SessionID string `json:"sessionID,omitempty"`
	DeviceID  string `json:"deviceID,omitempty"`
	UserID    string `json:"userID,omitempty"`
	All       bool   `json:"all,omitempty"`
}

// IssuedCode is a code: "v1.<id>.<secret>", 16 and 32 random bytes in base64url. It is shown once and never stored in clear.
type IssuedCode struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// ListDevices of a user.
type ListDevices struct {
	UserID string `json:"userID"`
}

// RevokeDevices revokes one device of a user, or all when DeviceID is empty.
type RevokeDevices struct {
	UserID   string `json:"userID,omitempty"`
	DeviceID string `json:"deviceID,omitempty"`
}

// SetUser changes a user. Reply: User. A user without a record has the zero one.
type SetUser struct {
	UserID    string `json:"userID"`
	Disabled  *bool  `json:"disabled,omitempty"`
	NextEpoch bool   `json:"nextEpoch,omitempty"`
}

// TokenRequest asks for the OpenIM token of the session that the proof is of, for the gateway's own socket to msggateway. It is never
// logged, stored or sent on.
type TokenRequest struct {
	// Refused is the hash (tokenvault.Hash) of a token that OpenIM has just refused: another one is wanted.
	Refused string `json:"refused,omitempty"`
}

// Token is an OpenIM token.
type Token struct {
	Token   string    `json:"token"`
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"`
	// Grant proves the session from now on, for what the socket needs: the wrapper's Redis need not be asked again.
	Grant string `json:"grant"`
}

// ForceLogout has OpenIM close the user's sockets on the platforms and void their tokens, as the second belt.
type ForceLogout struct {
	UserID      string  `json:"userID"`
	PlatformIDs []int32 `json:"platformIDs"`
	// SpareActive leaves out platforms on which the user still has an active device: OpenIM knows users and platforms, no devices.
	SpareActive bool `json:"spareActive,omitempty"`
}

// Membership asks which conversations (si_, sg_, n_, sn_ ids, at most 500) the user of the proof is part of.
type Membership struct {
	ConversationIDs []string `json:"conversationIDs"`
}

// Members answers in the same order.
type Members struct {
	Member []bool `json:"member"`
}

// SenderOf asks how the user of the proof is shown to others, in a group under the name there.
type SenderOf struct {
	GroupID string `json:"groupID,omitempty"`
}

// Sender is how OpenIM shows a user. The backend may answer from a memory of some seconds.
type Sender struct {
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
}
