package handshake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flynn/noise"
)

// version is the first field of the prologue. It changes with everything on which both sides must agree.
const version = "openim-gateway/1"

// Protocol is a Noise protocol's full name. The client chooses it. Nothing is negotiated inside a handshake.
type Protocol string

// The protocols, in the order in which the server lists them. AES-GCM comes first because browsers implement it.
const (
	XKAESGCM         Protocol = "Noise_XK_25519_AESGCM_SHA256"
	XKpsk3AESGCM     Protocol = "Noise_XKpsk3_25519_AESGCM_SHA256"
	XKChaChaPoly     Protocol = "Noise_XK_25519_ChaChaPoly_SHA256"
	XKpsk3ChaChaPoly Protocol = "Noise_XKpsk3_25519_ChaChaPoly_SHA256"
)

// Purpose is the purpose of a handshake. A message that was made for one purpose is invalid for another.
type Purpose string

// Purposes.
const (
	Login  Purpose = "login"  // an enrolled device requests a session
	Enrol  Purpose = "enrol"  // a new device enrols with a one-time code
	Rotate Purpose = "rotate" // a logged-in device proves possession of its next key
)

// Purposes lists all purposes.
var Purposes = []Purpose{Login, Enrol, Rotate}

// suite is what a protocol's name means. All use X25519 and SHA-256.
type suite struct {
	protocol Protocol
	cipher   noise.CipherFunc
	psk      bool // the pre-shared key is mixed in at the end of the third message (psk3)
}

var suites = []suite{
	{XKAESGCM, noise.CipherAESGCM, false},
	{XKpsk3AESGCM, noise.CipherAESGCM, true},
	{XKChaChaPoly, noise.CipherChaChaPoly, false},
	{XKpsk3ChaChaPoly, noise.CipherChaChaPoly, true},
}

// pskPlacement is the 3 of psk3.
const pskPlacement = 3

// Protocols returns all protocols, the recommended ones first.
func Protocols() []Protocol {
	list := make([]Protocol, len(suites))
	for i, s := range suites {
		list[i] = s.protocol
	}
	return list
}

// ProtocolFor returns the recommended protocol for a purpose.
func ProtocolFor(purpose Purpose) Protocol {
	if purpose == Enrol {
		return XKpsk3AESGCM
	}
	return XKAESGCM
}

func (p Protocol) suite() (suite, bool) {
	i := slices.IndexFunc(suites, func(s suite) bool { return s.protocol == p })
	if i < 0 {
		return suite{}, false
	}
	return suites[i], true
}

// Terms are what both sides must agree on before the first message, besides the server's key.
type Terms struct {
	// Audience is the gateway's public origin, such as https://im.example.com.
	Audience string
	Purpose  Purpose
	Protocol Protocol
}

// maxAudienceBytes bounds Terms.Audience.
const maxAudienceBytes = 512

// check validates the terms and returns the suite. An enrolment requires a code (psk), and nothing else accepts one.
func (t Terms) check() (suite, error) {
	s, known := t.Protocol.suite()
	switch {
	case !known:
		return suite{}, fmt.Errorf("unknown protocol: use one of %s", join(Protocols()))
	case !slices.Contains(Purposes, t.Purpose):
		return suite{}, fmt.Errorf("unknown purpose: use one of %s", join(Purposes))
	case s.psk != (t.Purpose == Enrol):
		return suite{}, errors.New("the protocol does not fit the purpose: use XKpsk3 for an enrolment and XK for everything else")
	case t.Audience == "" || len(t.Audience) > maxAudienceBytes:
		return suite{}, fmt.Errorf("the audience must have 1 to %d bytes", maxAudienceBytes)
	}
	return s, nil
}

// prologue binds version, audience, server key, purpose and protocol into the handshake. Each field follows its length, two bytes big
// endian, so that no two lists of fields give the same bytes.
func (t Terms) prologue(keyID string) []byte {
	var out []byte
	for _, field := range []string{version, t.Audience, keyID, string(t.Purpose), string(t.Protocol)} {
		out = binary.BigEndian.AppendUint16(out, uint16(len(field))) //nolint:gosec // check bounds the longest field
		out = append(out, field...)
	}
	return out
}

func join[T ~string](list []T) string {
	texts := make([]string, len(list))
	for i, v := range list {
		texts[i] = string(v)
	}
	return strings.Join(texts, ", ")
}
