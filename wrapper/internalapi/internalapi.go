package internalapi

import "time"

// Prefix is the prefix of all paths. None of them can be called without an assertion of the gateway's.
const Prefix = "/internal/v1"

// Paths, each with its request and reply. A call for a caller carries the caller's own credential as its proof (auth.Call.Proof), which
// the backend verifies. docs/token-vault.md lists which proof each call needs.
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

// Devices is a list of devices.
type Devices struct {
	Devices []Device `json:"devices"`
}

// User is what the wrapper stores of a user. OpenIM stores the rest.
type User struct {
	ID       string `json:"id"`
	Disabled bool   `json:"disabled"`
	// Epoch grows with each revocation of everything of this user. A session with a smaller epoch is revoked.
	Epoch int64 `json:"epoch"`
}

// IssueCode requests a one-time enrolment code. The enrolment creates the user in OpenIM if missing. An administrator may request a code
// for any user. A user who logged in within the last two minutes may request one for themselves; that code ends with the session and
// with the device.
type IssueCode struct {
	UserID          string `json:"userID"`
	Nickname        string `json:"nickname,omitempty"` // for a new user; administrators alone
	FaceURL         string `json:"faceURL,omitempty"`
	PlatformID      int32  `json:"platformID,omitempty"` // 0: any
	LifetimeSeconds int32  `json:"lifetimeSeconds"`      // at most 600
}

// DropCodes removes open codes: those that a session or a device issued, those of a user, or all. Exactly one field is set. Whether a
// code is valid does not depend on the removal: a code whose issuer was revoked is refused anyway. The removal makes room in the limit
// of open codes.
type DropCodes struct {
	SessionID string `json:"sessionID,omitempty"`
	DeviceID  string `json:"deviceID,omitempty"`
	UserID    string `json:"userID,omitempty"`
	All       bool   `json:"all,omitempty"`
}

// IssuedCode is a code: "v1.<id>.<secret>", 16 and 32 random bytes in base64url. It is shown once and never stored in clear text.
type IssuedCode struct {
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// ListDevices requests the devices of a user.
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

// TokenRequest requests the OpenIM token of the proof's session, for the gateway's own socket to msggateway. The token is never logged,
// stored or passed on.
type TokenRequest struct {
	// Refused is the hash (tokenvault.Hash) of a token that OpenIM has just refused. That token is not returned again.
	Refused string `json:"refused,omitempty"`
}

// Token is an OpenIM token.
type Token struct {
	Token   string    `json:"token"`
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"`
	// Grant proves the session from now on for the socket's calls, without the wrapper's Redis.
	Grant string `json:"grant"`
}

// ForceLogout closes the user's OpenIM sockets on the platforms and voids the OpenIM tokens there, after a revocation.
type ForceLogout struct {
	UserID      string  `json:"userID"`
	PlatformIDs []int32 `json:"platformIDs"`
	// SpareActive skips platforms on which the user still has an active device: OpenIM knows users and platforms, but no devices.
	SpareActive bool `json:"spareActive,omitempty"`
}

// Membership asks which conversations (si_, sg_, n_, sn_ ids, at most 500) the proof's user is part of.
type Membership struct {
	ConversationIDs []string `json:"conversationIDs"`
}

// Members answers Membership in the same order.
type Members struct {
	Member []bool `json:"member"`
}

// SenderOf requests how the proof's user is shown to others, in a group under the user's name there.
type SenderOf struct {
	GroupID string `json:"groupID,omitempty"`
}

// Sender is how OpenIM shows a user. The backend may answer from a cache of some seconds.
type Sender struct {
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
}
