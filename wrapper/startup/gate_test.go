package startup

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

var errDown, errRefused = errors.New("secret address: down"), errors.New("secret address: refused")

// fake is a store whose answer a test sets.
type fake struct {
	answer atomic.Pointer[error]
	hangs  atomic.Bool
	calls  atomic.Int32
}

func (f *fake) set(err error) { f.answer.Store(&err) }

func (f *fake) store(name termination.StoreName) Store {
	return Store{Name: name, Use: func(ctx context.Context) error {
		f.calls.Add(1)
		if f.hangs.Load() {
			<-ctx.Done()
			return ctx.Err()
		}
		return *f.answer.Load()
	}, Reason: func(err error) termination.StoreReason {
		if errors.Is(err, errRefused) {
			return termination.AuthenticationFailed
		}
		return termination.Unreachable
	}}
}

// gate runs a gate of a Redis and a MongoDB, with a file for its termination message.
func gate(t *testing.T, redis, mongodb *fake) (*Gate, string) {
	t.Helper()
	g := New(slog.New(slog.DiscardHandler), time.Now, redis.store(termination.WrapperRedis), mongodb.store(termination.MongoDB))
	g.path = filepath.Join(t.TempDir(), "termination-log")
	if err := os.WriteFile(g.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go g.Run(ctx)
	return g, g.path
}

func TestTheGateOpensOnceEachStoreHasAnsweredAndStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var redis, mongodb fake
		redis.set(nil)
		mongodb.set(errDown)
		gate, path := gate(t, &redis, &mongodb)
		synctest.Wait()
		g.Expect(gate.Check(t.Context())).To(MatchError("no answer since the start from mongodb (Unreachable)"))
		redis.set(errDown) // it has answered once
		time.Sleep(Patience / 2)
		mongodb.set(nil)
		time.Sleep(2 * pause)
		synctest.Wait()
		g.Expect(gate.Check(t.Context())).To(Succeed())
		calls := redis.calls.Load() + mongodb.calls.Load()
		mongodb.set(errRefused)
		time.Sleep(10 * Patience)
		synctest.Wait()
		g.Expect(gate.Check(t.Context())).To(Succeed(), "an outage later is not its matter")
		g.Expect(redis.calls.Load()+mongodb.calls.Load()).To(Equal(calls), "nothing is tried any more")
		g.Expect(gate.Failed()).NotTo(Receive())
		g.Expect(os.ReadFile(path)).To(BeEmpty())
	})
}

func TestAStoreThatRefusesEndsTheProcessSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var redis, mongodb fake
		redis.set(errRefused)
		mongodb.hangs.Store(true)
		gate, path := gate(t, &redis, &mongodb)
		time.Sleep(RefusalPatience - pause)
		synctest.Wait()
		g.Expect(gate.Failed()).NotTo(Receive())
		time.Sleep(2 * pause)
		synctest.Wait()
		var err error
		g.Expect(gate.Failed()).To(Receive(&err))
		g.Expect(err).To(MatchError(ContainSubstring("wrapper-redis, mongodb")))
		expectMessage(g, path, []termination.StoreFailure{
			{Store: termination.WrapperRedis, Reason: termination.AuthenticationFailed, Message: remedy(termination.AuthenticationFailed)},
			{Store: termination.MongoDB, Reason: termination.Unreachable, Message: remedy(termination.Unreachable)},
		})
	})
}

func TestAStoreThatDoesNotAnswerEndsTheProcessLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var redis, mongodb fake
		redis.set(nil)
		mongodb.hangs.Store(true)
		gate, path := gate(t, &redis, &mongodb)
		time.Sleep(Patience - tryTimeout - pause)
		synctest.Wait()
		g.Expect(gate.Failed()).NotTo(Receive())
		time.Sleep(2 * (tryTimeout + pause))
		synctest.Wait()
		g.Expect(gate.Failed()).To(Receive())
		g.Expect(gate.Check(t.Context())).NotTo(Succeed())
		expectMessage(g, path, []termination.StoreFailure{
			{Store: termination.MongoDB, Reason: termination.Unreachable, Message: remedy(termination.Unreachable)}})
	})
}

func TestAStopIsNoFailureOfAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var redis fake
		redis.hangs.Store(true)
		gate := New(slog.New(slog.DiscardHandler), time.Now, redis.store(termination.WrapperRedis))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { gate.Run(ctx); close(ended) }()
		synctest.Wait()
		cancel()
		<-ended
		g.Expect(gate.Failed()).NotTo(Receive())
	})
}

// TestWithoutAFileForTheMessage: outside of Kubernetes nothing is made in /dev.
func TestWithoutAFileForTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var redis, mongodb fake
		redis.set(errRefused)
		mongodb.set(nil)
		gate, path := gate(t, &redis, &mongodb)
		g.Expect(os.Remove(path)).To(Succeed())
		time.Sleep(2 * RefusalPatience)
		synctest.Wait()
		g.Expect(gate.Failed()).To(Receive())
		g.Expect(path).NotTo(BeAnExistingFile())
	})
}

func expectMessage(g *WithT, path string, stores []termination.StoreFailure) {
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).NotTo(ContainSubstring("secret"))
	p, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p.Stores).To(Equal(stores))
}
