package prober

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	labelNamespace = "namespace"
	labelStack     = "stack"
	labelOutcome   = "outcome"
	labelReason    = "reason"
)

// Results of attempts, values of the label result.
const (
	labelResult    = "result"
	attemptBlocked = "blocked"
	attemptAllowed = "allowed"
	attemptOther   = "unexpected"
)

// metrics of all stacks, served by the operator's own metrics port.
var metrics = newMeters(ctrlmetrics.Registry)

type meters struct {
	runs, attempts                      *prometheus.CounterVec
	duration                            *prometheus.HistogramVec
	unexpected, lastRun, verdict, found *prometheus.GaugeVec
}

func newMeters(registry prometheus.Registerer) *meters {
	stack := []string{labelNamespace, labelStack}
	m := &meters{
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_operator_probe_runs_total", Help: "Probes of a stack's lockdown, by outcome.",
		}, append(stack, labelOutcome)),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_operator_probe_attempts_total",
			Help: "Connections that probes attempted, by result: blocked and allowed as intended, or unexpected.",
		}, append(stack, labelResult)),
		unexpected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_operator_probe_unexpected_connections",
			Help: "Connections of the last probe that passed and should not have, or the reverse.",
		}, stack),
		lastRun: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_operator_probe_last_enforced_timestamp_seconds", Help: "When a probe last found the lockdown enforced, in Unix time.",
		}, stack),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "openim_operator_probe_duration_seconds", Help: "How long probes took, from the first pod to the result.",
			Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 120, 180},
		}, stack),
		found: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_operator_boundary_findings", Help: "Findings of the audit of a stack's live objects.",
		}, stack),
		verdict: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "openim_operator_network_isolated",
			Help: "1 for the reason that condition NetworkIsolated of a stack has now; the others are absent.",
		}, append(stack, labelReason)),
	}
	registry.MustRegister(m.runs, m.attempts, m.unexpected, m.lastRun, m.duration, m.found, m.verdict)
	return m
}

func (m *meters) observe(key types.NamespacedName, r *v1alpha1.ProbeResult, took time.Duration) {
	stack := prometheus.Labels{labelNamespace: key.Namespace, labelStack: key.Name}
	m.runs.MustCurryWith(stack).WithLabelValues(r.Outcome).Inc()
	for result, n := range map[string]*int32{attemptBlocked: r.Blocked, attemptAllowed: r.Allowed, attemptOther: r.Unexpected} {
		m.attempts.MustCurryWith(stack).WithLabelValues(result).Add(float64(*n))
	}
	m.unexpected.With(stack).Set(float64(*r.Unexpected))
	m.duration.With(stack).Observe(took.Seconds())
	if r.Outcome == v1alpha1.ReasonEnforced {
		m.lastRun.With(stack).Set(float64(r.Time.Unix()))
	}
}

// Report sets the gauges that follow from a stack's status.
func Report(key types.NamespacedName, reason string, findings int) {
	stack := prometheus.Labels{labelNamespace: key.Namespace, labelStack: key.Name}
	metrics.verdict.DeletePartialMatch(stack)
	metrics.verdict.MustCurryWith(stack).WithLabelValues(reason).Set(1)
	metrics.found.With(stack).Set(float64(findings))
}

// forget deletes the series of a deleted stack.
func (m *meters) forget(key types.NamespacedName) {
	stack := prometheus.Labels{labelNamespace: key.Namespace, labelStack: key.Name}
	for _, vector := range []interface {
		DeletePartialMatch(labels prometheus.Labels) int
	}{m.runs, m.attempts, m.unexpected, m.lastRun, m.duration, m.found, m.verdict} {
		vector.DeletePartialMatch(stack)
	}
}
