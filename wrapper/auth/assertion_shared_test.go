package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
)

// memory is one that two verifiers share.
type memory struct {
	mu    sync.Mutex
	down  error
	seen  map[string]bool
	lasts time.Duration
}

func (m *memory) First(_ context.Context, id string, lasts time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return false, m.down
	}
	first := !m.seen[id]
	m.seen[id], m.lasts = true, lasts
	return first, nil
}

func TestAnAssertionIsGoodAtOneReplica(t *testing.T) {
	g := NewWithT(t)
	shared := &memory{seen: map[string]bool{}}
	one := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	two := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	token := assert(t, keyOne, call(), noon)
	p, refusal := one.VerifyOnce(t.Context(), token, call(), false)
	g.Expect(refusal).To(BeNil())
	g.Expect(p).To(Equal(admin))
	for _, repeatable := range []bool{false, true} {
		_, refusal = two.VerifyOnce(t.Context(), token, call(), repeatable)
		g.Expect(refusal).NotTo(BeNil())
		g.Expect(refusal.Reason).To(Equal("replayed"))
		g.Expect(refusal.Temporary()).To(BeFalse())
	}
	g.Expect(shared.lasts).To(BeNumerically(">=", auth.AssertionLifetime+10*time.Second),
		"as long as it can be used, with both clocks' leeway")
}

func TestAnAssertionForOneProcessDoesNotAskTheSharedMemory(t *testing.T) {
	g := NewWithT(t)
	shared := &memory{down: errors.New("it does not answer")}
	one := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	two := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	alone := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now)
	g.Expect(one.Instance()).NotTo(Equal(two.Instance()))
	token := assert(t, keyOne, call(func(c *auth.Call) { c.Instance = one.Instance() }), noon)
	for _, other := range []*auth.Assertions{two, alone} {
		_, refusal := other.VerifyOnce(t.Context(), token, call(), true)
		g.Expect(refusal).NotTo(BeNil())
		g.Expect(refusal.Reason).To(Equal("instance"))
		g.Expect(refusal.Temporary()).To(BeFalse())
	}
	p, refusal := one.VerifyOnce(t.Context(), token, call(), false)
	g.Expect(refusal).To(BeNil(), "the memory that is down is not needed")
	g.Expect(p).To(Equal(admin))
	for _, v := range []*auth.Assertions{one, two, alone} {
		_, refusal = v.VerifyOnce(t.Context(), token, call(), true)
		g.Expect(refusal).NotTo(BeNil(), "once, whichever verifier is asked")
	}
}

func TestWhatIsRefusedAnywayIsNotNoted(t *testing.T) {
	g := NewWithT(t)
	shared := &memory{seen: map[string]bool{}}
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	_, refusal := v.VerifyOnce(t.Context(), assert(t, keyTwo, call(), noon), call(), false)
	g.Expect(refusal).NotTo(BeNil())
	_, refusal = v.VerifyOnce(t.Context(), assert(t, keyOne, call(), noon), call(func(c *auth.Call) { c.Path = "/other" }), false)
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(shared.seen).To(BeEmpty(), "nobody without the key can fill the memory")
}

func TestWithoutTheSharedMemoryOnlyWhatIsHarmlessPasses(t *testing.T) {
	g := NewWithT(t)
	shared := &memory{down: errors.New("it does not answer")}
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Share(shared)
	_, refusal := v.VerifyOnce(t.Context(), assert(t, keyOne, call(), noon), call(), false)
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Temporary()).To(BeTrue())
	g.Expect(refusal.Label()).To(Equal("token_replay_memory_down"))

	token := assert(t, keyOne, call(), noon)
	_, refusal = v.VerifyOnce(t.Context(), token, call(), true)
	g.Expect(refusal).To(BeNil())
	_, refusal = v.VerifyOnce(t.Context(), token, call(), true)
	g.Expect(refusal).NotTo(BeNil(), "this replica remembers by itself")
	g.Expect(refusal.Reason).To(Equal("replayed"))
}
