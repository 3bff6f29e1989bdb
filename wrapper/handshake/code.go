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

// ErrCode is all that is said of a code that is none. It repeats nothing of it.
var ErrCode = errors.New(`the code is malformed: it has the form "v1.<22 characters>.<43 characters>"`)

// Code is a one-time enrolment code: 16 random bytes that name it and 32 that are the secret.
type Code struct {
	id     [codeIDBytes]byte
	secret [codeSecretBytes]byte
}

// NewCode makes a code.
func NewCode() Code {
	var c Code
	_, _ = rand.Read(c.id[:]) // never fails: the runtime ends the program when the system has no randomness
	_, _ = rand.Read(c.secret[:])
	return c
}

// ParseCode reads the text that a user was given. There is one spelling for each code.
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

// ID is the part that may be known, stored and logged.
func (c Code) ID() string { return base64.RawURLEncoding.EncodeToString(c.id[:]) }

// Reveal is the whole code, secret included: show it once to the one who is to enrol, and keep it nowhere.
func (c Code) Reveal() string {
	return codeVersion + "." + c.ID() + "." + base64.RawURLEncoding.EncodeToString(c.secret[:])
}

// PSK is the pre-shared key of the enrolment. Whoever keeps it does not know the code.
func (c Code) PSK() []byte {
	key, err := hkdf.Key(sha256.New, c.secret[:], c.id[:], codeInfo, PSKBytes)
	if err != nil {
		panic(err) // only a length beyond HKDF's bound can do this
	}
	return key
}

// String leaves the secret out, so that a code in a log line or an error is harmless.
func (c Code) String() string { return "code " + c.ID() }

// GoString is String.
func (c Code) GoString() string { return c.String() }

// LogValue is String.
func (c Code) LogValue() slog.Value { return slog.StringValue(c.String()) }

// LegalCodeID reports whether a text can be the identifier of a code.
func LegalCodeID(id string) bool {
	_, err := decode(id, codeIDBytes)
	return err == nil
}
