package insight

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func cacheWith(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

// TestWhatAStatusSaysIsServed has each metric once. A text of the status, such as a message, is nowhere.
func TestWhatAStatusSaysIsServed(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat", Generation: 3},
		Spec: v1alpha1.OpenIMStackSpec{Network: &v1alpha1.Network{
			Monitoring: []v1alpha1.Peer{{}}, Probe: &v1alpha1.Probe{IntervalSeconds: ptr.To[int32](60)},
		}},
		Status: v1alpha1.OpenIMStackStatus{
			ObservedGeneration: 2, Version: "v3.8.3", PendingChanges: []string{"Deployment/chat-api"},
			Conditions: []metav1.Condition{{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonProgressing, Message: "a secret text",
			}},
			Rollout: &v1alpha1.Rollout{Wave: 2, Failure: &v1alpha1.RolloutFailure{
				Component: "api", Reason: "ImagePull", Message: "a secret text",
			}},
			Boundary: &v1alpha1.Boundary{
				Exceptions: []string{"UnauthenticatedMetrics: a secret text"},
				LastProbe:  &v1alpha1.ProbeResult{Time: metav1.NewTime(time.Unix(1000, 0)), Outcome: v1alpha1.ReasonEnforced},
			},
			Processes: []v1alpha1.ProcessStatus{{
				Name: "api", Desired: ptr.To[int32](2), Updated: ptr.To[int32](1), Ready: ptr.To[int32](0), Restarts: ptr.To[int32](4),
				Reason: "ImagePull", Message: "a secret text",
			}},
		},
	}
	const wanted = `
openim_operator_boundary_exceptions{namespace="im",stack="chat"} 1
openim_operator_component_problem{component="api",namespace="im",reason="ImagePull",stack="chat"} 1
openim_operator_component_replicas{component="api",namespace="im",stack="chat",state="desired"} 2
openim_operator_component_replicas{component="api",namespace="im",stack="chat",state="ready"} 0
openim_operator_component_replicas{component="api",namespace="im",stack="chat",state="updated"} 1
openim_operator_component_restarts{component="api",namespace="im",stack="chat"} 4
openim_operator_probe_interval_seconds{namespace="im",stack="chat"} 60
openim_operator_probe_last_timestamp_seconds{namespace="im",outcome="Enforced",stack="chat"} 1000
openim_operator_rollout_failure{component="api",namespace="im",reason="ImagePull",stack="chat"} 1
openim_operator_rollout_wave{namespace="im",stack="chat"} 2
openim_operator_stack_condition{namespace="im",reason="Progressing",stack="chat",status="False",type="Ready"} 1
openim_operator_stack_generation{namespace="im",stack="chat"} 3
openim_operator_stack_info{namespace="im",release="v3.8.3",stack="chat"} 1
openim_operator_stack_monitored{namespace="im",stack="chat"} 1
openim_operator_stack_observed_generation{namespace="im",stack="chat"} 2
openim_operator_stack_pending_changes{namespace="im",stack="chat"} 1
`
	g := NewWithT(t)
	g.Expect(served(t, NewCollector(cacheWith(t, stack)))).To(Equal(strings.TrimPrefix(wanted, "\n")))
}

// served returns the samples of a collector as Prometheus would read them, sorted.
func served(t *testing.T, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, family := range families {
		if _, err := expfmt.MetricFamilyToText(&text, family); err != nil {
			t.Fatal(err)
		}
	}
	var samples []string
	for line := range strings.Lines(text.String()) {
		if !strings.HasPrefix(line, "#") {
			samples = append(samples, line)
		}
	}
	return strings.Join(samples, "")
}

func TestAStackWithoutAStatusHasAnInterval(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "new"}}
	g.Expect(served(t, NewCollector(cacheWith(t, stack)))).To(ContainSubstring(
		`openim_operator_probe_interval_seconds{namespace="im",stack="new"} 300`))
}

func TestDeletedStacksHaveNoSeries(t *testing.T) {
	g := NewWithT(t)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"}}
	cache := cacheWith(t, stack)
	collector := NewCollector(cache)
	g.Expect(testutil.CollectAndCount(collector)).To(BeNumerically(">", 0))
	g.Expect(cache.Delete(t.Context(), stack)).To(Succeed())
	g.Expect(testutil.CollectAndCount(collector)).To(BeZero())
}

// failing is a cache that answers only when its caller gives up, as one that is not filled does.
type failing struct{ client.Reader }

func (failing) List(ctx context.Context, _ client.ObjectList, _ ...client.ListOption) error {
	if _, bounded := ctx.Deadline(); !bounded {
		return errors.New("the caller would wait forever")
	}
	return context.DeadlineExceeded
}

func TestAScrapeBeforeTheCacheIsFilledHasTheOtherMetrics(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewCollector(failing{}))
	newWrites(registry).WithLabelValues("im", "chat", "Service", "Created").Inc()
	all, err := registry.Gather()
	g.Expect(err).NotTo(HaveOccurred(), "an error would end the whole scrape")
	g.Expect(all).To(HaveLen(1))
}

func TestWritesAreCountedUntilTheStackIsForgotten(t *testing.T) {
	g := NewWithT(t)
	stack := types.NamespacedName{Namespace: "im", Name: "written"}
	Wrote(stack, "Service", "Repaired")
	Wrote(stack, "Service", "Repaired")
	Wrote(types.NamespacedName{Namespace: "im", Name: "other"}, "Service", "Created")
	g.Expect(testutil.ToFloat64(writes.WithLabelValues("im", "written", "Service", "Repaired"))).To(BeEquivalentTo(2))
	Forget(stack)
	g.Expect(testutil.CollectAndCount(writes)).To(Equal(1), "the other's")
}
