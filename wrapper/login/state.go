package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// stateTTL is how long a client may take between the two calls.
const stateTTL = 30 * time.Second

// stateInfo is the HKDF info of the key that seals states. No other key is derived with it.
const stateInfo = "openim-gateway/1 handshake state"

// state is what a login keeps between its two calls. The Noise library cannot serialize a handshake, so the second call rebuilds it from
// these fields.
type state struct {
	Protocol  handshake.Protocol `json:"p"`
	Purpose   handshake.Purpose  `json:"u"`
	CodeID    string             `json:"c,omitempty"`
	Ephemeral []byte             `json:"e"` // the private half of the handshake's own key
	Message1  []byte             `json:"m"`
	Sum2      []byte             `json:"s"` // SHA-256 of the second message as it was sent
	Time      int64              `json:"t"` // the second message's payload, Unix milliseconds
}

var errState = errors.New("reading a handshake's state: sealed under an unknown key, or manipulated")

// seal encrypts a state for its handshake's identifier, under a key that only a holder of the server's static key can derive. A state of
// another handshake, or one that was written by somebody with access to Redis alone, cannot be opened.
func (k serverKey) seal(id string, s state) ([]byte, error) {
	plain, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding the handshake's state: %w", err)
	}
	aead, err := k.aead(id)
	if err != nil {
		return nil, err
	}
	name, err := hex.DecodeString(k.id)
	if err != nil {
		return nil, fmt.Errorf("encoding the handshake's state: %w", err)
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	return aead.Seal(append(name, nonce...), nonce, plain, []byte(id)), nil
}

// keyNameBytes is the length of the server key's id in front of a sealed state.
const keyNameBytes = 8

// open is the inverse of seal. It fails when the key whose id the state carries is no longer configured.
func (r *ServerKeys) open(id string, sealed []byte) (serverKey, state, error) {
	if len(sealed) < keyNameBytes {
		return serverKey{}, state{}, errState
	}
	key, alive := r.find(hex.EncodeToString(sealed[:keyNameBytes]))
	if !alive {
		return serverKey{}, state{}, errState
	}
	aead, err := key.aead(id)
	if err != nil {
		return serverKey{}, state{}, err
	}
	sealed = sealed[keyNameBytes:]
	if len(sealed) < aead.NonceSize() {
		return serverKey{}, state{}, errState
	}
	plain, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(id))
	if err != nil {
		return serverKey{}, state{}, errState
	}
	var s state
	if err = json.Unmarshal(plain, &s); err != nil || len(s.Ephemeral) != handshake.KeyBytes {
		return serverKey{}, state{}, errState
	}
	return key, s, nil
}

// aead derives a key for each handshake, so that no key is ever used with many random nonces.
func (k serverKey) aead(id string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.private.Bytes(), []byte(id), stateInfo, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the handshake's state: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the handshake's state: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the handshake's state: %w", err)
	}
	return aead, nil
}

// greet starts or repeats a handshake up to its second message.
func (k serverKey) greet(audience string, s state) (*handshake.Responder, []byte, error) {
	terms := handshake.Terms{Audience: audience, Purpose: s.Purpose, Protocol: s.Protocol}
	responder, err := handshake.NewResponder(terms, k.private, [handshake.KeyBytes]byte(s.Ephemeral))
	if err != nil {
		return nil, nil, err
	}
	m2, err := responder.Greet(s.Message1, handshake.Greeting{ServerTime: s.Time})
	return responder, m2, err
}

// resume rebuilds the handshake of the first call and checks that its second message is the same.
func (k serverKey) resume(audience string, s state) (*handshake.Responder, error) {
	responder, m2, err := k.greet(audience, s)
	if err != nil {
		return responder, err
	}
	sum := sha256.Sum256(m2)
	if subtle.ConstantTimeCompare(sum[:], s.Sum2) != 1 {
		return responder, errState
	}
	return responder, nil
}
