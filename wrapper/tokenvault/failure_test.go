package tokenvault_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

// everything in Redis, keys and values.
func everything(t *testing.T, b *testEnv) map[string]string {
	t.Helper()
	c := b.redis.Client()
	out := map[string]string{}
	names, err := c.Keys(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if out[name], err = c.Get(t.Context(), name).Result(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestRedisHoldsNoTokenInClear(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	token, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	kept := everything(t, b)
	g.Expect(kept).To(HaveLen(1), "the lock is given back")
	for name, value := range kept {
		g.Expect(name).To(HavePrefix(prefix + "tok:{"))
		g.Expect(name + value).NotTo(Or(ContainSubstring(token.Value), ContainSubstring("signature"), ContainSubstring(token.Hash),
			ContainSubstring("alice")))
		lasts := b.redis.Client().TTL(t.Context(), name).Val()
		g.Expect(lasts).To(BeNumerically("~", life, time.Minute), "it goes away with the token")
	}
}

func TestATokenDoesNotPrint(t *testing.T) {
	g := NewWithT(t)
	token := tokenvault.Token{Value: "secret-value", Hash: tokenvault.Hash("secret-value")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		g.Expect(fmt.Sprintf(verb, token)).To(And(ContainSubstring(token.Hash), Not(ContainSubstring("secret-value"))), verb)
	}
	g.Expect(token.Hash).To(HaveLen(22))
}

// TestARecordIsGoodInItsOwnPlaceAlone: write access to Redis is enough to make the vault mint, and for nothing more.
func TestARecordIsGoodInItsOwnPlaceAlone(t *testing.T) {
	for name, spoil := range map[string]func(alice, bob string) string{
		"bob's in the place of alice's": func(_, bob string) string { return bob },
		"a later end":                   func(alice, _ string) string { return strings.Replace(alice, `"expires":1`, `"expires":2`, 1) },
		"another time of making":        func(alice, _ string) string { return strings.Replace(alice, `"made":1`, `"made":0`, 1) },
		"a changed letter": func(alice, _ string) string {
			at := strings.Index(alice, `"sealed":"`) + 40
			other := "A"
			if alice[at:at+1] == other {
				other = "B"
			}
			return alice[:at] + other + alice[at+1:]
		},
		"cut off": func(alice, _ string) string { return alice[:len(alice)/2] },
		"no JSON": func(string, string) string { return "token" },
		"empty":   func(string, string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newTestEnv(t)
			_, err := b.replica().Token(t.Context(), "bob", 1, "")
			g.Expect(err).NotTo(HaveOccurred())
			bobs := everything(t, b)
			_, err = b.replica().Token(t.Context(), "alice", 1, "")
			g.Expect(err).NotTo(HaveOccurred())
			b.pass(time.Hour)
			for key, value := range everything(t, b) {
				if _, ofBob := bobs[key]; ofBob {
					continue
				}
				for _, bob := range bobs {
					spoilt := spoil(value, bob)
					g.Expect(spoilt).NotTo(Equal(value))
					g.Expect(b.redis.Client().Set(t.Context(), key, spoilt, 0).Err()).To(Succeed())
				}
			}
			token, err := b.replica().Token(t.Context(), "alice", 1, "")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 3)), "a new one is made")
		})
	}
}

// wholeFlight is how long the vault itself tries to get a token. What is bounded by something shorter has most of it for a slow machine.
const wholeFlight = 8 * time.Second

// TestRedisDown is the vault's part of the failure table.
func TestRedisDown(t *testing.T) {
	for name, down := range map[string]func(*testEnv){
		"stopped": func(b *testEnv) { b.redis.Stop() },
		"frozen":  func(b *testEnv) { b.redis.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newTestEnv(t)
			r := b.replica()
			_, err := r.Token(t.Context(), "alice", 1, "")
			g.Expect(err).NotTo(HaveOccurred())
			down(b)

			_, err = r.Token(t.Context(), "bob", 1, "")
			g.Expect(err).To(MatchError(tokenvault.ErrUnavailable), "nothing is made that others could not find")
			g.Expect(err.Error()).NotTo(ContainSubstring("127.0.0.1"))
			g.Eventually(func() time.Duration { // a slow machine is slow now and then, and a replica without an open breaker always waits
				fresh, began := b.replica(), time.Now()
				_, err := fresh.Token(t.Context(), "bob", 1, "")
				g.Expect(err).To(MatchError(tokenvault.ErrUnavailable))
				return time.Since(began)
			}, time.Minute).Should(BeNumerically("<", 3*time.Second))
			for _, after := range []time.Duration{0, 29 * time.Second, 9 * time.Minute} {
				b.pass(noon.Add(after).Sub(b.now()))
				token, err := r.Token(t.Context(), "alice", 1, "")
				g.Expect(err).NotTo(HaveOccurred(), "cached tokens are served, after %s", after)
				g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)))
				_, err = r.Token(t.Context(), "alice", 1, token.Hash)
				g.Expect(err).To(MatchError(tokenvault.ErrUnavailable), "but not one that was refused")
			}
			b.pass(time.Minute)
			_, err = r.Token(t.Context(), "alice", 1, "")
			g.Expect(err).To(MatchError(tokenvault.ErrUnavailable), "for ten minutes")
			g.Expect(b.minted.Load()).To(BeEquivalentTo(1))

			b.redis.Restart()
			b.pass(time.Second)
			g.Eventually(func() error {
				b.pass(time.Second)
				_, err := r.Token(t.Context(), "bob", 1, "")
				return err
			}, time.Minute, 20*time.Millisecond).Should(Succeed(), "it ends by itself")
		})
	}
}

// TestRedisEmptied: the tokens are lost, so each is made anew when it is next needed.
func TestRedisEmptied(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	_, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.redis.Client().FlushAll(t.Context()).Err()).To(Succeed())
	token, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)), "while it is held nobody needs another")
	token, err = b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 2)))
	healed, err := r.Token(t.Context(), "alice", 1, tokenvault.Hash(tokenNumber("alice", 1, 1)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(healed.Value).To(Equal(token.Value), "who still held the old one learns of the new one when OpenIM refuses it")
	g.Expect(b.minted.Load()).To(BeEquivalentTo(2))
}

func TestRedisStopsBetweenMintAndKeeping(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	b.before = func(context.Context, int) error { b.redis.Stop(); return nil }
	r := b.replica()
	began := time.Now()
	token, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred(), "it voided the one before, so it is the best there is")
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)))
	g.Expect(time.Since(began)).To(BeNumerically("<", wholeFlight+time.Second))
}

func TestALockOfAReplicaThatDiedRunsOut(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	_, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	c := b.redis.Client()
	began := time.Now() // before the lock is set, from when its time runs
	for name := range everything(t, b) {
		lock := strings.Replace(name, "tok:", "lock:", 1)
		g.Expect(c.Set(t.Context(), lock, "a dead replica's", 300*time.Millisecond).Err()).To(Succeed())
		g.Expect(c.Del(t.Context(), name).Err()).To(Succeed())
	}
	token, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 2)))
	g.Expect(time.Since(began)).To(And(BeNumerically(">", 200*time.Millisecond), BeNumerically("<", wholeFlight)))
}

func TestAWaiterForALockWaitsNoLongerThanItsCaller(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	_, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	c := b.redis.Client()
	for name := range everything(t, b) {
		g.Expect(c.Set(t.Context(), strings.Replace(name, "tok:", "lock:", 1), "another's", time.Hour).Err()).To(Succeed())
		g.Expect(c.Del(t.Context(), name).Err()).To(Succeed())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = b.replica().Token(ctx, "alice", 1, "")
	g.Expect(err).To(MatchError(tokenvault.ErrUnavailable))
	g.Expect(time.Since(began)).To(BeNumerically("<", wholeFlight))
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
}

// TestAReplicaThatLostItsLockDoesNotOverwrite: while the first one waits for OpenIM its lock runs out, and a second one makes and
// keeps a token. The first one's is void then, so it takes the second one's.
func TestAReplicaThatLostItsLockDoesNotOverwrite(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	first, second := b.replica(), b.replica()
	b.before = func(ctx context.Context, n int) error {
		if n == 1 {
			c := b.redis.Client()
			for _, lock := range c.Keys(ctx, prefix+"lock:*").Val() {
				c.Del(ctx, lock)
			}
			if _, err := second.Token(ctx, "alice", 1, ""); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	token, err := first.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 2)))
	third, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third.Value).To(Equal(tokenNumber("alice", 1, 2)))
	g.Expect(b.minted.Load()).To(BeEquivalentTo(2))
}

func TestTheKeyIsChangedWithoutMakingTokensAnew(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	_, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	b.keys.set(keyTwo, keyOne)
	token, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)))
	_, err = b.replica().Token(t.Context(), "bob", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	b.keys.set(keyTwo)
	token, err = b.replica().Token(t.Context(), "bob", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("bob", 1, 2)), "sealed with the new key")
	b.pass(time.Hour)
	token, err = b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 3)), "whose key is gone, whose token is made anew")
}

func TestAReplicaThatHasTheOldKeyLeavesTheNewOnesTokensAlone(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	late := &keys{}
	late.set(keyOne)
	b.keys.set(keyTwo, keyOne)
	_, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	behind := b.replicaWith(late)
	_, err = behind.Token(t.Context(), "alice", 1, "")
	g.Expect(err).To(MatchError(tokenvault.ErrUnavailable))
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
	late.set(keyTwo, keyOne)
	b.pass(time.Second)
	_, err = behind.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
}

func TestWithoutAKeyNothingIsMinted(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	b.keys.set()
	_, err := b.replica().Token(t.Context(), "alice", 1, "")
	g.Expect(err).To(MatchError(tokenvault.ErrUnavailable))
	g.Expect(b.minted.Load()).To(BeZero())
}
