package insight

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/prober"
)

const (
	labelNamespace = "namespace"
	labelStack     = "stack"
)

// patience bounds how long a scrape waits for the cache, which does not answer before it is filled.
const patience = 2 * time.Second

// describe returns the description of a metric of stacks, with the stack's labels before others.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{labelNamespace, labelStack}, labels...), nil)
}

// The metrics of a stack's status.
var (
	info = describe("openim_operator_stack_info",
		"Always 1, for each stack. The release is that which all processes run, and empty while they run different ones.", "release")
	condition = describe("openim_operator_stack_condition",
		"1 for the status and the reason that each condition of a stack has now; other statuses and reasons are absent.",
		"type", "status", "reason")
	generation = describe("openim_operator_stack_generation", "Generation of the stack's spec.")
	observed   = describe("openim_operator_stack_observed_generation",
		"Generation of the spec that was applied, or refused for a reason that only a user can remove.")
	pending = describe("openim_operator_stack_pending_changes", "Objects that would be written if the stack were not suspended.")
	wave    = describe("openim_operator_rollout_wave", "Wave of the rollout under way. Absent at rest.")
	halted  = describe("openim_operator_rollout_failure", "1 while a rollout is held, or was taken back, for this reason.",
		"component", "reason")
	excepts = describe("openim_operator_boundary_exceptions", "What the spec requests beyond what a stack needs.")
	probed  = describe("openim_operator_probe_last_timestamp_seconds", "When the last probe started, in Unix time, with its outcome.",
		"outcome")
	watched = describe("openim_operator_stack_monitored", "1 when spec.network.monitoring names who may scrape the stack's pods, else 0.")
	every   = describe("openim_operator_probe_interval_seconds", "Time between two probes, as the spec or the default has it.")

	replicas = describe("openim_operator_component_replicas",
		"Replicas of a component: desired, updated (of the present template) and ready (of these).", "component", "state")
	restarts = describe("openim_operator_component_restarts", "Container restarts of the present pods of a component.", "component")
	problem  = describe("openim_operator_component_problem", "1 for the reason for which not all replicas of a component are available.",
		"component", "reason")
)

var descriptions = []*prometheus.Desc{
	info, condition, generation, observed, pending, wave, halted, excepts, probed, watched, every, replicas, restarts, problem,
}

// stacks is a Collector of what the status of each stack says.
type stacks struct{ reader client.Reader }

// NewCollector returns a Collector that reads stacks from the cache at each scrape. While the cache is not filled, and while it fails,
// there is no series of a stack.
func NewCollector(cache client.Reader) prometheus.Collector { return stacks{reader: cache} }

// Describe implements prometheus.Collector.
func (s stacks) Describe(to chan<- *prometheus.Desc) {
	for _, d := range descriptions {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s stacks) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var list v1alpha1.OpenIMStackList
	// The objects are only read.
	if err := s.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		log.Log.WithName("metrics").Error(err, "listing stacks for a scrape")
		return
	}
	for i := range list.Items {
		collect(&list.Items[i], func(desc *prometheus.Desc, value float64, labels ...string) {
			all := append([]string{list.Items[i].Namespace, list.Items[i].Name}, labels...)
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, all...)
		})
	}
}

// collect sends the metrics of a stack.
func collect(stack *v1alpha1.OpenIMStack, tell func(desc *prometheus.Desc, value float64, labels ...string)) {
	status := &stack.Status
	tell(info, 1, status.Version)
	tell(generation, float64(stack.Generation))
	tell(observed, float64(status.ObservedGeneration))
	tell(pending, float64(len(status.PendingChanges)))
	for _, c := range status.Conditions {
		tell(condition, 1, c.Type, string(c.Status), c.Reason)
	}
	if rollout := status.Rollout; rollout != nil {
		tell(wave, float64(rollout.Wave))
		if rollout.Failure != nil {
			tell(halted, 1, rollout.Failure.Component, rollout.Failure.Reason)
		}
	}
	monitored := 0.0
	if network := stack.Spec.Network; network != nil && len(network.Monitoring) > 0 {
		monitored = 1
	}
	tell(watched, monitored)
	tell(every, prober.Interval(stack).Seconds())
	if boundary := status.Boundary; boundary != nil {
		tell(excepts, float64(len(boundary.Exceptions)))
		if probe := boundary.LastProbe; probe != nil && !probe.Time.IsZero() {
			tell(probed, float64(probe.Time.Unix()), probe.Outcome)
		}
	}
	for _, p := range status.Processes {
		tell(replicas, float64(ptr.Deref(p.Desired, 0)), p.Name, "desired")
		tell(replicas, float64(ptr.Deref(p.Updated, 0)), p.Name, "updated")
		tell(replicas, float64(ptr.Deref(p.Ready, 0)), p.Name, "ready")
		tell(restarts, float64(ptr.Deref(p.Restarts, 0)), p.Name)
		if p.Reason != "" {
			tell(problem, 1, p.Name, p.Reason)
		}
	}
}
