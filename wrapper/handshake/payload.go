package handshake

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
)

// Sizes of the payloads in bytes. They are fixed, so that the length of a message says nothing about what is in it.
const (
	greetingBytes = 128
	helloBytes    = 512
	replyBytes    = 1024

	tagBytes    = 16
	lengthBytes = 2
)

// Sizes of the messages in bytes.
const (
	Message1Bytes = KeyBytes + tagBytes
	Message2Bytes = KeyBytes + greetingBytes + tagBytes
	Message3Bytes = KeyBytes + tagBytes + helloBytes + tagBytes
	Message4Bytes = replyBytes + tagBytes
)

// Greeting is what the second message says, to a client that has proved nothing.
type Greeting struct {
	ServerTime int64 `json:"serverTime"` // Unix milliseconds
}

// Hello is what the third message says, together with the client's key.
type Hello struct {
	PlatformID    int32  `json:"platformID"` // OpenIM's numbers, 1 to 9
	DeviceName    string `json:"deviceName"` // at most 128 bytes
	ClientVersion string `json:"clientVersion"`
	ClientTime    int64  `json:"clientTime"` // Unix milliseconds
}

// Reply is what the server answers to a client that has proved who it is, under the handshake's own keys.
type Reply struct {
	Token       string `json:"token"`
	SessionID   string `json:"sessionID"`
	UserID      string `json:"userID"`
	DeviceID    string `json:"deviceID"`
	PlatformID  int32  `json:"platformID"`
	Expires     int64  `json:"expires"` // Unix seconds
	IdleSeconds int32  `json:"idleSeconds"`
	TicketPath  string `json:"ticketPath"`
	WSPath      string `json:"wsPath"`
	APIPath     string `json:"apiPath"`
	// ServerKeys are the keys alive, so that a client which pinned one learns its successor from the pinned one itself.
	ServerKeys []string `json:"serverKeys,omitempty"`
}

// Bounds of a Hello.
const (
	MaxDeviceNameBytes    = 128
	maxClientVersionBytes = 64
	minPlatform           = 1
	maxPlatform           = 9
)

// Check says what is wrong with a Hello.
func (h Hello) Check() error {
	switch {
	case h.PlatformID < minPlatform || h.PlatformID > maxPlatform:
		return fmt.Errorf("the platform must be one of OpenIM's numbers, %d to %d", minPlatform, maxPlatform)
	case len(h.DeviceName) > MaxDeviceNameBytes || !printable(h.DeviceName):
		return fmt.Errorf("the device's name must be text of at most %d bytes without control characters", MaxDeviceNameBytes)
	case len(h.ClientVersion) > maxClientVersionBytes || !printable(h.ClientVersion):
		return fmt.Errorf("the client's version must be text of at most %d bytes without control characters", maxClientVersionBytes)
	}
	return nil
}

// printable refuses what could forge a line of a log or turn the direction of a list of devices.
func printable(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return false
		}
	}
	return utf8.ValidString(text)
}

var (
	errPadding  = errors.New("the payload is not padded as the protocol says")
	errTooLarge = errors.New("the payload does not fit its fixed size")
	errPayload  = errors.New("the payload is not the JSON object that belongs here")
)

// pad encodes a value: its length, the JSON, and zeroes up to size.
func pad(value any, size int) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // a quotation of one byte in six would break the size
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encode the payload: %w", err)
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if len(body) > size-lengthBytes {
		return nil, errTooLarge
	}
	out := make([]byte, size)
	binary.BigEndian.PutUint16(out, uint16(len(body))) //nolint:gosec // bounded by size, at most 1024
	copy(out[lengthBytes:], body)
	return out, nil
}

// unpad is pad's inverse. It takes one text for each value's padding alone. Members that it does not know are left
// out, so that a newer side may say more; one that is named twice is refused.
func unpad(padded []byte, size int, into any) error {
	if len(padded) != size {
		return errPadding
	}
	length := int(binary.BigEndian.Uint16(padded))
	if length > size-lengthBytes {
		return errPadding
	}
	body, rest := padded[lengthBytes:lengthBytes+length], padded[lengthBytes+length:]
	for _, b := range rest {
		if b != 0 {
			return errPadding
		}
	}
	return object(body, into, errPayload)
}

// object reads one JSON object strictly. What was read is never repeated in the error: it can be secret.
func object(text []byte, into any, malformed error, more ...kjson.StrictOption) error {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); !utf8.Valid(text) || len(trimmed) == 0 || trimmed[0] != '{' {
		return malformed
	}
	strict, err := kjson.UnmarshalStrict(text, into, append(more, kjson.DisallowDuplicateFields)...)
	if err != nil || len(strict) > 0 {
		return malformed
	}
	return nil
}
