package handshake

import (
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

const (
	origin     = "https://im.example.com"
	serverTime = 1718000000000
)

func fresh(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func ephemeral() (e [KeyBytes]byte) {
	_, _ = rand.Read(e[:])
	return e
}

// run is one handshake with everything that went over the wire.
type run struct {
	server, client *ecdh.PrivateKey
	psk            []byte
	ephemeral      [KeyBytes]byte
	initiator      *Initiator
	responder      *Responder
	m1, m2, m3     []byte
}

func legalHello() Hello {
	return Hello{PlatformID: 5, DeviceName: "a browser", ClientVersion: "1.0", ClientTime: 1}
}

// upTo3 goes as far as the third message, which is not yet read.
func upTo3(t testing.TB, client, server Terms) *run {
	t.Helper()
	r := &run{server: fresh(t), client: fresh(t), ephemeral: ephemeral()}
	if client.Purpose == Enrol {
		r.psk = NewCode().PSK()
	}
	var err error
	check := func() {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r.initiator, err = NewInitiator(client, PublicOf(r.server), r.client, r.psk)
	check()
	r.responder, err = NewResponder(server, r.server, r.ephemeral)
	check()
	r.m1, err = r.initiator.Start()
	check()
	r.m2, err = r.responder.Greet(r.m1, Greeting{ServerTime: serverTime})
	check()
	_, r.m3, err = r.initiator.Finish(r.m2, legalHello())
	check()
	return r
}

// all protocols with each purpose that they serve.
func allTerms() (list []Terms) {
	for _, protocol := range Protocols() {
		for _, purpose := range Purposes {
			terms := Terms{origin, purpose, protocol}
			if _, err := terms.check(); err == nil {
				list = append(list, terms)
			}
		}
	}
	return list
}

func TestAHandshakeTellsTheGatewayTheKeyAndTheClientTheReply(t *testing.T) {
	NewWithT(t).Expect(allTerms()).To(HaveLen(6), "XK for login and rotation, XKpsk3 for enrolment, two ciphers each")
	for _, terms := range allTerms() {
		t.Run(string(terms.Purpose)+" "+string(terms.Protocol), func(t *testing.T) {
			g := NewWithT(t)
			r := upTo3(t, terms, terms)
			g.Expect([]int{len(r.m1), len(r.m2), len(r.m3)}).To(Equal([]int{48, 176, 576}))
			key, hello, err := r.responder.Admit(r.m3, r.psk)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(key).To(Equal(PublicOf(r.client)))
			g.Expect(hello).To(Equal(legalHello()))
			want := Reply{Token: "t", SessionID: "s", UserID: "u", DeviceID: "d", PlatformID: 5, Expires: 1, ServerKeys: []string{"k"}}
			m4, err := r.responder.Seal(want)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(m4).To(HaveLen(1040))
			reply, err := r.initiator.Open(m4)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reply).To(Equal(want))
		})
	}
}

func TestEachStepIsTakenOnceAndInOrder(t *testing.T) {
	g := NewWithT(t)
	terms := Terms{origin, Login, XKAESGCM}
	early, err := NewResponder(terms, fresh(t), ephemeral())
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = early.Admit(make([]byte, Message3Bytes), nil)
	g.Expect(err).To(MatchError(ErrOrder))
	_, err = early.Seal(Reply{})
	g.Expect(err).To(MatchError(ErrOrder))
	_, err = early.Greet(make([]byte, Message1Bytes), Greeting{})
	g.Expect(err).To(MatchError(ErrAuthentication))
	_, _, err = early.Admit(make([]byte, Message3Bytes), nil)
	g.Expect(err).To(MatchError(ErrOrder), "nothing follows a first message that was refused")

	r := upTo3(t, terms, terms)
	_, err = r.initiator.Start()
	g.Expect(err).To(MatchError(ErrOrder))
	_, _, err = r.initiator.Finish(r.m2, legalHello())
	g.Expect(err).To(MatchError(ErrOrder))
	_, err = r.responder.Greet(r.m1, Greeting{})
	g.Expect(err).To(MatchError(ErrOrder))
	_, _, err = r.responder.Admit(r.m3, nil)
	g.Expect(err).NotTo(HaveOccurred())
	_, _, err = r.responder.Admit(r.m3, nil)
	g.Expect(err).To(MatchError(ErrOrder))
	m4, err := r.responder.Seal(Reply{})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = r.responder.Seal(Reply{})
	g.Expect(err).To(MatchError(ErrOrder), "one nonce, one text")
	_, err = r.initiator.Open(m4)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = r.initiator.Open(m4)
	g.Expect(err).To(MatchError(ErrOrder))
}

// TestTheSameArgumentsMakeTheSameHandshake is what lets a handshake rest in Redis between two calls.
func TestTheSameArgumentsMakeTheSameHandshake(t *testing.T) {
	for _, terms := range allTerms() {
		g := NewWithT(t)
		server, client, e := fresh(t), fresh(t), ephemeral()
		var psk []byte
		if terms.Purpose == Enrol {
			psk = NewCode().PSK()
		}
		initiator, err := NewInitiator(terms, PublicOf(server), client, psk)
		g.Expect(err).NotTo(HaveOccurred())
		m1, err := initiator.Start()
		g.Expect(err).NotTo(HaveOccurred())

		first, err := NewResponder(terms, server, e)
		g.Expect(err).NotTo(HaveOccurred())
		m2, err := first.Greet(m1, Greeting{ServerTime: 42})
		g.Expect(err).NotTo(HaveOccurred())
		second, err := NewResponder(terms, server, e)
		g.Expect(err).NotTo(HaveOccurred())
		again, err := second.Greet(m1, Greeting{ServerTime: 42})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(again).To(Equal(m2))

		_, m3, err := initiator.Finish(m2, legalHello())
		g.Expect(err).NotTo(HaveOccurred())
		key, _, err := second.Admit(m3, psk)
		g.Expect(err).NotTo(HaveOccurred(), "the rebuilt responder continues where the first one stopped")
		g.Expect(key).To(Equal(PublicOf(client)))
	}
}

// TestWhateverTheTermsDifferInTheHandshakeFails: each side's terms are in its prologue.
func TestWhateverTheTermsDifferInTheHandshakeFails(t *testing.T) {
	server := fresh(t)
	agreed := Terms{origin, Login, XKAESGCM}
	for name, other := range map[string]Terms{
		"audience":             {"https://im.example.org", Login, XKAESGCM},
		"audience, one slash":  {origin + "/", Login, XKAESGCM},
		"purpose":              {origin, Rotate, XKAESGCM},
		"cipher":               {origin, Login, XKChaChaPoly},
		"enrolment for login":  {origin, Enrol, XKpsk3AESGCM},
		"enrolment, other too": {origin, Enrol, XKpsk3ChaChaPoly},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			initiator, err := NewInitiator(agreed, PublicOf(server), fresh(t), nil)
			g.Expect(err).NotTo(HaveOccurred())
			m1, err := initiator.Start()
			g.Expect(err).NotTo(HaveOccurred())
			responder, err := NewResponder(other, server, ephemeral())
			g.Expect(err).NotTo(HaveOccurred())
			_, err = responder.Greet(m1, Greeting{})
			g.Expect(err).To(MatchError(ErrAuthentication))
		})
	}
	t.Run("server key", func(t *testing.T) {
		g := NewWithT(t)
		initiator, err := NewInitiator(agreed, PublicOf(fresh(t)), fresh(t), nil)
		g.Expect(err).NotTo(HaveOccurred())
		m1, err := initiator.Start()
		g.Expect(err).NotTo(HaveOccurred())
		responder, err := NewResponder(agreed, server, ephemeral())
		g.Expect(err).NotTo(HaveOccurred())
		_, err = responder.Greet(m1, Greeting{})
		g.Expect(err).To(MatchError(ErrAuthentication))
	})
	t.Run("version and key id, field by field", func(t *testing.T) {
		g := NewWithT(t)
		s, _ := agreed.Protocol.suite()
		ours := agreed.prologue(PublicOf(server).ID())
		for i := range ours {
			theirs := bytes.Clone(ours)
			theirs[i] ^= 1
			initiator, err := newInitiator(s, theirs, PublicOf(server), fresh(t), nil, nil)
			g.Expect(err).NotTo(HaveOccurred())
			m1, err := initiator.Start()
			g.Expect(err).NotTo(HaveOccurred())
			responder, err := newResponder(s, ours, server, ephemeral())
			g.Expect(err).NotTo(HaveOccurred())
			_, err = responder.greet(m1, nil)
			g.Expect(err).To(MatchError(ErrAuthentication), "byte %d of the prologue", i)
		}
	})
}

func TestThePrologueIsWrittenDown(t *testing.T) {
	NewWithT(t).Expect(Terms{"https://a", Login, XKAESGCM}.prologue("0123456789abcdef")).To(Equal([]byte(
		"\x00\x10openim-gateway/1" + "\x00\x09https://a" + "\x00\x100123456789abcdef" + "\x00\x05login" + "\x00\x1cNoise_XK_25519_AESGCM_SHA256",
	)))
}

func TestTermsThatDoNotFitAreRefused(t *testing.T) {
	for _, terms := range []Terms{
		{origin, Login, XKpsk3AESGCM}, {origin, Rotate, XKpsk3ChaChaPoly}, {origin, Enrol, XKAESGCM}, {origin, Enrol, XKChaChaPoly},
		{origin, "", XKAESGCM}, {origin, "LOGIN", XKAESGCM}, {origin, Login, ""}, {origin, Login, "Noise_NN_25519_AESGCM_SHA256"},
		{origin, Login, "noise_xk_25519_aesgcm_sha256"}, {"", Login, XKAESGCM}, {strings.Repeat("a", 513), Login, XKAESGCM},
	} {
		_, err := NewResponder(terms, fresh(t), ephemeral())
		NewWithT(t).Expect(err).To(HaveOccurred(), "%v", terms)
		_, err = NewInitiator(terms, PublicOf(fresh(t)), fresh(t), nil)
		NewWithT(t).Expect(err).To(HaveOccurred(), "%v", terms)
	}
}

func TestAnEnrolmentNeedsThePreSharedKeyAndNothingElseTakesOne(t *testing.T) {
	g := NewWithT(t)
	enrol, login := Terms{origin, Enrol, XKpsk3AESGCM}, Terms{origin, Login, XKAESGCM}
	for _, psk := range [][]byte{nil, {}, make([]byte, 31), make([]byte, 33)} {
		r := upTo3(t, enrol, enrol)
		_, _, err := r.responder.Admit(r.m3, psk)
		g.Expect(err).To(MatchError(ErrOrder))
		_, err = NewInitiator(enrol, PublicOf(fresh(t)), fresh(t), psk)
		g.Expect(err).To(MatchError(ErrOrder))
	}
	r := upTo3(t, enrol, enrol)
	_, _, err := r.responder.Admit(r.m3, NewCode().PSK())
	g.Expect(err).To(MatchError(ErrAuthentication), "another code's")
	r = upTo3(t, login, login)
	_, _, err = r.responder.Admit(r.m3, make([]byte, PSKBytes))
	g.Expect(err).To(MatchError(ErrOrder))
	_, err = NewInitiator(login, PublicOf(fresh(t)), fresh(t), make([]byte, PSKBytes))
	g.Expect(err).To(MatchError(ErrOrder))
}

// TestEveryByteCounts: each byte of each message, changed, makes the side that reads it refuse.
func TestEveryByteCounts(t *testing.T) {
	for _, terms := range allTerms() {
		t.Run(string(terms.Purpose)+" "+string(terms.Protocol), func(t *testing.T) {
			g := NewWithT(t)
			good := upTo3(t, terms, terms)
			_, _, err := good.responder.Admit(good.m3, good.psk)
			g.Expect(err).NotTo(HaveOccurred())
			m4, err := good.responder.Seal(Reply{Token: "t"})
			g.Expect(err).NotTo(HaveOccurred())
			for i := range good.m1 {
				responder, err := NewResponder(terms, good.server, ephemeral())
				g.Expect(err).NotTo(HaveOccurred())
				_, err = responder.Greet(flip(good.m1, i), Greeting{})
				g.Expect(err).To(MatchError(ErrAuthentication), "m1[%d]", i)
			}
			for i := range good.m2 {
				initiator, err := NewInitiator(terms, PublicOf(good.server), good.client, good.psk)
				g.Expect(err).NotTo(HaveOccurred())
				m1, err := initiator.Start()
				g.Expect(err).NotTo(HaveOccurred())
				responder, err := NewResponder(terms, good.server, ephemeral())
				g.Expect(err).NotTo(HaveOccurred())
				m2, err := responder.Greet(m1, Greeting{})
				g.Expect(err).NotTo(HaveOccurred())
				_, _, err = initiator.Finish(flip(m2, i), legalHello())
				g.Expect(err).To(MatchError(ErrAuthentication), "m2[%d]", i)
			}
			for i := range good.m3 {
				responder, err := NewResponder(terms, good.server, good.ephemeral)
				g.Expect(err).NotTo(HaveOccurred())
				_, err = responder.Greet(good.m1, Greeting{ServerTime: serverTime})
				g.Expect(err).NotTo(HaveOccurred())
				_, _, err = responder.Admit(flip(good.m3, i), good.psk)
				g.Expect(err).To(MatchError(ErrAuthentication), "m3[%d]", i)
			}
			cipher := good.initiator.reply
			for i := range m4 {
				good.initiator.reply = cipher // a message that was refused moves no nonce
				_, err = good.initiator.Open(flip(m4, i))
				g.Expect(err).To(MatchError(ErrAuthentication), "m4[%d]", i)
			}
			good.initiator.reply = cipher
			_, err = good.initiator.Open(m4)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func flip(message []byte, i int) []byte {
	out := bytes.Clone(message)
	out[i] ^= 1 << (i % 8)
	return out
}

// TestALengthThatIsNotTheRightOneIsRefused before the library sees it.
func TestALengthThatIsNotTheRightOneIsRefused(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(0, 2000).Draw(rt, "size")
		terms := allTerms()[rapid.IntRange(0, 5).Draw(rt, "terms")]
		r := upTo3(t, terms, terms)
		junk := rapid.SliceOfN(rapid.Byte(), size, size).Draw(rt, "junk")
		if _, _, err := r.responder.Admit(junk, r.psk); err == nil {
			rt.Fatalf("%d bytes of junk were admitted", size)
		}
		if _, err := r.initiator.Open(junk); err == nil {
			rt.Fatalf("%d bytes of junk were a reply", size)
		}
	})
}

func TestTheWorkOfAHandshakeThatFailsEarlyIsLevelled(t *testing.T) {
	g := NewWithT(t)
	terms := Terms{origin, Login, XKAESGCM}
	r := upTo3(t, terms, terms)
	g.Expect(r.responder.Work()).To(Equal(3))
	_, _, err := r.responder.Admit(flip(r.m3, 0), nil)
	g.Expect(err).To(MatchError(ErrAuthentication))
	g.Expect(r.responder.Work()).To(Equal(3), "it failed before se")
	r.responder.CompleteWork()
	g.Expect(r.responder.Work()).To(Equal(WholeWork))
	r.responder.CompleteWork()
	g.Expect(r.responder.Work()).To(Equal(WholeWork))
}
