package auth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

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

// fixedAssertion is what auth.Assert makes of call(), but for its identifier, which is the same in every run.
func fixedAssertion() string {
	body := sha256.Sum256(call().Body)
	claims := fmt.Sprintf(`{"iss":"openim-wrapper-gateway","aud":["openim-wrapper-backend"],"sub":%q,"adm":%q,"role":"admin",`+
		`"htm":"POST","htp":%q,"rid":"r-1","bh":%q,"jti":"fixed","iat":%d,"exp":%d}`,
		admin.Subject, admin.Issuer, call().Path, authtest.Encode(body[:]), noon.Unix(), noon.Add(auth.AssertionLifetime).Unix())
	return hs256(`{"alg":"HS256","typ":"openim-wrapper-assertion+jwt"}`, claims, []byte(keyOne))
}

func TestTheFixedAssertionIsAGoodOne(t *testing.T) {
	_, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(fixedAssertion(), call())
	if refusal != nil {
		t.Fatal(refusal)
	}
}

// FuzzAssertion: as FuzzAdminToken, for the assertion between gateway and backend.
func FuzzAssertion(f *testing.F) {
	valid := fixedAssertion()
	f.Add(valid)
	f.Add(strings.Repeat("a.", 3))
	f.Fuzz(func(t *testing.T, token string) {
		_, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(token, call())
		if refusal == nil && token != valid {
			t.Fatalf("accepted: %q", token)
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
