package handshake

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzStart: an accepted body is valid, and is the same after encoding it again.
func FuzzStart(f *testing.F) {
	f.Add(startBody(nil))
	f.Add(startBody(map[string]any{"purpose": Enrol, "protocol": XKpsk3ChaChaPoly, "codeID": text(16)}))
	f.Add([]byte(`{"keyID":"a","keyid":"b"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeStart(body)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil || len(r.Bytes()) != Message1Bytes || !legalKeyID(r.KeyID) {
			t.Fatalf("an illegal start was read: %+v", r)
		}
		if back, err := DecodeStart(again); err != nil || back != r {
			t.Fatalf("%+v became %+v: %v", r, back, err)
		}
	})
}

// FuzzFinish: the same.
func FuzzFinish(f *testing.F) {
	good, _ := json.Marshal(FinishRequest{text(16), text(576)})
	f.Add(good)
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeFinish(body)
		if err != nil {
			return
		}
		if len(r.Bytes()) != Message3Bytes || len(r.HandshakeID) != 22 {
			t.Fatalf("an illegal finish was read: %+v", r)
		}
	})
}

// FuzzWellKnown: a client never takes a key that does not carry its own name, or one of low order.
func FuzzWellKnown(f *testing.F) {
	key := PublicOf(private(f, bytes.Repeat([]byte{7}, KeyBytes)))
	good, _ := WellKnown{Version: 1, Audience: origin, Protocols: Protocols(), Keys: []ServerKey{{key.ID(), key.String()}}}.Encode()
	f.Add(good)
	f.Add([]byte(`{"version":1,"audience":"x","keys":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, err := DecodeWellKnown(body)
		if err != nil {
			return
		}
		for _, k := range w.Keys {
			if key, err := ParsePublicKey(k.Key); err != nil || key.ID() != k.ID {
				t.Fatalf("an illegal key was read: %+v", k)
			}
		}
	})
}

// FuzzCode: there is one text for each code.
func FuzzCode(f *testing.F) {
	f.Add(NewCode().Reveal())
	f.Add("v1..")
	f.Fuzz(func(t *testing.T, text string) {
		if code, err := ParseCode(text); err == nil && code.Reveal() != text {
			t.Fatalf("%q and %q are one code", text, code.Reveal())
		}
	})
}

// FuzzPayload: an accepted payload can be encoded again.
func FuzzPayload(f *testing.F) {
	good, _ := pad(legalHello(), helloBytes)
	f.Add(good)
	f.Add(make([]byte, helloBytes))
	f.Fuzz(func(t *testing.T, padded []byte) {
		var hello Hello
		if unpad(padded, helloBytes, &hello) != nil || hello.Check() != nil {
			return
		}
		again, err := pad(hello, helloBytes)
		var back Hello
		if err != nil || unpad(again, helloBytes, &back) != nil || back != hello {
			t.Fatalf("%+v became %+v: %v", hello, back, err)
		}
	})
}

// FuzzResponder: no message but the client's own is let in, and none makes it fall over.
func FuzzResponder(f *testing.F) {
	r := upTo3(f, Terms{origin, Login, XKAESGCM}, Terms{origin, Login, XKAESGCM})
	f.Add(r.m1, r.m3)
	f.Add(make([]byte, Message1Bytes), make([]byte, Message3Bytes))
	server := private(f, bytes.Repeat([]byte{9}, KeyBytes))
	f.Fuzz(func(t *testing.T, m1, m3 []byte) {
		for _, terms := range allTerms() {
			responder, err := NewResponder(terms, server, ephemeral())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = responder.Greet(m1, Greeting{})
			var psk []byte
			if terms.Purpose == Enrol {
				psk = make([]byte, PSKBytes)
			}
			if _, _, err := responder.Admit(m3, psk); err == nil {
				t.Fatal("a message that was made for another handshake was admitted")
			}
			if _, err := responder.Seal(Reply{}); err == nil {
				t.Fatal("something was sealed for nobody")
			}
		}
	})
}
