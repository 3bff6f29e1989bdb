package handshake

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
)

const (
	codeVersion = "v1"
	codeInfo    = "openim-gateway enrolment"

	codeIDBytes     = 16
	codeSecretBytes = 32
	// PSKBytes is the length of a pre-shared key (Noise revision 34, section 9).
	PSKBytes = 32
)

// ErrCode is the only error about an invalid code. It repeats nothing of the code.
var ErrCode = errors.New(`the code is malformed: it has the form "v1.<22 characters>.<43 characters>"`)

// Code is a one-time enrolment code: 16 random bytes as its identifier and 32 random bytes as its secret.
type Code struct {
	id     [codeIDBytes]byte
	secret [codeSecretBytes]byte
}

// NewCode returns a new random code.
func NewCode() Code {
	var c Code
	_, _ = rand.Read(c.id[:]) // never fails: crypto/rand ends the process instead
	_, _ = rand.Read(c.secret[:])
	return c
}

// ParseCode parses the text of a code. Each code has exactly one spelling.
func ParseCode(text string) (Code, error) {
	head, rest, _ := strings.Cut(text, ".")
	id, secret, found := strings.Cut(rest, ".")
	if head != codeVersion || !found {
		return Code{}, ErrCode
	}
	rawID, err := decode(id, codeIDBytes)
	if err != nil {
		return Code{}, ErrCode
	}
	rawSecret, err := decode(secret, codeSecretBytes)
	if err != nil {
		return Code{}, ErrCode
	}
	return Code{id: [codeIDBytes]byte(rawID), secret: [codeSecretBytes]byte(rawSecret)}, nil
}

// ID returns the part of the code that may be known, stored and logged.
func (c Code) ID() string { return base64.RawURLEncoding.EncodeToString(c.id[:]) }

// Reveal returns the whole code with its secret. Show it once to the user who is to enrol, and store it nowhere.
func (c Code) Reveal() string {
	return codeVersion + "." + c.ID() + "." + base64.RawURLEncoding.EncodeToString(c.secret[:])
}

// PSK returns the pre-shared key of the enrolment. The code cannot be computed from it.
func (c Code) PSK() []byte {
	key, err := hkdf.Key(sha256.New, c.secret[:], c.id[:], codeInfo, PSKBytes)
	if err != nil {
		panic(err) // only a length beyond HKDF's bound causes it
	}
	return key
}

// String leaves the secret out, so that a code may appear in a log line or an error.
func (c Code) String() string { return "code " + c.ID() }

// GoString does the same for %#v.
func (c Code) GoString() string { return c.String() }

// LogValue does the same for slog.
func (c Code) LogValue() slog.Value { return slog.StringValue(c.String()) }

// LegalCodeID reports whether a text has the form of a code's identifier.
func LegalCodeID(id string) bool {
	_, err := decode(id, codeIDBytes)
	return err == nil
}
