package httpserver

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestReadinessFollowsItsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var log bytes.Buffer
		var broken atomic.Pointer[error]
		broken.Store(new(error))
		var runs atomic.Int32
		r := NewReadiness(slog.New(slog.NewJSONHandler(&log, nil)), prometheus.NewRegistry(), time.Now,
			Check{"first", func(context.Context) error { runs.Add(1); return nil }},
			Check{"OpenIM", func(context.Context) error { return *broken.Load() }})
		g.Expect(r.Err()).To(MatchError("not checked yet"))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go r.Run(ctx)

		synctest.Wait()
		g.Expect(r.Err()).To(Succeed(), "the first check runs immediately")
		g.Expect(testutil.ToFloat64(r.gauge)).To(Equal(1.0))

		reason := errors.New("cannot be reached")
		broken.Store(&reason)
		time.Sleep(CheckInterval)
		synctest.Wait()
		g.Expect(r.Err()).To(MatchError("OpenIM: cannot be reached"))
		g.Expect(testutil.ToFloat64(r.gauge)).To(Equal(0.0))
		time.Sleep(10 * CheckRetry)
		g.Expect(strings.Count(log.String(), "not ready")).To(Equal(1), "logged once")

		broken.Store(new(error))
		time.Sleep(CheckRetry)
		synctest.Wait()
		g.Expect(r.Err()).To(Succeed(), "ready again within a second")

		before := runs.Load()
		time.Sleep(time.Minute)
		synctest.Wait()
		g.Expect(runs.Load()-before).To(BeNumerically("<=", 20), "every three seconds, independently of requests for /readyz")

		r.stop()
		g.Expect(r.Err()).To(MatchError("stopping"))
	})
}

func TestAHangingCheckDoesNotLeaveTheReplicaReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		var hang atomic.Bool
		end := make(chan struct{})
		r := NewReadiness(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now,
			Check{"a check that ignores its context", func(context.Context) error {
				if hang.Load() {
					<-end
				}
				return nil
			}})
		ctx, cancel := context.WithCancel(t.Context())
		go r.Run(ctx)
		synctest.Wait()
		g.Expect(r.Err()).To(Succeed())
		hang.Store(true)
		time.Sleep(checkStale)
		g.Expect(r.Err()).To(Succeed(), "a result is valid for ten seconds")
		time.Sleep(time.Second)
		g.Expect(r.Err()).To(MatchError(ContainSubstring("too old")))
		cancel()
		close(end)
	})
}

func TestACheckGetsADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		r := NewReadiness(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now,
			Check{"slow", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
		start := time.Now()
		g.Expect(r.check(t.Context())).To(MatchError(context.DeadlineExceeded))
		g.Expect(time.Since(start)).To(Equal(checkTimeout))
	})
}
