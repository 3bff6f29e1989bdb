package auth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// attack is one token that must be refused, and the reason that must stand in the log.
type attack struct {
	name, token, reason string
}

// object is a JSON object whose members may repeat.
func object(members ...string) []byte { return []byte("{" + strings.Join(members, ",") + "}") }

func hs256(header, payload string, secret []byte) string {
	input := authtest.Encode([]byte(header)) + "." + authtest.Encode([]byte(payload))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + authtest.Encode(mac.Sum(nil))
}

func publicPEM(t *testing.T, k authtest.Key) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestAttacks(t *testing.T) {
	ec, rsa, ed := authtest.NewKey(t, "ec", jose.ES256), authtest.NewKey(t, "rsa", jose.RS256), authtest.NewKey(t, "ed", jose.EdDSA)
	evil, retired := authtest.NewKey(t, "ec", jose.ES256), authtest.NewKey(t, "retired", jose.ES256)
	v := verifier(rules(keysOf(t, ec, rsa, ed)))

	good := authtest.Claims(noon, nil)
	claims := toJSON(t, good)
	valid := ec.Sign(t, nil, good)
	parts := strings.Split(valid, ".")
	header := func(members map[string]any) string { return ec.Sign(t, members, good) }
	with := func(members map[string]any) string { return ec.Sign(t, nil, authtest.Claims(noon, members)) }
	unsigned := func(alg string) string {
		return authtest.Encode([]byte(`{"alg":"`+alg+`","typ":"JWT","kid":"ec"}`)) + "." + parts[1] + "."
	}
	forged := func(sig []byte) string { return parts[0] + "." + parts[1] + "." + authtest.Encode(sig) }
	order := elliptic.P256().Params().N
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }

	attacks := []attack{
		// Algorithm.
		{"alg none with an empty signature", unsigned("none"), "malformed"},
		{"alg none with a signature", unsigned("none") + "AAAA", "algorithm"},
		{"alg None", unsigned("None") + "AAAA", "algorithm"},
		{"alg NONE", unsigned("NONE") + "AAAA", "algorithm"},
		{"alg nOnE", unsigned("nOnE") + "AAAA", "algorithm"},
		{"HS256 with the RSA key's PEM as secret", hs256(`{"alg":"HS256","typ":"JWT","kid":"rsa"}`, claims, publicPEM(t, rsa)), "algorithm"},
		{"HS256 with the EC key's PEM as secret", hs256(`{"alg":"HS256","typ":"JWT","kid":"ec"}`, claims, publicPEM(t, ec)), "algorithm"},
		{"HS256 with an empty secret", hs256(`{"alg":"HS256","typ":"JWT","kid":"ec"}`, claims, nil), "algorithm"},
		{"an asymmetric alg that is not in the list", header(map[string]any{"alg": "ES384"}), "algorithm"},
		{"alg in another case", header(map[string]any{"alg": "es256"}), "algorithm"},
		{"alg as a list", header(map[string]any{"alg": []string{"ES256"}}), "algorithm"},
		{"no alg", header(map[string]any{"alg": nil}), "algorithm"},
		{"alg that the named key is not for", header(map[string]any{"alg": "EdDSA"}), "key"},
		{"PS256 signed with a key for RS256", authtest.Key{KID: "rsa", Alg: jose.PS256, Private: rsa.Private}.Sign(t, nil, good), "algorithm"},
		// Keys.
		{"another's key under our kid", evil.Sign(t, nil, good), "signature"},
		{"a key that was rotated out", retired.Sign(t, nil, good), "key"},
		{"no kid though there are several keys", header(map[string]any{"kid": nil}), "key"},
		{"kid as a path", header(map[string]any{"kid": "../../../../dev/null"}), "key"},
		{"kid as SQL", header(map[string]any{"kid": "' UNION SELECT 'x"}), "key"},
		{"kid as a command", header(map[string]any{"kid": "|/bin/true"}), "key"},
		{"kid as a number", header(map[string]any{"kid": 1}), "key"},
		{"kid as null", ec.SignRaw(t, []byte(`{"alg":"ES256","kid":null}`), []byte(claims)), "key"},
		{"empty kid", header(map[string]any{"kid": ""}), "key"},
		{"kid of 257 bytes", header(map[string]any{"kid": strings.Repeat("k", 257)}), "key"},
		{"kid of a megabyte", header(map[string]any{"kid": strings.Repeat("k", 1<<20)}), "malformed"},
		{"the attacker's key embedded as jwk", evil.Sign(t, map[string]any{"jwk": evil.JWK()}, good), "signature"},
		{"the attacker's set named by jku", evil.Sign(t, map[string]any{"jku": "https://evil.example/jwks"}, good), "signature"},
		{"the attacker's chain named by x5u", evil.Sign(t, map[string]any{"x5u": "https://evil.example/x"}, good), "signature"},
		// Header extensions.
		{"crit with a name nobody knows", header(map[string]any{"crit": []string{"exp"}, "exp": 1}), "header"},
		{"empty crit", header(map[string]any{"crit": []string{}}), "header"},
		{"b64 false (RFC 7797)", header(map[string]any{"b64": false, "crit": []string{"b64"}}), "header"},
		{"zip bomb", header(map[string]any{"zip": "DEF"}), "header"},
		{"nested JWT", header(map[string]any{"cty": "JWT"}), "header"},
		{"PBES2 with a huge count", header(map[string]any{"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "enc": "A128GCM"}), "header"},
		{"typ of another kind of token", header(map[string]any{"typ": "logout+jwt"}), "type"},
		{"typ of the internal assertion", header(map[string]any{"typ": "openim-wrapper-assertion+jwt"}), "type"},
		{"typ as a number", header(map[string]any{"typ": 7}), "type"},
		// Signatures.
		{"psychic signature: r = s = 0", forged(make([]byte, 64)), "signature"},
		{"r = s = the order", forged(append(order.FillBytes(make([]byte, 32)), order.FillBytes(make([]byte, 32))...)), "signature"},
		{
			"r beyond the order",
			forged(append(new(big.Int).Add(order, big.NewInt(1)).FillBytes(make([]byte, 32)), make([]byte, 32)...)),
			"signature",
		},
		{"signature cut short", forged(ec.Signature(t, []byte("x"))[:63]), "signature"},
		{"signature of something else", forged(ec.Signature(t, []byte("x"))), "signature"},
		{"signature in DER", forged(derSignature(t, ec, parts[0]+"."+parts[1])), "signature"},
		{
			"payload exchanged",
			parts[0] + "." + authtest.Encode([]byte(toJSON(t, authtest.Claims(noon, map[string]any{"sub": "evil"})))) + "." + parts[2],
			"signature",
		},
		{"no signature", parts[0] + "." + parts[1] + ".", "malformed"},
		{"signature left out with its dot", parts[0] + "." + parts[1], "malformed"},
		// Shape.
		{"empty", "", "malformed"},
		{"only dots", "..", "malformed"},
		{"ten thousand dots", strings.Repeat(".", 10000), "malformed"},
		{"a JWE of five parts", "a.b.c.d.e", "malformed"},
		{"larger than 8 KiB", with(map[string]any{"groups": strings.Repeat("x", 9000)}), "malformed"},
		{"padded base64", parts[0] + "." + parts[1] + "." + parts[2] + "==", "malformed"},
		{"standard base64 alphabet", parts[0] + "." + parts[1] + ".++//", "malformed"},
		{"blank inside", parts[0] + " ." + parts[1] + "." + parts[2], "malformed"},
		{"line break inside", parts[0] + ".\n" + parts[1] + "." + parts[2], "malformed"},
		{"line break at the end", valid + "\n", "malformed"},
		{"stray trailing bits", parts[0] + "." + parts[1] + "." + strayBits(t, parts[2]), "malformed"},
		{"JSON serialisation, flattened", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), "malformed"},
		{
			"JSON serialisation made to have two dots",
			fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q,"x":".."}`, parts[1], parts[0], parts[2]),
			"malformed",
		},
		{"header is a list", ec.SignRaw(t, []byte(`["ES256"]`), []byte(claims)), "malformed"},
		{"header is null", ec.SignRaw(t, []byte(`null`), []byte(claims)), "malformed"},
		{"header with alg twice", ec.SignRaw(t, object(`"alg":"none"`, `"alg":"ES256"`, `"kid":"ec"`), []byte(claims)), "malformed"},
		{
			"header with alg twice, once escaped",
			ec.SignRaw(t, object(`"\u0061lg":"none"`, `"alg":"ES256"`, `"kid":"ec"`), []byte(claims)),
			"malformed",
		},
		{"header followed by something", ec.SignRaw(t, []byte(`{"alg":"ES256","kid":"ec"}{}`), []byte(claims)), "malformed"},
		{"header not UTF-8", ec.SignRaw(t, []byte("{\"alg\":\"ES256\",\"kid\":\"ec\",\"x\":\"\xff\"}"), []byte(claims)), "malformed"},
		{
			"claims with sub twice",
			ec.SignRaw(t, []byte(`{"alg":"ES256","kid":"ec"}`), []byte(claims[:len(claims)-1]+`,"sub":"evil"}`)),
			"malformed",
		},
		{"claims with a member twice, deep down", with(map[string]any{"x": json.RawMessage(`{"y":{"a":1,"a":2}}`)}), "malformed"},
		{"claims are a text", ec.SignRaw(t, []byte(`{"alg":"ES256","kid":"ec"}`), []byte(`"x"`)), "malformed"},
		{
			"claims nested without end",
			ec.SignRaw(t, []byte(`{"alg":"ES256","kid":"ec"}`), []byte(`{"a":`+strings.Repeat("[", 5000))),
			"malformed",
		},
		// Issuer.
		{"another issuer", with(map[string]any{"iss": "https://evil.example"}), "issuer"},
		{"our issuer as a prefix", with(map[string]any{"iss": authtest.Issuer + ".evil.example"}), "issuer"},
		{"our issuer with a slash", with(map[string]any{"iss": authtest.Issuer + "/"}), "issuer"},
		{"our issuer in capitals", with(map[string]any{"iss": strings.ToUpper(authtest.Issuer)}), "issuer"},
		{"issuer as a list", with(map[string]any{"iss": []string{authtest.Issuer}}), "issuer"},
		{"no issuer", with(map[string]any{"iss": nil}), "issuer"},
		// Audience.
		{"another audience", with(map[string]any{"aud": "mail"}), "audience"},
		{"our audience as a prefix", with(map[string]any{"aud": authtest.Audience + "-evil"}), "audience"},
		{"our audience in capitals", with(map[string]any{"aud": strings.ToUpper(authtest.Audience)}), "audience"},
		{"audience as an object", with(map[string]any{"aud": map[string]any{authtest.Audience: 1}}), "audience"},
		{"audience list with a number", with(map[string]any{"aud": []any{authtest.Audience, 1}}), "audience"},
		{"empty audience list", with(map[string]any{"aud": []string{}}), "audience"},
		{"no audience", with(map[string]any{"aud": nil}), "audience"},
		// Times.
		{"expired 30 s ago", with(map[string]any{"iat": at(-5 * time.Minute), "exp": at(-30 * time.Second)}), "expired"},
		{"no exp", with(map[string]any{"exp": nil}), "lifetime"},
		{"exp as a text", with(map[string]any{"exp": fmt.Sprint(at(time.Minute))}), "lifetime"},
		{"exp null", with(map[string]any{"exp": json.RawMessage("null")}), "lifetime"},
		{"exp negative", with(map[string]any{"exp": -1}), "lifetime"},
		{"exp in milliseconds", with(map[string]any{"exp": noon.Add(time.Minute).UnixMilli()}), "lifetime"},
		{"exp beyond all numbers", with(map[string]any{"exp": json.RawMessage("1e308")}), "lifetime"},
		{"exp that overflows", with(map[string]any{"exp": json.RawMessage("1e400")}), "malformed"},
		{"no iat", with(map[string]any{"iat": nil}), "lifetime"},
		{"iat as a text", with(map[string]any{"iat": "now"}), "lifetime"},
		{"longer life than is allowed", with(map[string]any{"exp": at(time.Hour + time.Second)}), "lifetime"},
		{"exp before iat", with(map[string]any{"iat": at(time.Minute), "exp": at(30 * time.Second)}), "lifetime"},
		{"issued 31 s ahead", with(map[string]any{"iat": at(31 * time.Second)}), "not_yet_valid"},
		{"not before 31 s ahead", with(map[string]any{"nbf": at(31 * time.Second)}), "not_yet_valid"},
		{"nbf as a text", with(map[string]any{"nbf": "soon"}), "lifetime"},
		// Subject.
		{"no sub", with(map[string]any{"sub": nil}), "subject"},
		{"empty sub", with(map[string]any{"sub": ""}), "subject"},
		{"sub as a number", with(map[string]any{"sub": 7}), "subject"},
		{"sub that would break a log line", with(map[string]any{"sub": "root\nverdict=allowed"}), "subject"},
		{"sub of 257 bytes", with(map[string]any{"sub": strings.Repeat("s", 257)}), "subject"},
	}
	_, refusal := v.Verify(valid)
	NewWithT(t).Expect(refusal).To(BeNil(), "the token that the attacks are made from")
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			g := NewWithT(t)
			p, refusal := v.Verify(a.token)
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(a.reason), refusal.Detail)
			g.Expect(p).To(Equal(auth.Principal{}), "nothing of a refused token is used")
			g.Expect(refusal.Error()).NotTo(ContainSubstring("eyJ"), "no part of a token in the log")
		})
	}
}

// strayBits changes the bits of the last character that decoding would drop.
func strayBits(t *testing.T, part string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	changed := part[:len(part)-1] + string(alphabet[last^1])
	if len(part)%4 == 0 || changed == part {
		t.Fatal("this part has no stray bits")
	}
	return changed
}

func derSignature(t *testing.T, k authtest.Key, input string) []byte {
	t.Helper()
	sum := sha256.Sum256([]byte(input))
	sig, err := ecdsa.SignASN1(nil, k.Private.(*ecdsa.PrivateKey), sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestEveryFlippedBitOfATokenIsRefused(t *testing.T) {
	key := authtest.NewKey(t, "k", jose.EdDSA)
	v := verifier(rules(keysOf(t, key)))
	token := key.Sign(t, nil, authtest.Claims(noon, nil))
	for i := range len(token) {
		for bit := range 8 {
			changed := []byte(token)
			changed[i] ^= 1 << bit
			if _, refusal := v.Verify(string(changed)); refusal == nil {
				t.Fatalf("accepted with bit %d of byte %d flipped: %q", bit, i, changed)
			}
		}
	}
}

func TestOpenIMsCodeTellsWhatIsWrong(t *testing.T) {
	key := authtest.NewKey(t, "k", jose.EdDSA)
	v := verifier(rules(keysOf(t, key)))
	for _, c := range []struct {
		name  string
		token string
		code  int
	}{
		{"expired", key.Sign(t, nil, authtest.Claims(noon.Add(-time.Hour), nil)), wire.CodeTokenExpired},
		{"not yet valid", key.Sign(t, nil, authtest.Claims(noon.Add(time.Hour), nil)), wire.CodeTokenNotValid},
		{"malformed", "x", wire.CodeTokenMalformed},
		{"any other", key.Sign(t, nil, authtest.Claims(noon, map[string]any{"aud": "mail"})), wire.CodeTokenInvalid},
	} {
		_, refusal := v.Verify(c.token)
		NewWithT(t).Expect(refusal.Failure().ErrCode).To(Equal(c.code), c.name)
	}
	g := NewWithT(t)
	g.Expect(auth.NoToken(false).Failure().ErrCode).To(Equal(wire.CodeTokenNotExist))
	g.Expect(auth.NoToken(true).Failure().ErrCode).To(Equal(wire.CodeTokenMalformed))
}
