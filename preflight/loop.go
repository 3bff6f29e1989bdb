package preflight

import (
	"context"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// tryFunc tries a store once. The failure is nil when the store works; the warnings do not keep OpenIM from working.
type tryFunc func(ctx context.Context) (warnings []string, f *failure)

// attempt bounds one run of the container. pause is the time between two tries of a store. A store that refuses needs a person, and each
// refused login costs the server work on purpose, so refusedPause is longer. firstRefusalEnds is true when a store that refuses is not
// tried again in this attempt, so that the reason is told at once.
type attempt struct {
	limit, pause, refusedPause time.Duration
	firstRefusalEnds           bool
}

const (
	pause        = 2 * time.Second
	refusedPause = 10 * time.Second
)

// attemptOf returns the bounds of the n-th attempt of a pod, from 1. The first is short, so that the reason is told soon; the others are
// long, so that the kubelet's growing pause between attempts does not become the time that a store which is back is waited for. The last
// ones are longer than the kubelet's memory of 10 minutes: its pause is 10 seconds again after each.
func attemptOf(n int) attempt {
	a := attempt{limit: 11 * time.Minute, pause: pause, refusedPause: refusedPause}
	switch {
	case n <= 1:
		a.limit, a.firstRefusalEnds = 11*time.Second, true
	case n == 2:
		a.limit = time.Minute
	}
	return a
}

// run tries all stores at once until each worked once, and returns those that did not until the attempt's limit, in the order of checks.
// report gets each change of what a store answers.
func (a attempt) run(
	ctx context.Context, checks []check, report func(store termination.StoreName, warnings []string, f *failure),
) []termination.StoreFailure {
	ctx, cancel := context.WithTimeout(ctx, a.limit)
	defer cancel()
	last := make([]*failure, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			last[i] = a.until(ctx, c, func(warnings []string, f *failure) { report(c.store, warnings, f) })
		})
	}
	all.Wait()
	var failures []termination.StoreFailure
	for i, c := range checks {
		if f := last[i]; f != nil {
			failures = append(failures, termination.StoreFailure{Store: c.store, Reason: f.reason, Message: f.message})
		}
	}
	return failures
}

// until tries one store until it works, and returns the last failure when it never did.
func (a attempt) until(ctx context.Context, c check, report func([]string, *failure)) *failure {
	var last *failure
	for {
		warnings, f := once(ctx, c.try)
		if f == nil {
			report(warnings, nil)
			return nil
		}
		if ctx.Err() != nil && last != nil {
			return last // the try was cut short, and says nothing
		}
		if last == nil || *last != *f {
			report(nil, f)
		}
		last = f
		wait := a.pause
		if f.reason.Terminal() {
			if a.firstRefusalEnds {
				return last
			}
			wait = a.refusedPause
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(wait):
		}
	}
}

// once is one try with a bound that holds even when a library does not keep to its context.
func once(ctx context.Context, try tryFunc) ([]string, *failure) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	type result struct {
		warnings []string
		f        *failure
	}
	done := make(chan result, 1)
	go func() {
		warnings, f := try(ctx)
		done <- result{warnings, f}
	}()
	select {
	case r := <-done:
		return r.warnings, r.f
	case <-ctx.Done():
		return nil, failed(termination.Unreachable,
			"the store does not answer in time: check that it works and that the address is the store's")
	}
}
