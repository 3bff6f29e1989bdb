package client

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// Key is a device's own key, X25519. Whoever has it is the device: keep it where the platform keeps secrets.
type Key struct{ private *ecdh.PrivateKey }

// GenerateKey makes a new key, for one device and nothing else.
func GenerateKey() (*Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey reads what Reveal wrote.
func ParseKey(text string) (*Key, error) {
	malformed := errors.New("the device's key is not 32 bytes in base64url without padding")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, malformed
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return nil, malformed
	}
	return &Key{private}, nil
}

// Reveal is the key as text, for the place where secrets are kept.
func (k *Key) Reveal() string { return base64.RawURLEncoding.EncodeToString(k.private.Bytes()) }

// Public is the public half as the gateway's list of devices has it.
func (k *Key) Public() string { return handshake.PublicOf(k.private).String() }

// String shows the public half alone.
func (k *Key) String() string { return "device key " + k.Public() }

// GoString is String.
func (k *Key) GoString() string { return k.String() }

// LogValue is String.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Device is the one that this program runs on.
type Device struct {
	Key *Key
	// PlatformID is OpenIM's number: 1 iOS, 2 Android, 3 Windows, 4 macOS, 5 web, 6 mini program, 7 Linux, 8 Android pad,
	// 9 iPad. A device keeps the one that it was enrolled with.
	PlatformID int32
	// Name is shown in the user's list of devices, at most 128 bytes.
	Name string
}
