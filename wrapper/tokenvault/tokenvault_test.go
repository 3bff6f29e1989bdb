package tokenvault_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

const (
	prefix = "im/chat:"
	keyOne = "one-0123456789abcdef0123456789abcdef"
	keyTwo = "two-0123456789abcdef0123456789abcdef"

	life = 90 * 24 * time.Hour // OpenIM's default
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// keys are custody keys that a test can replace.
type keys struct {
	mu   sync.Mutex
	list tokenvault.Keys
}

func (k *keys) Get() (tokenvault.Keys, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) == 0 {
		return nil, errors.New("the mounted file has not been read yet")
	}
	return k.list, nil
}

func (k *keys) set(list ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = nil
	for _, key := range list {
		k.list = append(k.list, []byte(key))
	}
}

// testEnv is a Redis, an OpenIM that counts what it mints, and a clock set by hand.
type testEnv struct {
	redis *redistest.Server
	keys  *keys

	minted atomic.Int32
	// before is called by each mint with its number; an error is OpenIM's refusal.
	before func(ctx context.Context, n int) error

	mu      sync.Mutex
	at      time.Time
	results map[string]int
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	b := &testEnv{redis: redistest.Start(t), keys: &keys{}, at: noon, results: map[string]int{}}
	b.keys.set(keyOne)
	return b
}

// replica is the vault of one backend.
func (b *testEnv) replica() *tokenvault.Vault { return b.replicaWith(b.keys) }

func (b *testEnv) replicaWith(k tokenvault.KeySource) *tokenvault.Vault {
	return tokenvault.New(tokenvault.Options{Store: b.redis.Open(prefix), Keys: k, Mint: b.mint, Now: b.now, Observe: func(result string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.results[result]++
	}})
}

func (b *testEnv) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.at
}

func (b *testEnv) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = b.at.Add(d)
}

func (b *testEnv) result(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.results[name]
}

func tokenNumber(userID string, platformID int32, n int) string {
	return fmt.Sprintf("eyJhbGciOiJIUzI1NiJ9.token-%s-%d-%d.signature", userID, platformID, n)
}

func (b *testEnv) mint(ctx context.Context, userID string, platformID int32) (string, time.Time, error) {
	n := int(b.minted.Add(1))
	if b.before != nil {
		if err := b.before(ctx, n); err != nil {
			return "", time.Time{}, err
		}
	}
	return tokenNumber(userID, platformID, n), b.now().Add(life), nil
}

func TestTwoReplicasAndAHundredCallersMintOnce(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	replicas := []*tokenvault.Vault{b.replica(), b.replica()}
	const each = 50
	got := make(chan tokenvault.Token, len(replicas)*each)
	start := make(chan struct{})
	var work sync.WaitGroup
	for _, r := range replicas {
		for range each {
			work.Go(func() {
				<-start
				token, err := r.Token(t.Context(), "alice", 1, "")
				if err != nil {
					t.Error(err)
				}
				got <- token
			})
		}
	}
	close(start)
	work.Wait()
	close(got)
	for token := range got {
		g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)))
		g.Expect(token.Hash).To(Equal(tokenvault.Hash(token.Value)))
		g.Expect(token.Expires.Equal(noon.Add(life))).To(BeTrue())
	}
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
	g.Expect(b.result(tokenvault.ResultMinted)).To(Equal(1))
}

func TestEachUserAndPlatformHasATokenOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	seen := map[string]bool{}
	for _, owner := range []struct {
		user     string
		platform int32
	}{{"alice", 1}, {"alice", 2}, {"bob", 1}, {"a}{b", 1}, {"alice.1", 1}} {
		token, err := r.Token(t.Context(), owner.user, owner.platform, "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(seen[token.Value]).To(BeFalse())
		seen[token.Value] = true
	}
	g.Expect(b.minted.Load()).To(BeEquivalentTo(5))
}

func TestARefusedTokenIsReplacedOnceForAllWhoSawItRefused(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	one, two := b.replica(), b.replica()
	first, err := one.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = two.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	b.pass(time.Minute)

	var work sync.WaitGroup
	for _, r := range []*tokenvault.Vault{one, two} {
		for range 20 {
			work.Go(func() {
				token, err := r.Token(t.Context(), "alice", 1, first.Hash)
				if err != nil || token.Value != tokenNumber("alice", 1, 2) {
					t.Errorf("%v %v", token, err)
				}
			})
		}
	}
	work.Wait()
	g.Expect(b.minted.Load()).To(BeEquivalentTo(2))
	token, err := two.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 2)))
}

func TestOneWhoIsRefusedAgainAtOnceWaitsForTheNextSecond(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	first, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	began := time.Now()
	_, err = r.Token(t.Context(), "alice", 1, first.Hash)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(time.Since(began)).To(BeNumerically(">=", time.Second), "OpenIM's tokens of one second are the same text")
}

// TestATokenIsKeptUntilItsEndIsNear: a new one would void the one in use, so nobody asks for it early.
func TestATokenIsKeptUntilItsEndIsNear(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	for _, step := range []struct {
		after  time.Duration
		minted int
	}{{0, 1}, {40 * 24 * time.Hour, 1}, {80*24*time.Hour + 23*time.Hour, 1}, {81 * 24 * time.Hour, 2}, {100 * 24 * time.Hour, 2}} {
		b.pass(noon.Add(step.after).Sub(b.now()))
		_, err := r.Token(t.Context(), "alice", 1, "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(b.minted.Load()).To(BeEquivalentTo(step.minted), "after %s", step.after)
	}
}

func TestARestartedReplicaFindsTheToken(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	for range 3 {
		token, err := b.replica().Token(t.Context(), "alice", 1, "")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 1)))
	}
}

func TestADroppedTokenIsForgotten(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	r := b.replica()
	_, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = r.Token(t.Context(), "alice", 2, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(r.Drop(t.Context(), "alice", 1)).To(Succeed())
	token, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 1, 3)))
	token, err = r.Token(t.Context(), "alice", 2, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token.Value).To(Equal(tokenNumber("alice", 2, 2)), "another platform's stays")
}

func TestWhatOpenIMRefusesIsNotAskedAgainForASecond(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	refusal := errors.New("OpenIM has no such user")
	b.before = func(_ context.Context, n int) error {
		if n == 1 {
			return refusal
		}
		return nil
	}
	r := b.replica()
	for range 3 {
		_, err := r.Token(t.Context(), "alice", 1, "")
		g.Expect(err).To(MatchError(refusal))
	}
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
	b.pass(time.Second)
	_, err := r.Token(t.Context(), "alice", 1, "")
	g.Expect(err).NotTo(HaveOccurred(), "the lock was given back")
	g.Expect(b.minted.Load()).To(BeEquivalentTo(2))
}

func TestACallerWhoGivesUpDoesNotEndTheAttempt(t *testing.T) {
	g := NewWithT(t)
	b := newTestEnv(t)
	minting, goOn := make(chan struct{}), make(chan struct{})
	b.before = func(context.Context, int) error { close(minting); <-goOn; return nil }
	r := b.replica()
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { _, err := r.Token(ctx, "alice", 1, ""); gaveUp <- err }()
	<-minting
	cancel()
	g.Expect(<-gaveUp).To(MatchError(tokenvault.ErrUnavailable))
	patient := make(chan tokenvault.Token)
	go func() { token, _ := r.Token(t.Context(), "alice", 1, ""); patient <- token }()
	close(goOn)
	g.Expect((<-patient).Value).To(Equal(tokenNumber("alice", 1, 1)))
	g.Expect(b.minted.Load()).To(BeEquivalentTo(1))
}
