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

// Key is the X25519 key pair of one device. Who holds the private half can log in as the device: store the key where the
// platform keeps secrets.
type Key struct{ private *ecdh.PrivateKey }

// GenerateKey returns a new random key. Use it for one device only.
func GenerateKey() (*Key, error) {
	private, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	return &Key{private}, nil
}

// ParseKey parses the text that Key.Reveal returned: 32 bytes in base64url without padding.
func ParseKey(text string) (*Key, error) {
	malformed := errors.New("parsing the device's key: not 32 bytes in base64url without padding")
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

// Reveal returns the private key as text, 43 characters of base64url, for the platform's store of secrets. ParseKey reads it.
func (k *Key) Reveal() string { return base64.RawURLEncoding.EncodeToString(k.private.Bytes()) }

// Public returns the public key as text, as the gateway's list of devices shows it.
func (k *Key) Public() string { return handshake.PublicOf(k.private).String() }

// String returns the public half only, so that a printed key reveals nothing.
func (k *Key) String() string { return "device key " + k.Public() }

// GoString returns the same text as String.
func (k *Key) GoString() string { return k.String() }

// LogValue returns the same text as String.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Device describes the device on which the program runs.
type Device struct {
	// Key is the device's key. It is required.
	Key *Key
	// PlatformID is OpenIM's number of the platform: 1 iOS, 2 Android, 3 Windows, 4 macOS, 5 web, 6 mini program, 7 Linux,
	// 8 Android pad, 9 iPad. It cannot change after the enrolment: a login must use the number of the enrolment.
	PlatformID int32
	// Name is the name of the device in the user's list of devices, at most 128 bytes.
	Name string
}
