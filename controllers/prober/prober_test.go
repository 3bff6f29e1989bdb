package prober

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
)

var chat = types.NamespacedName{Namespace: "im", Name: "chat"}

func newQueue(t *testing.T) workqueue.TypedRateLimitingInterface[reconcile.Request] {
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	t.Cleanup(q.ShutDown)
	return q
}

func TestABellThatIsRungEarlyIsHeardLater(t *testing.T) {
	g := NewWithT(t)
	b, q := newRequeuer(), newQueue(t)
	b.requeue(chat, time.Hour)
	b.requeue(chat, 0)
	g.Expect(b.Start(context.Background(), q)).To(Succeed())
	g.Expect(q.Len()).To(Equal(1))
	request, _ := q.Get()
	g.Expect(request.NamespacedName).To(Equal(chat))
	q.Done(request)
	b.requeue(chat, 0)
	g.Expect(q.Len()).To(Equal(1))
}

// An assessment that does not change must requeue no stack: the reconcile loop would write the status for ever.
func TestTheOtherLoopIsWokenByNewsAlone(t *testing.T) {
	g := NewWithT(t)
	p, q := New(nil, nil, Options{}), newQueue(t)
	g.Expect(p.statusQueue.Start(t.Context(), q)).To(Succeed())
	s := p.state(chat)
	learn := func() {
		p.updateAssessment(s, chat, func(a *Assessment) {
			a.Audited, a.Findings = true, []audit.Finding{finding(audit.ForeignPolicyWidens, audit.Critical, "api:10002")}
			a.Probe = probed("Enforced", 0)
		})
	}
	learn()
	g.Expect(q.Len()).To(Equal(1))
	request, _ := q.Get()
	q.Done(request)
	learn()
	g.Expect(q.Len()).To(BeZero())
	g.Expect(p.Latest(chat).Findings).To(HaveLen(1))
	g.Expect(p.Latest(types.NamespacedName{Name: "unknown"})).To(Equal(Assessment{}))
}

func TestTheAuditReadsTheNamespacesThatMatterAndThatItMay(t *testing.T) {
	g := NewWithT(t)
	stackGraph := graph.Graph{Namespace: "im", Stack: "chat", Edges: []graph.Edge{{
		To: graph.Peer{Name: "redis", NetworkPeers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
		}}},
	}}}
	g.Expect(New(nil, nil, Options{Namespace: "ops"}).scope(stackGraph).Namespaces).To(ConsistOf("im", "ops", "infra"))
	g.Expect(New(nil, nil, Options{Namespace: "ops", WatchNamespaces: []string{"im"}}).scope(stackGraph).Namespaces).To(ConsistOf("im"))
}

func TestIntrudersStandInTwoPlacesIfThereAreTwo(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im"}}
	for operator, want := range map[string][]string{"ops": {"im", "ops"}, "im": {"im"}, "": {"im"}} {
		NewWithT(t).Expect(New(nil, nil, Options{Namespace: operator}).intruderNamespaces(stack)).To(Equal(want))
	}
}

func TestMetricsTellOfTheLastProbeAndForgetStacksThatAreGone(t *testing.T) {
	g := NewWithT(t)
	registry := prometheus.NewRegistry()
	m := newMeters(registry)
	values := func() map[string]float64 {
		found := map[string]float64{}
		families, err := registry.Gather()
		g.Expect(err).NotTo(HaveOccurred())
		for _, family := range families {
			for _, metric := range family.Metric {
				name := family.GetName()
				for _, label := range metric.Label {
					if label.GetName() != labelNamespace && label.GetName() != labelStack {
						name += "/" + label.GetValue()
					}
				}
				found[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
		return found
	}
	result := probed(v1alpha1.ReasonEnforced, 0)
	result.Blocked, result.Allowed, result.Unexpected = ptr.To[int32](72), ptr.To[int32](12), ptr.To[int32](0)
	m.observe(chat, result, 9*time.Second)
	bad := probed(v1alpha1.ReasonNotEnforcedByCNI, 0)
	bad.Blocked, bad.Allowed, bad.Unexpected = ptr.To[int32](0), ptr.To[int32](12), ptr.To[int32](72)
	m.observe(chat, bad, 20*time.Second)
	g.Expect(values()).To(And(
		HaveKeyWithValue("openim_operator_probe_runs_total/Enforced", 1.0),
		HaveKeyWithValue("openim_operator_probe_runs_total/NotEnforcedByCNI", 1.0),
		HaveKeyWithValue("openim_operator_probe_attempts_total/blocked", 72.0),
		HaveKeyWithValue("openim_operator_probe_attempts_total/unexpected", 72.0),
		HaveKeyWithValue("openim_operator_probe_unexpected_connections", 72.0),
		HaveKeyWithValue("openim_operator_probe_last_enforced_timestamp_seconds", float64(noon.Unix())),
		HaveKeyWithValue("openim_operator_probe_duration_seconds", 2.0),
	))
	m.verdict.WithLabelValues("im", "chat", "Enforced").Set(1)
	m.forget(chat)
	g.Expect(values()).To(BeEmpty())
}
