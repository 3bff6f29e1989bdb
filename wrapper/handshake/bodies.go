package handshake

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	kjson "sigs.k8s.io/json"
)

// MaxBodyBytes is more than the longest request of a login needs.
const MaxBodyBytes = 2 << 10

// HandshakeIDBytes is the length of the name that the server gives a handshake.
const HandshakeIDBytes = 16

// StartRequest is the body of the first call.
type StartRequest struct {
	Protocol Protocol `json:"protocol"`
	KeyID    string   `json:"keyID"`
	Purpose  Purpose  `json:"purpose"`
	CodeID   string   `json:"codeID,omitempty"` // of an enrolment's code
	Message  string   `json:"message"`          // the first message, base64url
}

// StartReply is the data of its reply.
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

// FinishReply is the data of its reply.
type FinishReply struct {
	Message string `json:"message"` // a Reply under the handshake's keys, base64url
}

// ServerKey is a static key of the login, as it is published.
type ServerKey struct {
	ID  string `json:"id"`
	Key string `json:"key"`
}

// WellKnown is the document in which the gateway says how to log in. It proves nothing by itself: see docs/login.md.
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
	// MaxServerKeys is how many static keys can be alive at once.
	MaxServerKeys = 4
)

// ErrBody is a request that is not the JSON object it should be.
var ErrBody = errors.New("the body is not the JSON object of this call: send exactly its members, each once")

// DecodeStart reads and checks a StartRequest.
func DecodeStart(body []byte) (StartRequest, error) {
	var r StartRequest
	if err := request(body, &r); err != nil {
		return StartRequest{}, err
	}
	return r, r.Check()
}

// Check says what is wrong with the shape of a request.
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
		return errors.New("codeID belongs to an enrolment alone: leave it out")
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

// Check says what is wrong with the shape of a request.
func (r FinishRequest) Check() error {
	if _, err := decode(r.HandshakeID, HandshakeIDBytes); err != nil {
		return errors.New("handshakeID must be the one that the first call gave")
	}
	return checkMessage(r.Message, Message3Bytes)
}

// Bytes decodes the message; nil when it is malformed.
func (r StartRequest) Bytes() []byte { return bytesOf(r.Message, Message1Bytes) }

// Bytes decodes the message; nil when it is malformed.
func (r StartReply) Bytes() []byte { return bytesOf(r.Message, Message2Bytes) }

// Bytes decodes the message; nil when it is malformed.
func (r FinishRequest) Bytes() []byte { return bytesOf(r.Message, Message3Bytes) }

// Bytes decodes the message; nil when it is malformed.
func (r FinishReply) Bytes() []byte { return bytesOf(r.Message, Message4Bytes) }

// Text is a message as the bodies have it.
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

// ErrWellKnown is a document that cannot be used.
var ErrWellKnown = errors.New("the gateway's key document is malformed: is this the address of an OpenIM gateway?")

// DecodeWellKnown reads the document on behalf of a client. Members that it does not know are left out.
func DecodeWellKnown(body []byte) (WellKnown, error) {
	var w WellKnown
	if len(body) > MaxWellKnownBytes || object(body, &w, ErrWellKnown) != nil {
		return WellKnown{}, ErrWellKnown
	}
	if w.Version != WellKnownVersion || w.Audience == "" || len(w.Audience) > maxAudienceBytes || len(w.Keys) == 0 || len(w.Keys) > MaxServerKeys {
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

// Speaks reports whether the gateway lists a protocol.
func (w WellKnown) Speaks(p Protocol) bool { return slices.Contains(w.Protocols, p) }

// Encode is the document's text.
func (w WellKnown) Encode() ([]byte, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode the key document: %w", err)
	}
	return text, nil
}
