package internalapi

import "time"

// Device, DeviceStatus and Key are shared by the internal API and the device registry.

// Key is an X25519 public key: 32 bytes in base64url without padding.
type Key = string

// DeviceStatus says whether a device may log in.
type DeviceStatus string

// States of a device. A revoked device never becomes active again.
const (
	DeviceActive  DeviceStatus = "active"
	DeviceRevoked DeviceStatus = "revoked"
)

// Device is one device of a user. A key belongs to one device.
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

// OpenCode asks for the pre-shared key of a code. It counts as an attempt; the fifth attempt destroys the code.
type OpenCode struct {
	CodeID string `json:"codeID"`
}

// OpenedCode has the pre-shared key of handshake.PSK, 32 bytes in base64url. Found false: unknown, used up or expired; the PSK
// is then random, so that the caller does the same work.
type OpenedCode struct {
	Found bool   `json:"found"`
	PSK   string `json:"psk"`
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

// Refused is why a registry call did not do what it was asked. It goes to the log, never to a client that has proved nothing.
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
