package auth_test

import (
	"errors"
	"fmt"
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
	c := auth.Call{Principal: admin, Method: "POST", Path: "/admin/v1/user/get_users_info", RequestID: "r-1", Body: []byte(`{"userIDs":["alice"]}`)}
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

func TestWhatIsNoAssertion(t *testing.T) {
	hs := func(header, claims string) string { return hs256(header, claims, []byte(keyOne)) }
	const header = `{"alg":"HS256","typ":"openim-wrapper-assertion+jwt"}`
	claims := func(change, to string) string {
		parts := strings.Split(assert(t, keyOne, call(), noon), ".")
		text := string(decode(t, parts[1]))
		if change != "" && !strings.Contains(text, change) {
			t.Fatalf("%s is not in %s", change, text)
		}
		return strings.Replace(text, change, to, 1)
	}
	es := authtest.NewKey(t, "k", jose.ES256)
	good := assert(t, keyOne, call(), noon)
	for _, a := range []attack{
		{"another's key", assert(t, keyTwo, call(), noon), "signature"},
		{"an administrator's token", es.Sign(t, nil, authtest.Claims(noon, nil)), "algorithm"},
		{"alg none", authtest.Encode([]byte(`{"alg":"none","typ":"openim-wrapper-assertion+jwt"}`)) + "." + strings.Split(good, ".")[1] + ".AAAA", "algorithm"},
		{"HS512", hs(`{"alg":"HS512","typ":"openim-wrapper-assertion+jwt"}`, claims("", "")), "algorithm"},
		{"OpenIM's kind of token, had it our key", hs(`{"alg":"HS256","typ":"JWT"}`, `{"UserID":"imAdmin","PlatformID":10}`), "type"},
		{"without typ", hs(`{"alg":"HS256"}`, claims("", "")), "type"},
		{"with crit", hs(`{"alg":"HS256","typ":"openim-wrapper-assertion+jwt","crit":["x"]}`, claims("", "")), "header"},
		{"for another audience", hs(header, claims("openim-wrapper-backend", "openim-wrapper-other")), "audience"},
		{"for more than one audience", hs(header, claims(`"aud":"openim-wrapper-backend"`, `"aud":["openim-wrapper-backend","x"]`)), "audience"},
		{"of another issuer", hs(header, claims("openim-wrapper-gateway", "openim-wrapper-other")), "binding"},
		{"that lives longer", hs(header, claims(fmt.Sprint(noon.Add(30*time.Second).Unix()), fmt.Sprint(noon.Add(31*time.Second).Unix()))), "lifetime"},
		{"without identifier", hs(header, claims(`"jti"`, `"jtx"`)), "subject"},
		{"without caller", hs(header, claims(`"sub"`, `"sux"`)), "subject"},
		{"with a role of another type", hs(header, claims(`"role":"admin"`, `"role":true`)), "subject"},
		{"a member twice", hs(header, claims(`{`, `{"role":"admin",`)), "malformed"},
		{"nothing", "", "malformed"},
	} {
		t.Run(a.name, func(t *testing.T) {
			g := NewWithT(t)
			_, refusal := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Verify(a.token, call())
			g.Expect(refusal).NotTo(BeNil())
			g.Expect(refusal.Reason).To(Equal(a.reason), refusal.Detail)
		})
	}
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
	g.Expect(err).To(MatchError(ContainSubstring("sign the assertion")))
	_, refusal := auth.NewAssertions(&secret{}, (&clock{noon}).now).Verify(assert(t, keyOne, call(), noon), call())
	g.Expect(refusal.Reason).To(Equal("keys_not_loaded"))
}
