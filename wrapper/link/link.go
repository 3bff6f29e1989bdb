package link

import "time"

// Prefix stands before all of them. None is reachable but with an assertion of the gateway's.
const Prefix = "/internal/v1"

// Paths, each with its request and reply.
const (
	PathIssueCode     = Prefix + "/codes/issue"     // IssueCode -> IssuedCode
	PathOpenCode      = Prefix + "/codes/open"      // OpenCode -> OpenedCode
	PathDropCodes     = Prefix + "/codes/drop"      // DropCodes -> Empty
	PathEnrol         = Prefix + "/devices/enrol"   // Enrol -> Device
	PathResolve       = Prefix + "/devices/resolve" // Resolve -> Resolved
	PathRotate        = Prefix + "/devices/rotate"  // Rotate -> Device
	PathListDevices   = Prefix + "/devices/list"    // ListDevices -> Devices
	PathRevokeDevices = Prefix + "/devices/revoke"  // RevokeDevices -> Devices (those that it revoked)
	PathSetUser       = Prefix + "/users/set"       // SetUser -> User
	PathOpenIMToken   = Prefix + "/openim/token"    // TokenRequest -> Token
	PathForceLogout   = Prefix + "/openim/logout"   // ForceLogout -> Empty
	PathMembership    = Prefix + "/membership"      // Membership -> Members
	PathSender        = Prefix + "/sender"          // SenderOf -> Sender
)

// Empty is a reply without content.
type Empty struct{}

// Key is an X25519 public key, 32 bytes, base64url in JSON without padding.
type Key = string

// DeviceStatus is what a device may do.
type DeviceStatus string

// States of a device. A revoked or retired one never comes back.
const (
	DeviceActive  DeviceStatus = "active"
	DeviceRevoked DeviceStatus = "revoked"
)

// Device is one device of a user's. One key belongs to one device.
type Device struct {
	ID         string       `json:"id"` // 16 random bytes, base64url
	UserID     string       `json:"userID"`
	PlatformID int32        `json:"platformID"` // OpenIM's numbers, 1 to 9
	Name       string       `json:"name"`
	Key        Key          `json:"key"`
	Status     DeviceStatus `json:"status"`
	Created    time.Time    `json:"created"`
	LastLogin  time.Time    `json:"lastLogin,omitzero"`
	Revoked    time.Time    `json:"revoked,omitzero"`
}

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

// IssueCode asks for a one-time enrolment code. The user is created in OpenIM at enrolment if he is not there.
type IssueCode struct {
	UserID          string `json:"userID"`
	Nickname        string `json:"nickname,omitempty"` // for a new user
	FaceURL         string `json:"faceURL,omitempty"`
	PlatformID      int32  `json:"platformID,omitempty"` // 0: any
	LifetimeSeconds int32  `json:"lifetimeSeconds"`      // at most 600
	// NewUser false: the user must have an enrolled device already (a code that a device issues for its own user).
	NewUser bool   `json:"newUser"`
	Issuer  string `json:"issuer"` // who asked, for the log: "admin <sub>" or "device <id>"
	// SessionID and DeviceID are the issuer's, empty for an administrator's: with them the code goes.
	SessionID string `json:"sessionID,omitempty"`
	DeviceID  string `json:"deviceID,omitempty"`
	// Under is what the gateway noted of the session or the moment in which the code is issued, at most 2 KiB. It comes back when the code
	// is used, and the gateway judges by it whether the code still holds. Nobody else reads it.
	Under string `json:"under,omitempty"`
}

// DropCodes removes open codes: those that a session or a device issued, those of a user, or all. One of the four is written. Whether a
// code holds does not depend on it (IssueCode.Under); this makes room for others.
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

// OpenCode asks for the pre-shared key of a code. It counts as an attempt; the fifth attempt destroys the code.
type OpenCode struct {
	CodeID string `json:"codeID"`
}

// OpenedCode has the pre-shared key of handshake.PSK, 32 bytes in base64url. Found false: unknown, used up or expired; the PSK
// is then random, so that the caller does the same work.
type OpenedCode struct {
	Found bool   `json:"found"`
	PSK   string `json:"psk"`
	Under string `json:"under,omitempty"` // of IssueCode
}

// Enrol uses a code up and registers the device whose possession of key the handshake proved, atomically: of two calls
// with one code one succeeds. Refusals: CodeGone, KeyTaken, WrongPlatform.
type Enrol struct {
	CodeID     string `json:"codeID"`
	Key        Key    `json:"key"`
	PlatformID int32  `json:"platformID"`
	Name       string `json:"name"` // at most 128 bytes
}

// Enrolled says what became of it.
type Enrolled struct {
	Refused Refused `json:"refused,omitempty"`
	Device  Device  `json:"device,omitzero"`
	User    User    `json:"user,omitzero"`
	Under   string  `json:"under,omitempty"` // of the code that was used up
}

// Refused is why a registry call did not do what it was asked. It goes to the log, never to a client who has not proved himself.
type Refused string

// Reasons.
const (
	CodeGone      Refused = "code_gone"
	KeyTaken      Refused = "key_taken"
	WrongPlatform Refused = "wrong_platform"
	NoSuchDevice  Refused = "no_such_device"
	NoSuchUser    Refused = "no_such_user"
)

// Resolve looks up who holds a key. It notes the login when all is well.
type Resolve struct {
	Key Key `json:"key"`
}

// Resolved says who holds a key. Found false is answered after the same work as true.
type Resolved struct {
	Found  bool   `json:"found"`
	Device Device `json:"device,omitzero"`
	User   User   `json:"user,omitzero"`
}

// Rotate replaces a device's key by one whose possession was proved. The old one stays taken for ever. Reply: Enrolled.
type Rotate struct {
	DeviceID string `json:"deviceID"`
	Key      Key    `json:"key"`
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

// TokenRequest asks for a user's OpenIM token, for the gateway's own socket to msggateway. It is never logged, stored or sent on.
type TokenRequest struct {
	UserID     string `json:"userID"`
	PlatformID int32  `json:"platformID"`
	// Refused is the hash (custody.Hash) of a token that OpenIM has just refused: another one is wanted.
	Refused string `json:"refused,omitempty"`
}

// Token is an OpenIM token.
type Token struct {
	Token   string    `json:"token"`
	Hash    string    `json:"hash"`
	Expires time.Time `json:"expires"`
}

// ForceLogout has OpenIM close the user's sockets on the platforms and void their tokens, as the second belt.
type ForceLogout struct {
	UserID      string  `json:"userID"`
	PlatformIDs []int32 `json:"platformIDs"`
}

// Membership asks which conversations (si_, sg_, n_, sn_ ids, at most 500) a user is part of.
type Membership struct {
	UserID          string   `json:"userID"`
	ConversationIDs []string `json:"conversationIDs"`
}

// Members answers in the same order.
type Members struct {
	Member []bool `json:"member"`
}

// SenderOf asks how a user is shown to others, in a group under his name there.
type SenderOf struct {
	UserID  string `json:"userID"`
	GroupID string `json:"groupID,omitempty"`
}

// Sender is how OpenIM shows a user. The backend may answer from a memory of some seconds.
type Sender struct {
	Nickname string `json:"nickname"`
	FaceURL  string `json:"faceURL"`
}
