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
