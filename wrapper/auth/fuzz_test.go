package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

func decode(t testing.TB, part string) []byte {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzAdminToken: whatever is made of a token, it is accepted only if it is the very token that was signed.
func FuzzAdminToken(f *testing.F) {
	key := authtest.FixedKey("k")
	v := verifier(rules(keysOf(f, key)))
	valid := key.Sign(f, nil, authtest.Claims(noon, nil))
	f.Add(valid)
	f.Add("..")
	f.Add(strings.Replace(valid, ".", "..", 1))
	f.Add(authtest.Encode([]byte(`{"alg":"none"}`)) + "." + authtest.Encode([]byte(`{"iss":"https://id.example.com"}`)) + ".AA")
	f.Fuzz(func(t *testing.T, token string) {
		p, refusal := v.Verify(token)
		switch {
		case refusal == nil && token != valid:
			t.Fatalf("accepted: %q", token)
		case refusal != nil && p != (auth.Principal{}):
			t.Fatal("a refused token gave a principal")
		case refusal != nil && refusal.Failure().Status != 401:
			t.Fatal("a refusal that is not 401")
		}
	})
}

// FuzzSignedContent: header and claims of any content, rightly signed, never panic, and never give a principal of
// another issuer or without subject.
func FuzzSignedContent(f *testing.F) {
	key := authtest.FixedKey("k")
	v := verifier(rules(keysOf(f, key)))
	parts := strings.Split(key.Sign(f, nil, authtest.Claims(noon, nil)), ".")
	f.Add(decode(f, parts[0]), decode(f, parts[1]))
	f.Add([]byte(`{"alg":"EdDSA","kid":"k","crit":[]}`), []byte(`{"iss":"https://id.example.com","aud":["im-admin"],"exp":1e9}`))
	f.Add([]byte(`{"alg":"EdDSA","typ":null}`), []byte(`{"aud":{"im-admin":1},"exp":"x","nbf":-0.0,"groups":[[]]}`))
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		p, refusal := v.Verify(key.SignRaw(t, header, claims))
		if refusal == nil && (p.Issuer != authtest.Issuer || p.Subject == "" || p.Expires.Before(noon.Add(-auth.Leeway))) {
			t.Fatalf("accepted: %s %s", header, claims)
		}
	})
}

// FuzzAssertion: whatever is made of an assertion, only the one that was signed is accepted.
func FuzzAssertion(f *testing.F) {
	valid := goodForm().String()
	f.Add(valid)
	f.Add(valid[:len(valid)-1])
	f.Add(with(func(f *form) { f.number = 1 }))
	f.Add(strings.Repeat("A", 200))
	f.Add(strings.Repeat("a.", 3))
	f.Fuzz(func(t *testing.T, token string) {
		p, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(token, call())
		switch {
		case refusal == nil && token != valid:
			t.Fatalf("accepted: %q", token)
		case refusal != nil && p != (auth.Principal{}):
			t.Fatal("a refused assertion gave a principal")
		}
	})
}

// FuzzSignedForm: bytes of any content, rightly signed, never panic, and give a principal only when they are the one spelling of it.
func FuzzSignedForm(f *testing.F) {
	raw := decode(f, goodForm().String())
	f.Add(raw[:len(raw)-sha256.Size])
	f.Add(raw[:61])
	f.Add(append([]byte{3}, make([]byte, 80)...))
	f.Add(decode(f, with(func(f *form) { f.texts[1], f.tail = strings.Repeat("a", 257), "\xff\xff" })))
	f.Fuzz(func(t *testing.T, raw []byte) {
		mac := hmac.New(sha256.New, []byte(keyOne))
		mac.Write([]byte(goodForm().domain))
		mac.Write(raw)
		token := base64.RawURLEncoding.EncodeToString(mac.Sum(raw))
		p, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(token, call())
		if refusal != nil {
			return
		}
		again := with(func(f *form) {
			f.made = time.UnixMilli(int64(binary.BigEndian.Uint64(raw[1:])))
			f.id, f.platform = string(raw[9:25]), uint32(p.PlatformID)
			f.texts = []string{"", p.Subject, p.Issuer, string(p.Role), p.Session, p.Device}
		})
		if again != token {
			t.Fatalf("two spellings of one assertion: %q", raw)
		}
	})
}

// FuzzJWKS: a set that is taken has 1 to 64 keys.
func FuzzJWKS(f *testing.F) {
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.EdDSA, jose.RS256} {
		f.Add(authtest.JWKS(f, authtest.NewKey(f, "k", alg)))
	}
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AA"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := auth.ParseJWKS(data)
		if err == nil && (keys.Len() < 1 || keys.Len() > 64) {
			t.Fatalf("%d keys", keys.Len())
		}
	})
}
