package devices

import "github.com/openimstack/openim-operator/wrapper/internalapi"

// The calls that a login makes of the registry. They stay inside the backend.

// Enrolment is the request to use an enrolment code up and to register a device. The handshake has proved possession of Key.
type Enrolment struct {
	CodeID     string
	Key        internalapi.Key
	PlatformID int32
	Name       string // at most 128 bytes
}

// Enrolled is the result of an enrolment or a key rotation.
type Enrolled struct {
	Refused Refusal // empty on success
	Device  internalapi.Device
	User    internalapi.User
	Under   string // Invitation.Under of the code that was used up
}

// Refusal is why the registry refused a call. It goes to the log, never to a client that has proved nothing.
type Refusal string

// Refusals.
const (
	CodeGone      Refusal = "code_gone"
	KeyTaken      Refusal = "key_taken"
	WrongPlatform Refusal = "wrong_platform"
	NoSuchDevice  Refusal = "no_such_device"
	NoSuchUser    Refusal = "no_such_user"
)

// Holder is the device and the user that hold a key. Found is false for an unknown key, after the same work as for a known one.
type Holder struct {
	Found  bool
	Device internalapi.Device
	User   internalapi.User
}

// KeyRotation is the request to replace a device's key by one whose possession was proved. The old key stays taken permanently.
type KeyRotation struct {
	DeviceID string
	Key      internalapi.Key
}
