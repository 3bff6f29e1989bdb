package handshake

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func text(n int) string { return base64.RawURLEncoding.EncodeToString(make([]byte, n)) }

const legalID = "0123456789abcdef"

func startBody(change map[string]any) []byte {
	body := map[string]any{"protocol": XKAESGCM, "keyID": legalID, "purpose": Login, "message": text(48)}
	for k, v := range change {
		if body[k] = v; v == nil {
			delete(body, k)
		}
	}
	out, _ := json.Marshal(body)
	return out
}

func TestAStartIsReadStrictly(t *testing.T) {
	g := NewWithT(t)
	r, err := DecodeStart(startBody(nil))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Bytes()).To(HaveLen(48))
	_, err = DecodeStart(startBody(map[string]any{"purpose": Enrol, "protocol": XKpsk3AESGCM, "codeID": text(16)}))
	g.Expect(err).NotTo(HaveOccurred())

	for name, c := range map[string]struct {
		change map[string]any
		says   string
	}{
		"no protocol":                 {map[string]any{"protocol": nil}, "protocol"},
		"a protocol of another kind":  {map[string]any{"protocol": "Noise_IK_25519_AESGCM_SHA256"}, "unknown protocol"},
		"XK for enrolment":            {map[string]any{"purpose": Enrol, "codeID": text(16)}, "does not fit"},
		"XKpsk3 for login":            {map[string]any{"protocol": XKpsk3AESGCM}, "does not fit"},
		"an unknown purpose":          {map[string]any{"purpose": "admin"}, "purpose"},
		"a key id in capitals":        {map[string]any{"keyID": "0123456789ABCDEF"}, "keyID"},
		"a short key id":              {map[string]any{"keyID": "0123456789abcde"}, "keyID"},
		"enrolment without a code":    {map[string]any{"purpose": Enrol, "protocol": XKpsk3AESGCM}, "codeID"},
		"a whole code for its id":     {map[string]any{"purpose": Enrol, "protocol": XKpsk3AESGCM, "codeID": NewCode().Reveal()}, "codeID"},
		"a code with a login":         {map[string]any{"codeID": text(16)}, "alone"},
		"message one byte short":      {map[string]any{"message": text(47)}, "48 bytes"},
		"message one byte long":       {map[string]any{"message": text(49)}, "48 bytes"},
		"message with padding":        {map[string]any{"message": base64.URLEncoding.EncodeToString(make([]byte, 47))}, "48 bytes"},
		"message with a line break":   {map[string]any{"message": text(48)[:63] + "\n"}, "48 bytes"},
		"message in another alphabet": {map[string]any{"message": strings.Repeat("/", 64)}, "48 bytes"},
		"message a number":            {map[string]any{"message": 1}, "JSON"},
		"a member nobody knows":       {map[string]any{"userID": "alice"}, "JSON"},
		"larger than 2 KiB":           {map[string]any{"message": text(2000)}, "JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeStart(startBody(c.change))
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.says)))
		})
	}
	for _, body := range []string{``, `null`, `[]`, `"x"`, `{}`, `{"keyID":"a","keyID":"b"}`, string(startBody(nil)) + "x", "\ufeff{}",
		"{\"keyID\":\"\xff\"}"} {
		_, err := DecodeStart([]byte(body))
		g.Expect(err).To(HaveOccurred(), body)
	}
}

func TestAFinishIsReadStrictly(t *testing.T) {
	g := NewWithT(t)
	good := fmt.Sprintf(`{"handshakeID":%q,"message":%q}`, text(16), text(576))
	r, err := DecodeFinish([]byte(good))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Bytes()).To(HaveLen(576))
	for _, body := range []string{
		``, `{}`, `[]`, good + good, strings.Replace(good, "{", `{"handshakeID":"x",`, 1),
		fmt.Sprintf(`{"handshakeID":%q,"message":%q}`, text(15), text(576)),
		fmt.Sprintf(`{"handshakeID":%q,"message":%q}`, text(16), text(575)),
		fmt.Sprintf(`{"handshakeID":%q,"message":%q}`, text(16), text(577)),
		fmt.Sprintf(`{"handshakeID":%q,"message":%q,"purpose":"login"}`, text(16), text(576)),
	} {
		_, err := DecodeFinish([]byte(body))
		g.Expect(err).To(HaveOccurred(), body)
	}
}

func TestTheKeyDocumentIsCheckedByTheClient(t *testing.T) {
	g := NewWithT(t)
	key := PublicOf(fresh(t))
	good := WellKnown{Version: 1, Audience: origin, Protocols: Protocols(), Keys: []ServerKey{{key.ID(), key.String()}}}
	encoded, err := good.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	read, err := DecodeWellKnown(append(encoded[:len(encoded)-1], []byte(`,"later":1}`)...))
	g.Expect(err).NotTo(HaveOccurred(), "what a newer gateway adds is left out")
	g.Expect(read).To(Equal(good))
	g.Expect(read.Speaks(XKAESGCM)).To(BeTrue())
	g.Expect(read.Speaks("Noise_NN_25519_AESGCM_SHA256")).To(BeFalse())

	for name, spoil := range map[string]func(*WellKnown){
		"another version":          func(w *WellKnown) { w.Version = 2 },
		"no audience":              func(w *WellKnown) { w.Audience = "" },
		"no key":                   func(w *WellKnown) { w.Keys = nil },
		"five keys":                func(w *WellKnown) { w.Keys = append(w.Keys, w.Keys[0], w.Keys[0], w.Keys[0], w.Keys[0]) },
		"an id of another key":     func(w *WellKnown) { w.Keys[0].ID = legalID },
		"a point of low order":     func(w *WellKnown) { w.Keys[0] = ServerKey{PublicKey{}.ID(), PublicKey{}.String()} },
		"a key of another length":  func(w *WellKnown) { w.Keys[0].Key += "A" },
		"a document far too large": func(w *WellKnown) { w.Paths = map[string]string{"x": strings.Repeat("x", MaxWellKnownBytes)} },
	} {
		bad := good
		bad.Keys = append([]ServerKey(nil), good.Keys...)
		spoil(&bad)
		encoded, err := bad.Encode()
		g.Expect(err).NotTo(HaveOccurred())
		_, err = DecodeWellKnown(encoded)
		g.Expect(err).To(MatchError(ErrWellKnown), name)
	}
}

func TestACodeHasOneSpelling(t *testing.T) {
	g := NewWithT(t)
	code := NewCode()
	shown := code.Reveal()
	g.Expect(shown).To(MatchRegexp(`^v1\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$`))
	read, err := ParseCode(shown)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read).To(Equal(code))
	g.Expect(read.PSK()).To(HaveLen(PSKBytes))
	g.Expect(NewCode().Reveal()).NotTo(Equal(shown))

	last := map[byte]string{'A': "B", 'Q': "R", 'g': "h", 'w': "x"}[code.ID()[21]] // the same bytes, had the decoder been lax
	for _, text := range []string{
		"", "v1", "v1.", "v1..", shown + ".", shown + "=", shown[1:], " " + shown, shown + "\n", "V1" + shown[2:], "v2" + shown[2:],
		shown[:len(shown)-1], strings.Replace(shown, ".", "..", 1), "v1." + code.ID()[:21] + last + shown[25:], strings.Repeat(".", 1<<16),
	} {
		_, err := ParseCode(text)
		g.Expect(err).To(MatchError(ErrCode), "%q", text)
	}
}

// TestThePreSharedKeyIsWrittenDown, so that another implementation can be held against it.
func TestThePreSharedKeyIsWrittenDown(t *testing.T) {
	code, err := ParseCode("v1.AAECAwQFBgcICQoLDA0ODw.EBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8")
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(fmt.Sprintf("%x", code.PSK())).To(Equal("de368cf1498029a27b534d517e8f4b3f3c5db4ce3f4609b98a7661537b5a3dc2"))
}

func TestTheSecretOfACodeDoesNotSlipOut(t *testing.T) {
	code := NewCode()
	secret := strings.Split(code.Reveal(), ".")[2]
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("issued", "code", code)
	for _, printed := range []string{fmt.Sprint(code), fmt.Sprintf("%+v %#v %s %q", code, code, code, code), log.String()} {
		NewWithT(t).Expect(printed).To(And(ContainSubstring(code.ID()), Not(ContainSubstring(secret))))
	}
}

func TestPayloadsHaveOneSizeAndOneSpelling(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		hello := Hello{
			PlatformID:    rapid.Int32Range(1, 9).Draw(rt, "platform"),
			DeviceName:    rapid.StringOfN(rapid.Rune(), 0, 128, MaxDeviceNameBytes).Draw(rt, "name"),
			ClientVersion: rapid.StringOfN(rapid.Rune(), 0, 64, maxClientVersionBytes).Draw(rt, "version"),
			ClientTime:    rapid.Int64().Draw(rt, "time"),
		}
		if hello.Check() != nil {
			return
		}
		padded, err := pad(hello, helloBytes)
		if err != nil || len(padded) != helloBytes {
			rt.Fatalf("a legal hello does not fit: %v", err)
		}
		var back Hello
		if err = unpad(padded, helloBytes, &back); err != nil || back != hello {
			rt.Fatalf("%v came back as %v: %v", hello, back, err)
		}
		if rest := int(padded[0])<<8 + int(padded[1]) + 2; rest < helloBytes {
			padded[rapid.IntRange(rest, helloBytes-1).Draw(rt, "where")] = 1
			if unpad(padded, helloBytes, &back) == nil {
				rt.Fatal("padding other than zeroes was read")
			}
		}
	})
}

func TestPayloadsThatAreNoneAreRefused(t *testing.T) {
	g := NewWithT(t)
	var h Hello
	framed := func(n int, text string) []byte {
		out := make([]byte, helloBytes)
		out[0], out[1] = byte(n>>8), byte(n)
		copy(out[2:], text)
		return out
	}
	g.Expect(unpad(framed(2, "{}"), helloBytes, &h)).To(Succeed())
	for _, padded := range [][]byte{
		nil, make([]byte, helloBytes), framed(2, "{}")[:511], framed(511, ""), framed(65535, "{}"), framed(1, "{}"), framed(3, "{}"),
		framed(4, "null"), framed(2, "[]"), framed(33, `{"platformID":1,"platformID":2}`), framed(20, `{"platformID":"five"}`)} {
		g.Expect(unpad(padded, helloBytes, &h)).NotTo(Succeed(), "%q", padded)
	}
	_, err := pad(Reply{Token: strings.Repeat("x", 1024)}, replyBytes)
	g.Expect(err).To(MatchError(errTooLarge))
}

func TestAHelloSaysWhatADeviceMayBeCalled(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"", "Ann's phone <3", "手机", "👩‍💻", strings.Repeat("é", 64)} {
		g.Expect(Hello{PlatformID: 1, DeviceName: name, ClientVersion: name}.Check()).To(SatisfyAny(Succeed(),
			MatchError(ContainSubstring("version"))), name)
		g.Expect(Hello{PlatformID: 9, DeviceName: name}.Check()).To(Succeed(), name)
	}
	for _, name := range []string{"a\nb", "a\x00", "\u202egnp.exe", "a\u2028b", "\xff", strings.Repeat("x", 129)} {
		g.Expect(Hello{PlatformID: 1, DeviceName: name}.Check()).NotTo(Succeed(), "%q", name)
		g.Expect(Hello{PlatformID: 1, ClientVersion: name}.Check()).NotTo(Succeed(), "%q", name)
	}
	for _, platform := range []int32{-1, 0, 10} {
		g.Expect(Hello{PlatformID: platform}.Check()).NotTo(Succeed())
	}
}

func TestKeysInText(t *testing.T) {
	g := NewWithT(t)
	key := PublicOf(fresh(t))
	read, err := ParsePublicKey(key.String())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.Equal(key)).To(BeTrue())
	g.Expect(read.Equal(PublicOf(fresh(t)))).To(BeFalse())
	g.Expect(key.ID()).To(MatchRegexp("^[0-9a-f]{16}$"))
	for _, text := range []string{"", key.String() + "=", key.String()[1:], key.String() + "A", strings.Repeat("!", 43),
		key.String()[:42] + "\n"} {
		_, err := ParsePublicKey(text)
		g.Expect(err).To(MatchError(ErrKeyText), "%q", text)
	}
}
