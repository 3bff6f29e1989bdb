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

// Sizes of the payloads in bytes. They are fixed, so that the length of a message reveals nothing of its content.
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

// Greeting is the payload of the second message. The client has proved nothing yet.
type Greeting struct {
	ServerTime int64 `json:"serverTime"` // Unix milliseconds
}

// Hello is the payload of the third message, which also carries the client's key.
type Hello struct {
	PlatformID    int32  `json:"platformID"` // OpenIM's numbers, 1 to 9
	DeviceName    string `json:"deviceName"` // at most 128 bytes
	ClientVersion string `json:"clientVersion"`
	ClientTime    int64  `json:"clientTime"` // Unix milliseconds
}

// Reply is the server's answer to an authenticated client, sealed under the handshake's own keys.
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
	// ServerKeys are the current static keys, so that a client that pinned one key learns the next from a handshake with the pinned key.
	ServerKeys []string `json:"serverKeys,omitempty"`
}

// Bounds of a Hello.
const (
	MaxDeviceNameBytes    = 128
	maxClientVersionBytes = 64
	minPlatform           = 1
	maxPlatform           = 9
)

// Check returns what is wrong with a Hello.
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

// printable refuses characters that could forge a log line or change the text direction of a list of devices.
func printable(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return false
		}
	}
	return utf8.ValidString(text)
}

var (
	errPadding  = errors.New("the payload has invalid padding")
	errTooLarge = errors.New("the payload is larger than its fixed size")
	errPayload  = errors.New("the payload is not the expected JSON object")
)

// pad encodes a value: its length, its JSON, and zeros up to size.
func pad(value any, size int) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // six bytes for one would exceed the size
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding the payload: %w", err)
	}
	body := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if len(body) > size-lengthBytes {
		return nil, errTooLarge
	}
	out := make([]byte, size)
	binary.BigEndian.PutUint16(out, uint16(len(body))) //nolint:gosec // less than size, which is at most 1024
	copy(out[lengthBytes:], body)
	return out, nil
}

// unpad is the inverse of pad. It accepts exactly one padding. It ignores unknown members, so that a newer peer may send more, and refuses
// repeated members.
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

// object decodes one JSON object strictly. The error never holds the text, which can be secret.
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
