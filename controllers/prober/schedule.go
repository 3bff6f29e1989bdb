package prober

import (
	"strings"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// minProbeInterval is the shortest time from the start of one probe of a stack to that of the next.
	minProbeInterval = 10 * time.Second
	// retryInterval is how soon a boundary that is not known to hold is tried again, unless its interval is shorter.
	retryInterval = time.Minute
)

// scheduleInput is what decides whether a stack is probed now.
type scheduleInput struct {
	now      time.Time
	interval time.Duration
	// since is when the stack was made, or this process began to know it.
	since time.Time
	// last result, nil when there is none.
	last *v1alpha1.ProbeResult
	// started is when the last probe of this process began; zero when there was none.
	started time.Time
	// outdated is true when the stack wants something else than when the last result was found.
	outdated bool
	// digest of the plan as it is now.
	digest string
	// request is the value of the annotation, empty when there is none.
	request string
	// settled is true when the stack's pods are all there.
	settled bool
	// noReadyPods is true when no pod of the stack is ready.
	noReadyPods bool
}

// due returns why to probe now, or how long to wait.
func (o scheduleInput) due() (v1alpha1.ProbeTrigger, time.Duration) {
	trigger, wait := o.wanted()
	if trigger == "" {
		return "", wait
	}
	if wait := o.started.Add(minProbeInterval).Sub(o.now); !o.started.IsZero() && wait > 0 {
		return "", wait
	}
	return trigger, 0
}

func (o scheduleInput) wanted() (v1alpha1.ProbeTrigger, time.Duration) {
	if o.request != "" && (o.last == nil || o.last.Request != o.request) {
		return v1alpha1.ProbeRequest, 0
	}
	if o.noReadyPods {
		return "", o.interval // a pod that becomes ready is a change
	}
	if o.changed() {
		return v1alpha1.ProbeChange, 0
	}
	next := o.since.Add(o.interval)
	if o.last != nil {
		pause := o.interval
		if o.last.Outcome != v1alpha1.ReasonEnforced {
			pause = min(pause, retryInterval)
		}
		next = o.last.Time.Add(pause)
	}
	if wait := next.Sub(o.now); wait > 0 {
		return "", wait
	}
	return v1alpha1.ProbeInterval, 0
}

// changed tells whether what was tried is still what there is. Other rules count at once; other pods when all of them are there.
func (o scheduleInput) changed() bool {
	if o.last == nil || o.last.Digest == "" {
		return o.settled
	}
	return o.outdated || !sameRules(o.digest, o.last.Digest) || o.digest != o.last.Digest && o.settled
}

// sameRules tells whether two digests of plans agree on what is meant to happen, if not on the pods.
func sameRules(a, b string) bool {
	rulesA, _, _ := strings.Cut(a, ".")
	rulesB, _, _ := strings.Cut(b, ".")
	return rulesA == rulesB
}
