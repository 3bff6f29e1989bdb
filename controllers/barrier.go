package controllers

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
)

// barrierDelay is the time after which a stack is looked at again when the cache does not show this process's own writes yet.
const barrierDelay = 100 * time.Millisecond

// behind reports whether the cache lacks a write that this process made for the stack. The wait is bounded by apply.
func (r *Reconciler) behind(ctx context.Context, s *scope) (bool, error) {
	behind, stale, err := r.applier.Behind(ctx, s.stack.UID)
	if len(stale) > 0 {
		log.FromContext(ctx).Info("continuing although the cache does not show these writes: check the API server's watches", "objects", stale)
	}
	return len(behind) > 0, err
}

// requeueAfter returns the time until the status changes without an event, 0 when there is none.
func (s *scope) requeueAfter(now time.Time) time.Duration {
	after := s.certificateRecheck(now)
	if s.planned != nil {
		after = earliest(after, s.planned.Requeue)
	}
	for _, c := range s.state() {
		if !c.Recheck.IsZero() {
			after = earliest(after, max(c.Recheck.Sub(now), time.Second))
		}
	}
	if s.lagging {
		after = earliest(after, barrierDelay)
	}
	return after
}
