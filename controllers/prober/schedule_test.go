package prober

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func TestWhenAStackIsProbed(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	last := func(ago time.Duration, outcome string) *v1alpha1.ProbeResult {
		return &v1alpha1.ProbeResult{Time: metav1.NewTime(now.Add(-ago)), Outcome: outcome, Digest: "r1.t1", Request: "first"}
	}
	const interval = 5 * time.Minute
	for _, c := range []struct {
		name    string
		change  func(*scheduleInput)
		trigger v1alpha1.ProbeTrigger
		wait    time.Duration
	}{
		{"nothing has changed since a minute ago", func(*scheduleInput) {}, "", 4 * time.Minute},
		{"the interval is over", func(o *scheduleInput) { o.last = last(interval, v1alpha1.ReasonEnforced) }, v1alpha1.ProbeInterval, 0},
		{"a policy has changed", func(o *scheduleInput) { o.digest = "r2.t1" }, v1alpha1.ProbeChange, 0},
		{"a policy has changed while pods come and go", func(o *scheduleInput) { o.digest, o.settled = "r2.t2", false }, v1alpha1.ProbeChange, 0},
		{"the spec wants something else, which intruders do not notice", func(o *scheduleInput) { o.outdated = true }, v1alpha1.ProbeChange, 0},
		{"so it does while pods come and go", func(o *scheduleInput) { o.outdated, o.settled = true, false }, v1alpha1.ProbeChange, 0},
		{"a pod was replaced", func(o *scheduleInput) { o.digest = "r1.t2" }, v1alpha1.ProbeChange, 0},
		{"pods come and go", func(o *scheduleInput) { o.digest, o.settled = "r1.t2", false }, "", 4 * time.Minute},
		{"pods come and go for longer than the interval", func(o *scheduleInput) {
			o.digest, o.settled, o.last = "r1.t2", false, last(interval, v1alpha1.ReasonEnforced)
		}, v1alpha1.ProbeInterval, 0},
		{"a request", func(o *scheduleInput) { o.request = "second" }, v1alpha1.ProbeRequest, 0},
		{"the request has been answered", func(o *scheduleInput) { o.request = "first" }, "", 4 * time.Minute},
		{"a request although nothing runs", func(o *scheduleInput) { o.request, o.noReadyPods = "second", true }, v1alpha1.ProbeRequest, 0},
		{"nothing runs", func(o *scheduleInput) { o.noReadyPods, o.digest = true, "r2.t2" }, "", interval},
		{"never probed, and all is there", func(o *scheduleInput) { o.last = nil }, v1alpha1.ProbeChange, 0},
		{"never probed, and pods are still missing", func(o *scheduleInput) { o.last, o.settled = nil, false }, "", 3 * time.Minute},
		{"never probed, and pods are missing for an interval", func(o *scheduleInput) {
			o.last, o.settled, o.since = nil, false, now.Add(-interval)
		}, v1alpha1.ProbeInterval, 0},
		{"the last one started a moment ago", func(o *scheduleInput) { o.digest, o.started = "r2.t1", now.Add(-4*time.Second) }, "",
			6 * time.Second},
		{"so did the last one, and there is a request", func(o *scheduleInput) { o.request, o.started = "second", now.Add(-4*time.Second) }, "",
			6 * time.Second},
		{"a boundary that did not hold is tried sooner", func(o *scheduleInput) { o.last = last(time.Minute, v1alpha1.ReasonNotEnforcedByCNI) },
			v1alpha1.ProbeInterval, 0},
		{"but not at once", func(o *scheduleInput) { o.last = last(20*time.Second, v1alpha1.ReasonNotVerified) }, "", 40 * time.Second},
		{"what proved nothing for the first time is tried soon", func(o *scheduleInput) {
			o.unproven, o.last = 1, last(5*time.Second, v1alpha1.ReasonNotVerified)
		}, "", 5 * time.Second},
		{"and later the next time", func(o *scheduleInput) {
			o.unproven, o.last = 2, last(5*time.Second, v1alpha1.ReasonNotVerified)
		}, "", 15 * time.Second},
		{"and each minute in the end", func(o *scheduleInput) {
			o.unproven, o.last = 100, last(5*time.Second, v1alpha1.ReasonNotVerified)
		}, "", 55 * time.Second},
		{"with an interval shorter than that", func(o *scheduleInput) {
			o.interval, o.last = 30*time.Second, last(20*time.Second, v1alpha1.ReasonBreached)
		}, "", 10 * time.Second},
		{"the clock went back", func(o *scheduleInput) { o.last = last(-time.Hour, v1alpha1.ReasonEnforced) }, "", time.Hour + interval},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := scheduleInput{now: now, interval: interval, since: now.Add(-2 * time.Minute), last: last(time.Minute, v1alpha1.ReasonEnforced),
				digest: "r1.t1", settled: true}
			c.change(&o)
			trigger, wait := o.due()
			NewWithT(t).Expect(trigger).To(Equal(c.trigger))
			NewWithT(t).Expect(wait).To(Equal(c.wait))
		})
	}
}
