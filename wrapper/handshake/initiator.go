package handshake

import (
	"crypto/ecdh"
	"fmt"
	"io"

	"github.com/flynn/noise"
)

// Initiator is the client's side of one handshake: Start, then Finish, then Open, each once.
type Initiator struct {
	state *noise.HandshakeState
	reply *noise.CipherState
}

// NewInitiator starts a handshake. server is the server's static key, which the client must know beforehand: the second message proves that
// the server holds it. psk is the enrolment code's pre-shared key, and nil without an enrolment.
func NewInitiator(terms Terms, server PublicKey, static *ecdh.PrivateKey, psk []byte) (*Initiator, error) {
	s, err := terms.check()
	if err != nil {
		return nil, err
	}
	if err = server.Check(); err != nil {
		return nil, fmt.Errorf("checking the gateway's key: %w", err)
	}
	return newInitiator(s, terms.prologue(server.ID()), server, static, psk, nil)
}

func newInitiator(s suite, prologue []byte, server PublicKey, static *ecdh.PrivateKey, psk []byte, random io.Reader) (*Initiator, error) {
	if s.psk != (len(psk) == PSKBytes) || !s.psk && len(psk) > 0 {
		return nil, ErrOrder
	}
	config := s.config(noise.DH25519, prologue, keyPair(static))
	config.Initiator = true
	config.PeerStatic = server[:]
	config.PresharedKey = psk
	config.Random = random
	state, err := noise.NewHandshakeState(config)
	if err != nil {
		return nil, fmt.Errorf("starting the handshake: %w", err)
	}
	return &Initiator{state: state}, nil
}

// Start writes the first message.
func (i *Initiator) Start() ([]byte, error) { return i.start(nil) }

func (i *Initiator) start(payload []byte) ([]byte, error) {
	if i.state.MessageIndex() != 0 {
		return nil, ErrOrder
	}
	m1, _, _, err := i.state.WriteMessage(nil, payload)
	if err != nil {
		return nil, fmt.Errorf("writing the first message: %w", err)
	}
	return m1, nil
}

// Finish reads the second message, which authenticates the server, and writes the third, which authenticates the client.
func (i *Initiator) Finish(m2 []byte, hello Hello) (Greeting, []byte, error) {
	var greeting Greeting
	if err := hello.Check(); err != nil {
		return greeting, nil, err
	}
	payload, err := pad(hello, helloBytes)
	if err != nil {
		return greeting, nil, err
	}
	if len(m2) != Message2Bytes {
		return greeting, nil, ErrAuthentication
	}
	said, m3, err := i.finish(m2, payload)
	if err != nil {
		return greeting, nil, err
	}
	return greeting, m3, unpad(said, greetingBytes, &greeting)
}

func (i *Initiator) finish(m2, payload []byte) (said, m3 []byte, err error) {
	if i.state.MessageIndex() != 1 {
		return nil, nil, ErrOrder
	}
	if said, _, _, err = i.state.ReadMessage(nil, m2); err != nil {
		return nil, nil, ErrAuthentication
	}
	m3, _, i.reply, err = i.state.WriteMessage(nil, payload)
	if err != nil {
		return nil, nil, ErrAuthentication // the server's ephemeral key is a point of low order
	}
	return said, m3, nil
}

// Open reads the server's reply.
func (i *Initiator) Open(message []byte) (Reply, error) {
	var reply Reply
	if len(message) != Message4Bytes {
		return reply, ErrAuthentication
	}
	payload, err := i.open(message)
	if err != nil {
		return reply, err
	}
	return reply, unpad(payload, replyBytes, &reply)
}

func (i *Initiator) open(message []byte) ([]byte, error) {
	if i.reply == nil {
		return nil, ErrOrder
	}
	cipher := i.reply
	i.reply = nil
	payload, err := cipher.Decrypt(nil, nil, message)
	if err != nil {
		return nil, ErrAuthentication
	}
	return payload, nil
}
