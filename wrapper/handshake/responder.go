package handshake

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// Errors of a handshake. They reveal to the other side only that it failed.
var (
	// ErrAuthentication says that the message was not made by the holder of the key, for these terms, after the earlier messages.
	ErrAuthentication = errors.New("the message does not authenticate")
	// ErrOrder says that a step was called out of order or twice. It is a fault of the calling program, not of the other side.
	ErrOrder = errors.New("this step of the handshake was called out of order")
)

// Responder is the server's side of one handshake: Greet, then Admit, then Seal, each once.
//
// A Responder can be rebuilt from the same arguments, byte for byte, because the ephemeral key is one of them. That is how a handshake
// continues over two calls. An ephemeral key must therefore be used for one handshake only, and its Admit and Seal at most once over all
// rebuilds. Otherwise one key and nonce would seal two texts.
type Responder struct {
	suite  suite
	state  *noise.HandshakeState
	work   *work
	reply  *noise.CipherState
	greets bool
	admits bool
}

// NewResponder starts a handshake. ephemeral is 32 random bytes: the private half of the key of this one handshake.
func NewResponder(terms Terms, static *ecdh.PrivateKey, ephemeral [KeyBytes]byte) (*Responder, error) {
	s, err := terms.check()
	if err != nil {
		return nil, err
	}
	return newResponder(s, terms.prologue(PublicOf(static).ID()), static, ephemeral)
}

func newResponder(s suite, prologue []byte, static *ecdh.PrivateKey, ephemeral [KeyBytes]byte) (*Responder, error) {
	w := &work{DHFunc: noise.DH25519}
	config := s.config(w, prologue, keyPair(static))
	config.Random = bytes.NewReader(ephemeral[:]) // the library reads the ephemeral key from it, once
	state, err := noise.NewHandshakeState(config)
	if err != nil {
		return nil, fmt.Errorf("starting the handshake: %w", err)
	}
	return &Responder{suite: s, state: state, work: w}, nil
}

// Greet reads the first message and writes the second.
func (r *Responder) Greet(m1 []byte, greeting Greeting) ([]byte, error) {
	payload, err := pad(greeting, greetingBytes)
	if err != nil {
		return nil, err
	}
	if len(m1) != Message1Bytes {
		return nil, ErrAuthentication
	}
	return r.greet(m1, payload)
}

func (r *Responder) greet(m1, payload []byte) ([]byte, error) {
	if r.greets {
		return nil, ErrOrder
	}
	r.greets = true
	r.admits = true // blocks Admit until the second message is written
	if _, _, _, err := r.state.ReadMessage(nil, m1); err != nil {
		return nil, ErrAuthentication
	}
	m2, _, _, err := r.state.WriteMessage(nil, payload)
	if err != nil {
		return nil, ErrAuthentication // the client's ephemeral key is a point of low order
	}
	r.admits = false
	return m2, nil
}

// Admit reads the third message and returns the client's key, of which the client has proved possession. psk is the enrolment's pre-shared
// key. It is required for an enrolment and refused for anything else.
func (r *Responder) Admit(m3, psk []byte) (PublicKey, Hello, error) {
	if len(m3) != Message3Bytes {
		return PublicKey{}, Hello{}, ErrAuthentication
	}
	key, payload, err := r.admit(m3, psk)
	if err != nil {
		return PublicKey{}, Hello{}, err
	}
	var hello Hello
	if err = unpad(payload, helloBytes, &hello); err != nil {
		return PublicKey{}, Hello{}, err
	}
	return key, hello, hello.Check()
}

func (r *Responder) admit(m3, psk []byte) (PublicKey, []byte, error) {
	if !r.greets || r.admits {
		return PublicKey{}, nil, ErrOrder
	}
	r.admits = true
	// The library would continue with an empty pre-shared key if none was set, so a missing key must be refused here.
	if r.suite.psk != (len(psk) == PSKBytes) || !r.suite.psk && len(psk) > 0 {
		return PublicKey{}, nil, ErrOrder
	}
	if r.suite.psk {
		if err := r.state.SetPresharedKey(psk); err != nil {
			return PublicKey{}, nil, ErrOrder
		}
	}
	payload, _, reply, err := r.state.ReadMessage(nil, m3)
	if err != nil || reply == nil {
		return PublicKey{}, nil, ErrAuthentication
	}
	key := PublicKey(r.state.PeerStatic()) // not of low order: the se operation has succeeded with it
	if !key.canonical() {
		return PublicKey{}, nil, ErrKeyPoint
	}
	r.reply = reply
	return key, payload, nil
}

// Seal writes the only message that the server sends under the handshake's keys.
func (r *Responder) Seal(reply Reply) ([]byte, error) {
	payload, err := pad(reply, replyBytes)
	if err != nil {
		return nil, err
	}
	return r.seal(payload)
}

func (r *Responder) seal(payload []byte) ([]byte, error) {
	if r.reply == nil {
		return nil, ErrOrder
	}
	cipher := r.reply
	r.reply = nil
	message, err := cipher.Encrypt(nil, nil, payload)
	if err != nil {
		return nil, fmt.Errorf("sealing the reply: %w", err)
	}
	return message, nil
}

// CompleteWork does the rest of the work of a complete handshake, so that a handshake that failed early takes as long as one that failed
// late.
func (r *Responder) CompleteWork() { r.work.complete() }

// Work returns how many curve operations were done so far.
func (r *Responder) Work() int { return r.work.done }

// WholeWork is the number of curve operations of a complete handshake: the ephemeral key, es, ee and se.
const WholeWork = 4

// work counts the curve operations, which are nearly the whole cost of a handshake.
type work struct {
	noise.DHFunc
	done int
}

// GenerateKeypair counts as one operation.
func (w *work) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	w.done++
	return w.DHFunc.GenerateKeypair(random)
}

// DH counts as one operation.
func (w *work) DH(private, public []byte) ([]byte, error) {
	w.done++
	return w.DHFunc.DH(private, public)
}

func (w *work) complete() {
	for w.done < WholeWork {
		_, _ = w.DH(probe.Bytes(), prime[:]) // any operation: the result is discarded
	}
}

// config returns the part of the library's configuration that both sides share.
func (s suite) config(dh noise.DHFunc, prologue []byte, static noise.DHKey) noise.Config {
	config := noise.Config{
		CipherSuite:   noise.NewCipherSuite(dh, s.cipher, noise.HashSHA256),
		Pattern:       noise.HandshakeXK,
		Prologue:      prologue,
		StaticKeypair: static,
	}
	if s.psk {
		config.PresharedKeyPlacement = pskPlacement
	}
	return config
}

func keyPair(key *ecdh.PrivateKey) noise.DHKey {
	return noise.DHKey{Private: key.Bytes(), Public: key.PublicKey().Bytes()}
}
