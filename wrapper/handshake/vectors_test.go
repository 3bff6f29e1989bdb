package handshake

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	. "github.com/onsi/gomega"
)

// hexBytes is hexadecimal text in a vector file.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	raw, err := hex.DecodeString(string(text))
	*h = raw
	return err
}

type vector struct {
	Protocol          Protocol   `json:"protocol_name"`
	Prologue          hexBytes   `json:"init_prologue"`
	PSKs              []hexBytes `json:"init_psks"`
	ClientStatic      hexBytes   `json:"init_static"`
	ClientEphemeral   hexBytes   `json:"init_ephemeral"`
	ServerPublic      hexBytes   `json:"init_remote_static"`
	ServerStatic      hexBytes   `json:"resp_static"`
	ServerEphemeral   hexBytes   `json:"resp_ephemeral"`
	HandshakeHash     hexBytes   `json:"handshake_hash"`
	Messages          []struct{ Payload, Ciphertext hexBytes }
	ResponderPrologue hexBytes `json:"resp_prologue"`
}

func load[T any](t testing.TB, name string) T {
	t.Helper()
	var out T
	text, err := os.ReadFile("testdata/" + name)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func private(t testing.TB, raw []byte) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPublicVectors: vectors that another implementation published come out byte for byte, through the very steps
// that a login takes. Its first three messages are the handshake, its fourth is the reply.
func TestPublicVectors(t *testing.T) {
	file := load[struct{ Vectors []vector }](t, "cacophony.json")
	seen := map[Protocol]bool{}
	for _, v := range file.Vectors {
		seen[v.Protocol] = true
		t.Run(string(v.Protocol), func(t *testing.T) {
			g := NewWithT(t)
			s, known := v.Protocol.suite()
			g.Expect(known).To(BeTrue())
			var psk []byte
			if s.psk {
				psk = v.PSKs[0]
			}
			server := private(t, v.ServerStatic)
			g.Expect(server.PublicKey().Bytes()).To(BeEquivalentTo(v.ServerPublic))

			initiator, err := newInitiator(s, v.Prologue, PublicKey(v.ServerPublic), private(t, v.ClientStatic), psk,
				bytes.NewReader(v.ClientEphemeral))
			g.Expect(err).NotTo(HaveOccurred())
			responder, err := newResponder(s, v.ResponderPrologue, server, [KeyBytes]byte(v.ServerEphemeral))
			g.Expect(err).NotTo(HaveOccurred())

			m1, err := initiator.start(v.Messages[0].Payload)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m1).To(BeEquivalentTo(v.Messages[0].Ciphertext))
			m2, err := responder.greet(m1, v.Messages[1].Payload)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m2).To(BeEquivalentTo(v.Messages[1].Ciphertext))
			said, m3, err := initiator.finish(m2, v.Messages[2].Payload)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(said).To(BeEquivalentTo(v.Messages[1].Payload))
			g.Expect(m3).To(BeEquivalentTo(v.Messages[2].Ciphertext))
			key, payload, err := responder.admit(m3, psk)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(payload).To(BeEquivalentTo(v.Messages[2].Payload))
			g.Expect(key).To(Equal(PublicOf(private(t, v.ClientStatic))))
			m4, err := responder.seal(v.Messages[3].Payload)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m4).To(BeEquivalentTo(v.Messages[3].Ciphertext))
			reply, err := initiator.open(m4)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reply).To(BeEquivalentTo(v.Messages[3].Payload))

			g.Expect(responder.state.ChannelBinding()).To(BeEquivalentTo(v.HandshakeHash), "both sides saw the same")
			g.Expect(initiator.state.ChannelBinding()).To(BeEquivalentTo(v.HandshakeHash))
			g.Expect(responder.Work()).To(Equal(WholeWork))
		})
	}
	NewWithT(t).Expect(seen).To(HaveLen(len(suites)), "every protocol that is spoken has its vector")
}

type zeroCase struct {
	ID      int `json:"tcId"`
	Public  hexBytes
	Private hexBytes
	Comment string
}

// TestLowOrderPointsAreRefused: every public key of the Wycheproof suite that makes the shared secret zero, as a key and
// in each place of a handshake where a peer can send one.
func TestLowOrderPointsAreRefused(t *testing.T) {
	file := load[struct{ Cases []zeroCase }](t, "wycheproof_x25519_zero.json")
	g := NewWithT(t)
	g.Expect(file.Cases).To(HaveLen(31))
	for _, c := range file.Cases {
		point := PublicKey(c.Public)
		g.Expect(point.Check()).To(MatchError(ErrKeyPoint), "case %d", c.ID)
		_, err := ParsePublicKey(point.String())
		g.Expect(err).To(MatchError(ErrKeyPoint), "case %d", c.ID)

		_, err = NewInitiator(Terms{"https://im.example.com", Login, XKAESGCM}, point, private(t, c.Private), nil)
		g.Expect(err).To(MatchError(ErrKeyPoint), "case %d: as the server's static key", c.ID)

		responder, err := NewResponder(Terms{"https://im.example.com", Login, XKAESGCM}, private(t, c.Private), [KeyBytes]byte(c.Private))
		g.Expect(err).NotTo(HaveOccurred())
		_, err = responder.Greet(append(bytes.Clone(c.Public), make([]byte, tagBytes)...), Greeting{})
		g.Expect(err).To(MatchError(ErrAuthentication), "case %d: as the client's ephemeral key", c.ID)
	}
}

func TestAKeyHasOneEncoding(t *testing.T) {
	g := NewWithT(t)
	canonical := PublicOf(private(t, bytes.Repeat([]byte{7}, KeyBytes)))
	g.Expect(canonical.Check()).To(Succeed())
	high := canonical
	high[KeyBytes-1] |= 0x80
	g.Expect(high.Check()).To(MatchError(ErrKeyPoint), "X25519 ignores the highest bit, so that this would be the same key")
	for low := byte(0xed); low != 0; low++ { // 2^255-19 to 2^255-1
		beyond := PublicKey(prime)
		beyond[0] = low
		g.Expect(beyond.Check()).To(MatchError(ErrKeyPoint))
	}
}
