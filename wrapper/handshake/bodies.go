package handshake

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	kjson "sigs.k8s.io/json"
)

// MaxBodyBytes bounds the body of a login call, with room beyond the longest valid one.
const MaxBodyBytes = 2 << 10

// HandshakeIDBytes is the length of a handshake's identifier, which the server chooses.
const HandshakeIDBytes = 16

// StartRequest is the body of the first call.
type StartRequest struct {
	Protocol Protocol `json:"protocol"`
	KeyID    string   `json:"keyID"`
	Purpose  Purpose  `json:"purpose"`
	CodeID   string   `json:"codeID,omitempty"` // of the enrolment code
	Message  string   `json:"message"`          // the first message, base64url
}

// StartReply is the reply to the first call.
type StartReply struct {
	HandshakeID      string `json:"handshakeID"`
	Message          string `json:"message"` // the second message, base64url
	ExpiresInSeconds int    `json:"expiresInSeconds"`
}

// FinishRequest is the body of the second call.
type FinishRequest struct {
	HandshakeID string `json:"handshakeID"`
	Message     string `json:"message"` // the third message, base64url
}

// FinishReply is the reply to the second call.
type FinishReply struct {
	Message string `json:"message"` // a Reply, sealed under the handshake's keys, base64url
}

// ServerKey is a published static key of the login.
type ServerKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

// WellKnown is the document from which clients learn how to log in. It proves nothing by itself (see docs/login.md).
type WellKnown struct {
	Version   int               `json:"version"`
	Audience  string            `json:"audience"`
	Protocols []Protocol        `json:"protocols"`
	Keys      []ServerKey       `json:"keys"`
	Paths     map[string]string `json:"paths"`
}

const (
	// WellKnownVersion is the version of the document.
	WellKnownVersion = 1
	// MaxWellKnownBytes bounds the document.
	MaxWellKnownBytes = 16 << 10
	// MaxServerKeys is the largest number of static keys at one time.
	MaxServerKeys = 4
)

// ErrBody says that a body is not the expected JSON object.
var ErrBody = errors.New("invalid body: send the JSON object of this call, each member once")

// DecodeStart reads and checks a StartRequest.
func DecodeStart(body []byte) (StartRequest, error) {
	var r StartRequest
	if err := request(body, &r); err != nil {
		return StartRequest{}, err
	}
	return r, r.Check()
}

// Check returns what is wrong with the form of a request.
func (r StartRequest) Check() error {
	if _, err := (Terms{Audience: "any", Purpose: r.Purpose, Protocol: r.Protocol}).check(); err != nil {
		return err
	}
	if !legalKeyID(r.KeyID) {
		return fmt.Errorf("keyID must be %d hexadecimal digits, as the key's document has them", keyIDChars)
	}
	if r.Purpose == Enrol && !LegalCodeID(r.CodeID) {
		return errors.New("codeID must be the middle part of the enrolment code")
	}
	if r.Purpose != Enrol && r.CodeID != "" {
		return errors.New("codeID is for an enrolment alone: leave it out")
	}
	return checkMessage(r.Message, Message1Bytes)
}

// DecodeFinish reads and checks a FinishRequest.
func DecodeFinish(body []byte) (FinishRequest, error) {
	var r FinishRequest
	if err := request(body, &r); err != nil {
		return FinishRequest{}, err
	}
	return r, r.Check()
}

// Check returns what is wrong with the form of a request.
func (r FinishRequest) Check() error {
	if _, err := decode(r.HandshakeID, HandshakeIDBytes); err != nil {
		return errors.New("handshakeID must be the one of the first call's reply")
	}
	return checkMessage(r.Message, Message3Bytes)
}

// Bytes returns the decoded message, or nil when it is malformed.
func (r StartRequest) Bytes() []byte { return bytesOf(r.Message, Message1Bytes) }

// Bytes returns the decoded message, or nil when it is malformed.
func (r StartReply) Bytes() []byte { return bytesOf(r.Message, Message2Bytes) }

// Bytes returns the decoded message, or nil when it is malformed.
func (r FinishRequest) Bytes() []byte { return bytesOf(r.Message, Message3Bytes) }

// Bytes returns the decoded message, or nil when it is malformed.
func (r FinishReply) Bytes() []byte { return bytesOf(r.Message, Message4Bytes) }

// Text encodes a message for a body.
func Text(message []byte) string { return base64.RawURLEncoding.EncodeToString(message) }

func bytesOf(text string, size int) []byte {
	raw, _ := decode(text, size)
	return raw
}

func checkMessage(text string, size int) error {
	if _, err := decode(text, size); err != nil {
		return fmt.Errorf("message must be %d bytes in base64url without padding", size)
	}
	return nil
}

func request(body []byte, into any) error {
	if len(body) > MaxBodyBytes {
		return ErrBody
	}
	return object(body, into, ErrBody, kjson.DisallowUnknownFields)
}

// ErrWellKnown says that a document is invalid.
var ErrWellKnown = errors.New("the gateway's key document is malformed: is this the address of an OpenIM gateway?")

// DecodeWellKnown reads the document for a client. It ignores unknown members.
func DecodeWellKnown(body []byte) (WellKnown, error) {
	var w WellKnown
	if len(body) > MaxWellKnownBytes || object(body, &w, ErrWellKnown) != nil {
		return WellKnown{}, ErrWellKnown
	}
	if w.Version != WellKnownVersion || w.Audience == "" || len(w.Audience) > maxAudienceBytes ||
		len(w.Keys) == 0 || len(w.Keys) > MaxServerKeys {
		return WellKnown{}, ErrWellKnown
	}
	for _, k := range w.Keys {
		key, err := ParsePublicKey(k.Key)
		if err != nil || key.ID() != k.ID {
			return WellKnown{}, ErrWellKnown
		}
	}
	return w, nil
}

// Speaks reports whether the gateway offers a protocol.
func (w WellKnown) Speaks(p Protocol) bool { return slices.Contains(w.Protocols, p) }

// Encode returns the document's text.
func (w WellKnown) Encode() ([]byte, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encoding the key document: %w", err)
	}
	return text, nil
}
