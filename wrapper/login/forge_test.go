package login

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net/netip"

	"github.com/flynn/noise"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// Enrol answers that the code is gone meanwhile.
func (r *gone) Enrol(ctx context.Context, request devices.Enrolment) (devices.Enrolled, error) {
	r.mu.Lock()
	delete(r.codes, request.CodeID)
	r.mu.Unlock()
	return r.fakeRegistry.Enrol(ctx, request)
}

// hello is a third message's payload for any platform.
func hello(platform int32) []byte {
	text, _ := json.Marshal(handshake.Hello{PlatformID: platform})
	out := make([]byte, 512)
	binary.BigEndian.PutUint16(out, uint16(len(text)))
	copy(out[2:], text)
	return out
}

// fields writes a prologue as the contract has it, here by other means than the package that is tested.
func fields(texts ...string) (out []byte) {
	for _, text := range texts {
		out = append(out, byte(len(text)>>8), byte(len(text)))
		out = append(out, text...)
	}
	return out
}

// forge makes the two calls with the Noise library alone, with keys and payloads that an honest client cannot have.
func (w *testEnv) forge(purpose handshake.Purpose, key noise.DHKey, payload []byte) handshake.FinishRequest {
	w.t.Helper()
	server := w.serverKey()
	state, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: noise.NewCipherSuite(noise.DH25519, noise.CipherAESGCM, noise.HashSHA256),
		Pattern:     noise.HandshakeXK, Initiator: true, StaticKeypair: key, PeerStatic: server[:],
		Prologue: fields("openim-gateway/1", origin, server.ID(), string(purpose), string(handshake.XKAESGCM)),
	})
	w.must(err)
	m1, _, _, err := state.WriteMessage(nil, nil)
	w.must(err)
	reply, _, err := w.service.Start(w.t.Context(), handshake.StartRequest{
		Protocol: handshake.XKAESGCM, KeyID: server.ID(), Purpose: purpose, Message: handshake.Text(m1),
	}, netip.Addr{})
	w.must(err)
	_, _, _, err = state.ReadMessage(nil, reply.Bytes())
	w.must(err)
	m3, _, _, err := state.WriteMessage(nil, payload)
	w.must(err)
	return handshake.FinishRequest{HandshakeID: reply.HandshakeID, Message: handshake.Text(m3)}
}
