package preflight

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// fake is a store whose answer a test sets. nil works.
type fake struct {
	answer atomic.Pointer[failure]
	hangs  atomic.Bool
	tries  atomic.Int32
}

func (f *fake) try(context.Context) ([]string, *failure) {
	f.tries.Add(1)
	if f.hangs.Load() {
		select {} // a library that does not keep to its context
	}
	return []string{"a warning"}, f.answer.Load()
}

var (
	down          = failed(termination.Unreachable, "down")
	wrongLogin    = failed(termination.AuthenticationFailed, "wrong")
	nothingToTell = func(termination.StoreName, []string, *failure) {}
)

// running runs an attempt for etcd and redis, and tells its result and its duration.
func running(n int, etcd, redis *fake) <-chan []termination.StoreFailure {
	done := make(chan []termination.StoreFailure, 1)
	go func() {
		done <- attemptOf(n).run(context.Background(), []check{{termination.Etcd, etcd.try}, {termination.Redis, redis.try}}, nothingToTell)
	}()
	return done
}

func TestAnAttemptEndsWhenAllStoresHaveWorkedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var etcd, redis fake
		redis.answer.Store(down)
		done := running(1, &etcd, &redis)
		time.Sleep(8*time.Second + time.Millisecond)
		synctest.Wait()
		g.Expect(done).NotTo(Receive())
		g.Expect(etcd.tries.Load()).To(BeEquivalentTo(1), "a store that works is not tried again")
		g.Expect(redis.tries.Load()).To(BeEquivalentTo(5), "every two seconds")
		redis.answer.Store(nil)
		etcd.answer.Store(down)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		g.Expect(done).To(Receive(BeEmpty()))
	})
}

// TestEachAttemptHasItsBound: 11 seconds, a minute, and then longer than the kubelet remembers failures.
func TestEachAttemptHasItsBound(t *testing.T) {
	for n, limit := range map[int]time.Duration{1: 11 * time.Second, 2: time.Minute, 3: 11 * time.Minute, 99: 11 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			g := NewWithT(t)
			var etcd, redis fake
			redis.answer.Store(down)
			done := running(n, &etcd, &redis)
			time.Sleep(limit - time.Millisecond)
			synctest.Wait()
			g.Expect(done).NotTo(Receive())
			time.Sleep(time.Millisecond)
			synctest.Wait()
			g.Expect(done).To(Receive(Equal([]termination.StoreFailure{
				{Store: termination.Redis, Reason: termination.Unreachable, Message: "down"}})))
		})
	}
}

// TestARefusalIsToldAtOnceAndNotRepeatedOften: the first attempt ends, the others try every ten seconds.
func TestARefusalIsToldAtOnceAndNotRepeatedOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var etcd, redis fake
		redis.answer.Store(wrongLogin)
		done := running(1, &etcd, &redis)
		synctest.Wait()
		g.Expect(done).To(Receive(HaveLen(1)))

		done = running(2, &etcd, &redis)
		before := redis.tries.Load()
		time.Sleep(29 * time.Second)
		synctest.Wait()
		g.Expect(redis.tries.Load() - before).To(BeEquivalentTo(3))
		redis.answer.Store(nil)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		g.Expect(done).To(Receive(BeEmpty()), "it was corrected in the store")
	})
}

// TestAllStoresAreTold: a refusal by one does not hide that another is down.
func TestAllStoresAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var etcd, redis fake
		etcd.answer.Store(down)
		redis.answer.Store(wrongLogin)
		done := running(1, &etcd, &redis)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		g.Expect(done).To(Receive(ConsistOf(
			termination.StoreFailure{Store: termination.Etcd, Reason: termination.Unreachable, Message: "down"},
			termination.StoreFailure{Store: termination.Redis, Reason: termination.AuthenticationFailed, Message: "wrong"},
		)))
	})
}

// TestALibraryThatHangsDoesNotHoldTheAttempt: the bubble would wait for its goroutine, so the time is real, and the bound short.
func TestALibraryThatHangsDoesNotHoldTheAttempt(t *testing.T) {
	g := NewWithT(t)
	var hanging fake
	hanging.hangs.Store(true)
	start := time.Now()
	failures := attempt{limit: 100 * time.Millisecond, pause: pause}.run(t.Context(), []check{{termination.Kafka, hanging.try}}, nothingToTell)
	g.Expect(failures).To(ConsistOf(HaveField("Reason", termination.Unreachable)))
	g.Expect(time.Since(start)).To(BeNumerically("<", tryTimeout))
}

func TestAttemptsAreCountedInTheVolume(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "attempts")
	for n := 1; n <= 3; n++ {
		g.Expect(nextAttempt(path)).To(Equal(n))
	}
	for _, invalid := range []string{"", "x", "-4", "999999999999999999999", strings.Repeat("9", 100)} {
		g.Expect(os.WriteFile(path, []byte(invalid), 0o600)).To(Succeed())
		g.Expect(nextAttempt(path)).To(Equal(1), invalid)
		g.Expect(nextAttempt(path)).To(Equal(2), invalid)
	}
	n, err := nextAttempt(filepath.Join(path, "no folder"))
	g.Expect(err).To(HaveOccurred())
	g.Expect(n).To(Equal(1), "it is tried all the same")
}
