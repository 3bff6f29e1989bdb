package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

// secret is a key that can be exchanged.
type secret struct{ key string }

func (s *secret) Get() ([]byte, error) {
	if s.key == "" {
		return nil, errors.New("the mounted file has not been read yet")
	}
	return []byte(s.key), nil
}

const (
	keyOne = "one-0123456789abcdef0123456789abcdef"
	keyTwo = "two-0123456789abcdef0123456789abcdef"
)

var admin = auth.Principal{Subject: authtest.Subject, Issuer: authtest.Issuer, Role: auth.RoleAdmin}

func call(change ...func(*auth.Call)) auth.Call {
	c := auth.Call{Principal: admin, Method: "POST", Path: "/admin/v1/user/get_users_info", RequestID: "r-1",
		Body: []byte(`{"userIDs":["alice"]}`), Proof: "the caller's own"}
	for _, f := range change {
		f(&c)
	}
	return c
}

// clock is set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func assert(t *testing.T, key string, c auth.Call, at time.Time) string {
	t.Helper()
	token, err := auth.Assert(&secret{key}, c, at)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestTheBackendLearnsTheCallerFromTheAssertion(t *testing.T) {
	g := NewWithT(t)
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now)
	p, refusal := v.Verify(assert(t, keyOne, call(), noon), call(func(c *auth.Call) { c.Principal = auth.Principal{} }))
	g.Expect(refusal).To(BeNil())
	g.Expect(p).To(Equal(admin))
}

func TestAnAssertionIsGoodForItsOwnRequestAlone(t *testing.T) {
	for name, other := range map[string]auth.Call{
		"another method":     call(func(c *auth.Call) { c.Method = "GET" }),
		"another path":       call(func(c *auth.Call) { c.Path = "/admin/v1/auth/force_logout" }),
		"another body":       call(func(c *auth.Call) { c.Body = []byte(`{"userIDs":["bob"]}`) }),
		"no body":            call(func(c *auth.Call) { c.Body = nil }),
		"another request id": call(func(c *auth.Call) { c.RequestID = "r-2" }),
		"another proof":      call(func(c *auth.Call) { c.Proof = "another's" }),
		"no proof":           call(func(c *auth.Call) { c.Proof = "" }),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now)
			_, refusal := v.Verify(assert(t, keyOne, call(), noon), other)
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal("binding"))
		})
	}
}

func TestAnAssertionIsGoodOnceAndForThirtySeconds(t *testing.T) {
	for _, c := range []struct {
		name   string
		after  time.Duration
		reason string
	}{
		{"at once", 0, ""},
		{"after 34 s, with the nodes' clocks 5 s apart", 34 * time.Second, ""},
		{"after 35 s", 35 * time.Second, "expired"},
		{"before it was made, by 5 s", -5 * time.Second, ""},
		{"before it was made, by 6 s", -6 * time.Second, "not_yet_valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			v := auth.NewAssertions(&secret{keyOne}, (&clock{noon.Add(c.after)}).now)
			token := assert(t, keyOne, call(), noon)
			_, refusal := v.Verify(token, call())
			if c.reason != "" {
				g.Expect(refusal).NotTo(BeNil())
				g.Expect(refusal.Reason).To(Equal(c.reason))
				return
			}
			g.Expect(refusal).To(BeNil())
			_, refusal = v.Verify(token, call())
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal("replayed"))
		})
	}
}

func TestAReplayIsNoticedUntilTheAssertionHasExpired(t *testing.T) {
	g := NewWithT(t)
	c := &clock{noon}
	v := auth.NewAssertions(&secret{keyOne}, c.now)
	token := assert(t, keyOne, call(), noon.Add(5*time.Second)) // from a node whose clock is ahead
	_, refusal := v.Verify(token, call())
	g.Expect(refusal).To(BeNil())
	for s := 1; s < 120; s++ {
		c.at = noon.Add(time.Duration(s) * time.Second)
		_, refusal = v.Verify(assert(t, keyOne, call(), c.at), call())
		g.Expect(refusal).To(BeNil(), "others pass meanwhile")
		_, refusal = v.Verify(token, call())
		g.Expect(refusal).NotTo(BeNil(), "after %d s", s)
	}
}

// form is an assertion written by hand after the description at the top of assertion.go, by other means than the code's.
type form struct {
	number            byte
	made              time.Time
	id                string // 16 bytes
	method, path, rid string
	proof, body       string
	platform          uint32
	texts             []string // instance, subject, issuer, role, session, device
	tail              string   // behind the texts
	domain, key       string
}

func goodForm() form {
	c := call()
	return form{
		number: 3, made: noon, id: "sixteen letters.", method: c.Method, path: c.Path, rid: c.RequestID, proof: c.Proof, body: string(c.Body),
		texts: []string{"", admin.Subject, admin.Issuer, "admin", "", ""}, domain: "openim-wrapper gateway to backend\x00", key: keyOne,
	}
}

func (f form) String() string {
	number := func(n uint64, bytes int) string {
		text := ""
		for range bytes {
			text = string([]byte{byte(n)}) + text
			n >>= 8
		}
		return text
	}
	var bound strings.Builder
	for _, part := range []string{f.method, f.path, f.rid, f.proof} {
		bound.WriteString(number(uint64(len(part)), 4) + part)
	}
	sum := sha256.Sum256([]byte(bound.String() + f.body))
	raw := string([]byte{f.number}) + number(uint64(f.made.UnixMilli()), 8) + f.id + string(sum[:]) + number(uint64(f.platform), 4)
	for _, text := range f.texts {
		raw += number(uint64(len(text)), 2) + text
	}
	raw += f.tail
	mac := hmac.New(sha256.New, []byte(f.key))
	mac.Write([]byte(f.domain + raw))
	return base64.RawURLEncoding.EncodeToString([]byte(raw + string(mac.Sum(nil))))
}

func with(change func(*form)) string {
	f := goodForm()
	change(&f)
	return f.String()
}

func TestTheFormIsTheOneThatIsWrittenDown(t *testing.T) {
	g := NewWithT(t)
	p, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(goodForm().String(), call())
	g.Expect(refusal).To(BeNil())
	g.Expect(p).To(Equal(admin))

	user := auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: "s", Device: "d", PlatformID: 9}
	made := assert(t, keyOne, call(func(c *auth.Call) { c.Principal = user }), noon)
	id := string(decode(t, made)[9:25])
	g.Expect(with(func(f *form) {
		f.id, f.platform, f.texts = id, 9, []string{"", "alice", auth.UserIssuer, "user", "s", "d"}
	})).To(Equal(made))
}

func TestWhatIsNoAssertion(t *testing.T) {
	es := authtest.NewKey(t, "k", jose.ES256)
	good := goodForm().String()
	raw := decode(t, good)
	for _, a := range []attack{
		{"another's key", assert(t, keyTwo, call(), noon), "signature"},
		{"a signature cut off", base64.RawURLEncoding.EncodeToString(raw[:len(raw)-1]), "malformed"},
		{"without a signature", base64.RawURLEncoding.EncodeToString(raw[:len(raw)-32]), "malformed"},
		{"signed for another purpose", with(func(f *form) { f.domain = "" }), "signature"},
		{"an administrator's token", es.Sign(t, nil, authtest.Claims(noon, nil)), "malformed"},
		{"OpenIM's kind of token, had it our key", hs256(`{"alg":"HS256","typ":"JWT"}`, `{"UserID":"imAdmin","PlatformID":10}`, []byte(keyOne)), "malformed"},
		{"of version 1", with(func(f *form) { f.number = 1 }), "link_version"},
		{"of the version before", with(func(f *form) { f.number = 2 }), "link_version"},
		{"of the next version", with(func(f *form) { f.number = 4 }), "link_version"},
		{"one text less", with(func(f *form) { f.texts = f.texts[:5] }), "malformed"},
		{"one text more", with(func(f *form) { f.texts = append(f.texts, "") }), "malformed"},
		{"a byte more", with(func(f *form) { f.tail = "x" }), "malformed"},
		{"a text that is longer than it is", with(func(f *form) { f.texts, f.tail = f.texts[:5], "\x00\x09short" }), "malformed"},
		{"a text of 257 bytes", with(func(f *form) { f.texts[1] = strings.Repeat("a", 257) }), "malformed"},
		{"an invalid platform", with(func(f *form) { f.platform = 1 << 31 }), "malformed"},
		{"a time that overflows", with(func(f *form) { f.made = time.UnixMilli(-1) }), "malformed"},
		{"with padding", good + "=", "malformed"},
		{"with a line break", good[:9] + "\n" + good[9:], "malformed"},
		{"with a line break in the place of a letter", good[:9] + "\n" + good[10:], "malformed"},
		{"in the other alphabet", strings.NewReplacer("-", "+", "_", "/").Replace(good) + "+/", "malformed"},
		{"for another process", with(func(f *form) { f.texts[0] = "another" }), "instance"},
		{"without caller", with(func(f *form) { f.texts[1] = "" }), "subject"},
		{"a caller with a line break", with(func(f *form) { f.texts[1] = "a\nb" }), "subject"},
		{"a caller that is not UTF-8", with(func(f *form) { f.texts[1] = "a\xff" }), "subject"},
		{"without issuer", with(func(f *form) { f.texts[2] = "" }), "subject"},
		{"a session with a NUL", with(func(f *form) { f.texts[4] = "a\x00" }), "subject"},
		{"parts shifted between method and path", with(func(f *form) { f.method, f.path = "POST/", f.path[1:] }), "binding"},
		{"parts shifted between id and proof", with(func(f *form) { f.rid, f.proof = f.rid+"t", f.proof[1:] }), "binding"},
		{"parts shifted between proof and body", with(func(f *form) { f.proof, f.body = f.proof+"{", f.body[1:] }), "binding"},
		{"nothing", "", "malformed"},
		{"too much", strings.Repeat("A", 5000), "malformed"},
	} {
		t.Run(a.name, func(t *testing.T) {
			g := NewWithT(t)
			_, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(a.token, call())
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(a.reason), refusal.Detail)
		})
	}
}

// TestEveryBitOfAnAssertionCounts: there is no part of it that may be another.
func TestEveryBitOfAnAssertionCounts(t *testing.T) {
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now)
	raw := decode(t, goodForm().String())
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if _, refusal := v.Verify(base64.RawURLEncoding.EncodeToString(raw), call()); refusal == nil {
				t.Fatalf("bit %d of byte %d does not matter", bit, i)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestANameThatIsTooLongIsNotSigned(t *testing.T) {
	g := NewWithT(t)
	_, err := auth.Assert(&secret{keyOne}, call(func(c *auth.Call) { c.Principal.Subject = strings.Repeat("a", 257) }), noon)
	g.Expect(err).To(MatchError(ContainSubstring("longer than 256 bytes")))
	g.Expect(err.Error()).NotTo(ContainSubstring("aaa"))
}

func TestTheKeyBeforeThePresentOneIsAcceptedForAWhile(t *testing.T) {
	g := NewWithT(t)
	key, c := &secret{keyOne}, &clock{noon}
	v := auth.NewAssertions(key, c.now)
	accepts := func(k string) bool {
		_, refusal := v.Verify(assert(t, k, call(), c.at), call())
		return refusal == nil
	}
	g.Expect([]bool{accepts(keyOne), accepts(keyTwo)}).To(Equal([]bool{true, false}))
	key.key = keyTwo
	g.Expect([]bool{accepts(keyOne), accepts(keyTwo)}).To(Equal([]bool{true, true}))
	c.at = noon.Add(3 * time.Minute)
	g.Expect([]bool{accepts(keyOne), accepts(keyTwo)}).To(Equal([]bool{false, true}))
}

func TestWithoutAKeyNothingIsSignedOrAccepted(t *testing.T) {
	g := NewWithT(t)
	_, err := auth.Assert(&secret{}, call(), noon)
	g.Expect(err).To(MatchError(ContainSubstring("signing the assertion")))
	_, refusal := auth.NewAssertions(&secret{}, (&clock{noon}).now).Verify(assert(t, keyOne, call(), noon), call())
	g.Expect(refusal.Reason).To(Equal("keys_not_loaded"))
}
