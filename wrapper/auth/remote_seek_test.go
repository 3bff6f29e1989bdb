package auth

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
)

func TestANewKeyIsFoundByTheFirstTokenThatNamesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		older, newer := authtest.NewKey(t, "older", jose.ES256), authtest.NewKey(t, "newer", jose.ES256)
		p := &provider{answer: reply(200, authtest.JWKS(t, older))}
		k := fetching(t, p)
		admins := NewAdmins([]Issuer{{
			Name: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []jose.SignatureAlgorithm{jose.ES256}, Types: []string{"jwt"},
			Lifetime: time.Hour, RolesClaim: "groups", AdminRoles: []string{authtest.Role}, Keys: k,
		}}, time.Now)
		accepts := func(key authtest.Key) bool {
			_, refusal := admins.Verify(key.Sign(t, nil, authtest.Claims(time.Now(), nil)))
			return refusal == nil
		}
		g.Expect(admins.Ready()).To(Succeed())
		g.Expect(accepts(older)).To(BeTrue())
		p.is(reply(200, authtest.JWKS(t, older, newer)))
		time.Sleep(Cooldown)
		g.Expect(accepts(newer)).To(BeTrue(), "the request waits for the fetch that it causes")
		g.Expect(p.calls()).To(Equal(2))

		p.is(reply(200, authtest.JWKS(t, newer)))
		time.Sleep(defaultRefresh)
		synctest.Wait()
		g.Expect(accepts(older)).To(BeFalse(), "rotated out")
	})
}

func TestUnknownKeysCauseOneFetchInTheCooldown(t *testing.T) {
	good := authtest.NewKey(t, "k1", jose.ES256)
	for name, answer := range map[string]func(*http.Request) canned{
		"that succeeds":             reply(200, authtest.JWKS(t, good)),
		"that fails":                broken,
		"that brings an empty set":  reply(200, []byte(`{"keys":[]}`)),
		"that brings a set too big": reply(200, make([]byte, maxJWKSBytes+1)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				p := &provider{answer: reply(200, authtest.JWKS(t, good), "Cache-Control", "max-age=3600")}
				k := fetching(t, p)
				p.is(answer)
				began := time.Now()
				for i := range 6000 { // ten a second, each with another name
					k.Seek(fmt.Sprint("made-up-", i))
					time.Sleep(100 * time.Millisecond)
				}
				minutes := time.Since(began).Minutes()
				// The retries after a failure are our own, as far apart.
				g.Expect(float64(p.calls()-1)).To(BeNumerically("<=", 4*minutes+5), "%v calls in %v minutes", p.calls(), minutes)
				g.Expect(len(k.absent)).To(BeNumerically("<=", maxAbsent))
				for i := 2; i < len(p.times); i++ {
					if answer := p.times[i].Sub(p.times[i-1]); name == "that succeeds" && answer < Cooldown {
						t.Fatalf("two fetches %v apart", answer)
					}
				}
			})
		})
	}
}

func TestAKeyThatAFreshSetDoesNotHaveIsNotSoughtAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		p := &provider{answer: reply(200, authtest.JWKS(t, authtest.NewKey(t, "k1", jose.ES256)), "ETag", `"1"`, "Cache-Control", "max-age=3600")}
		k := fetching(t, p)
		p.is(func(r *http.Request) canned {
			return reply(304, nil, "Cache-Control", "max-age=3600")(r)
		})
		time.Sleep(Cooldown)
		g.Expect(k.Seek("retired")).NotTo(BeNil())
		began := time.Now()
		for time.Since(began) < 3*time.Hour {
			time.Sleep(10 * time.Second)
			k.Seek("retired")
		}
		fetched := p.times[2:]
		for i, wait := range []time.Duration{Cooldown, 2 * Cooldown, 4 * Cooldown, 8 * Cooldown, 16 * Cooldown, maxAbsence, maxAbsence} {
			last := began
			if i > 0 {
				last = fetched[i-1]
			}
			g.Expect(fetched[i].Sub(last)).To(BeNumerically("~", wait, 10*time.Second), "fetch %d", i)
		}
		g.Expect(len(fetched)).To(BeNumerically("<", 3*60/10+10), "an old client with a key that is gone causes little traffic")
	})
}

// TestAKeyThatIsPublishedRightAfterItWasSoughtIsFound: providers sign with a key and publish it in an order of their own.
func TestAKeyThatIsPublishedRightAfterItWasSoughtIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		older, newer := authtest.NewKey(t, "older", jose.ES256), authtest.NewKey(t, "newer", jose.ES256)
		p := &provider{answer: reply(200, authtest.JWKS(t, older), "ETag", `"1"`, "Cache-Control", "max-age=3600")}
		k := fetching(t, p)
		time.Sleep(Cooldown)
		g.Expect(k.Seek("newer")).NotTo(BeNil(), "a fresh set, without the key")
		g.Expect(has(k, "newer")).To(BeFalse())
		p.is(reply(200, authtest.JWKS(t, older, newer), "ETag", `"2"`, "Cache-Control", "max-age=3600"))

		began := time.Now()
		for !has(k, "newer") && time.Since(began) < maxAbsence {
			time.Sleep(time.Second) // tokens come again and again
			k.Seek("newer")
		}
		g.Expect(time.Since(began)).To(BeNumerically("<=", Cooldown+time.Second))
		g.Expect(p.calls()).To(Equal(3), "one fetch in the cooldown")
	})
}

func TestWhoWaitsForAFetchWaitsNotLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		p := &provider{answer: reply(200, authtest.JWKS(t, authtest.NewKey(t, "k1", jose.ES256)))}
		k := fetching(t, p)
		p.is(func(r *http.Request) canned { <-r.Context().Done(); return canned{err: r.Context().Err()} })
		time.Sleep(Cooldown)
		before := p.calls()
		began := time.Now()
		var waiting sync.WaitGroup
		for i := range 1000 {
			waiting.Go(func() {
				if k.Seek(fmt.Sprint(i)) != nil {
					t.Error("found in a fetch that did not end")
				}
			})
		}
		synctest.Wait()
		k.mu.Lock()
		g.Expect(k.seekers).To(BeNumerically("<=", maxSeekers))
		k.mu.Unlock()
		waiting.Wait()
		g.Expect(time.Since(began)).To(Equal(seekWait))
		g.Expect(p.calls() - before).To(Equal(1))
		time.Sleep(fetchTimeout)
		synctest.Wait()
		g.Expect(has(k, "k1")).To(BeTrue())
		g.Expect(k.err).To(MatchError(ContainSubstring("no answer in time")))
	})
}

func TestAProviderThatFlapsIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		a, b := authtest.NewKey(t, "a", jose.ES256), authtest.NewKey(t, "b", jose.ES256)
		n := 0
		sets := [][]byte{authtest.JWKS(t, a), authtest.JWKS(t, b)}
		p := &provider{}
		p.answer = func(r *http.Request) canned {
			n++
			return reply(200, sets[(n-1)%2], "Cache-Control", "max-age=300")(r)
		}
		k := fetching(t, p)
		for i := range 20 {
			g.Expect([]bool{has(k, "a"), has(k, "b")}).To(Equal([]bool{i%2 == 0, i%2 == 1}))
			time.Sleep(MinRefresh)
			synctest.Wait()
		}
	})
}
