package prober

import (
	"strings"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// minProbeInterval is the shortest time between the starts of two probes of a stack.
	minProbeInterval = 10 * time.Second
	// retryInterval is the interval of probes while the last result is not Enforced, unless the stack's own interval is shorter.
	retryInterval = time.Minute
)

// scheduleInput decides whether a stack is probed now.
type scheduleInput struct {
	now      time.Time
	interval time.Duration
	// since is when this process first saw the stack.
	since time.Time
	// last is the last result, nil when there is none.
	last *v1alpha1.ProbeResult
	// started is when the last probe of this process started; zero when there was none.
	started time.Time
	// unproven is the number of results of this process in a row that proved nothing.
	unproven int
	// outdated is true when the desired graph differs from the one of the last result.
	outdated bool
	// digest of the current plan.
	digest string
	// request is the value of the annotation, empty when there is none.
	request string
	// settled is true when all pods of the stack are available.
	settled bool
	// noReadyPods is true when no pod of the stack is ready.
	noReadyPods bool
}

// due returns the reason to probe now, or how long to wait.
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
			pause = min(pause, o.retry())
		}
		next = o.last.Time.Add(pause)
	}
	if wait := next.Sub(o.now); wait > 0 {
		return "", wait
	}
	return v1alpha1.ProbeInterval, 0
}

// retry returns the pause after a result that is not Enforced. What proved nothing, for example because a pod was just starting, is tried
// again soon, and less and less often.
func (o scheduleInput) retry() time.Duration {
	pause := retryInterval
	if o.unproven > 0 && o.unproven < 8 {
		pause = min(pause, minProbeInterval<<(o.unproven-1))
	}
	return pause
}

// changed reports whether the last result no longer covers the current plan. Changed rules count at once; changed pods count when all pods
// are available.
func (o scheduleInput) changed() bool {
	if o.last == nil || o.last.Digest == "" {
		return o.settled
	}
	return o.outdated || !sameRules(o.digest, o.last.Digest) || o.digest != o.last.Digest && o.settled
}

// sameRules reports whether the digests of two plans agree on the rules. Their targets may differ.
func sameRules(a, b string) bool {
	rulesA, _, _ := strings.Cut(a, ".")
	rulesB, _, _ := strings.Cut(b, ".")
	return rulesA == rulesB
}
