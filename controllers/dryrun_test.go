package controllers_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
)

// answerDryRuns answers the dry runs of Deployments in the environment's namespace, and returns how many it answered so far. Writes go
// through.
func (w testEnv) answerDryRuns(o *operator, answer metav1.Status) *atomic.Int32 {
	var count atomic.Int32
	o.refusing(func(r *http.Request) *metav1.Status {
		if !strings.Contains(r.URL.Path, "/namespaces/"+w.namespace+"/deployments/") || r.URL.Query().Get("dryRun") == "" {
			return nil
		}
		count.Add(1)
		return answer.DeepCopy()
	})
	return &count
}

// What the API server answers while it cannot reach a webhook, and when the webhook denies.
var (
	webhookDown = metav1.Status{
		Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
		Message: `Internal error occurred: failed calling webhook "pods.example.com": connect: connection refused`,
	}
	webhookDenies = metav1.Status{
		Code: http.StatusForbidden, Message: `admission webhook "pods.example.com" denied the request: not these tolerations`,
	}
	quotaExceeded = metav1.Status{
		Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: `deployments.apps "chat-push" is forbidden: exceeded quota: few, requested: count/deployments.apps=1, used: 14, limited: 14`,
	}
)

var _ = Describe("The dry run of templates", func() {
	var w testEnv
	var o *operator

	// tokens sets how many days a token is valid, of which status.effective tells.
	tokens := func(s *v1alpha1.OpenIMStackSpec, days int32) {
		s.Settings = &v1alpha1.Settings{TokenLifetimeDays: ptr.To(days)}
	}
	effective := func(days string) func() bool {
		return func() bool {
			return slices.Contains(w.status("chat").Effective, v1alpha1.EffectiveValue{Name: "settings.tokenLifetimeDays", Value: days})
		}
	}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator(func(r *controllers.Reconciler) { r.Hasten(retryIn, messagesIn) })
	})

	It("that fails leaves the stack the stores and the children that its pods use, until it succeeds", func() {
		w.create(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "redis-b", Namespace: w.namespace},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "redis-b"}, Ports: []corev1.ServicePort{{
				Port: 6379, TargetPort: intstr.FromInt32(6379),
			}}},
		})
		w.start("chat", expose(byService(v1alpha1.ListenerAdmins, v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort})))
		w.rolledOut("chat")
		before, runs := w.templates(), len(w.runRevisions())
		claim := "redis redis." + w.namespace + ".svc:6379 database 0"
		Expect(w.status("chat").Stores).To(ContainElement(claim))
		configMaps := w.configMaps("chat")

		failed := w.answerDryRuns(o, webhookDown)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			templated(dedicated)(s)
			tokens(s, 7)
			s.Dependencies.Redis.Addresses = []v1alpha1.Address{v1alpha1.Address("redis-b." + w.namespace + ".svc:6379")}
		})
		w.says("chat", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonApplyFailed)
		Eventually(failed.Load).Should(BeNumerically(">", 3*14), "it is tried again and again")
		Consistently(func(g Gomega) {
			g.Expect(w.stores("rpc-auth")).To(Equal([]string{"redis", "redis-b"}), "all pods still use the first")
			g.Expect(w.status("chat").Stores).To(ContainElement(claim), "no other stack may use it")
			g.Expect(w.templates()).To(Equal(before))
			g.Expect(w.runRevisions()).To(HaveLen(runs))
			g.Expect(w.configMaps("chat")).To(Equal(configMaps))
			g.Expect(effective("7")()).To(BeFalse(), "it is not in force")
		}, "3s").Should(Succeed())

		o.refusing(nil)
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		Eventually(func() []corev1.Toleration {
			w.beReady()
			return w.podTemplate("chat-push").Spec.Tolerations
		}).Should(HaveLen(1))
		w.rolledOut("chat")
		Eventually(func() []string { return w.stores("rpc-auth") }).Should(Equal([]string{"redis-b"}), "the first is given up at last")
		Eventually(func() []string { return w.status("chat").Stores }).ShouldNot(ContainElement(claim))
		Eventually(effective("7")).Should(BeTrue())
		w.eventuallyReady("chat")
	})

	It("that fails for a reason that is not the templates' does not blame them: the write itself tells", func() {
		w.start("chat")
		w.rolledOut("chat")
		tried := w.answerDryRuns(o, quotaExceeded)
		w.change("chat", templated(dedicated))
		w.rolledOut("chat")
		Expect(tried.Load()).To(BeNumerically(">=", 14))
		Expect(w.podTemplate("chat-push").Spec.Tolerations).To(HaveLen(1))
		Expect(w.condition("chat", v1alpha1.ConditionSettingsAccepted).Status).To(Equal(metav1.ConditionTrue))
		w.eventuallyReady("chat")
	})

	It("that fails after it was refused is still refused, until it is taken", func() {
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) { tokens(s, 90) })
		w.rolledOut("chat")
		Eventually(effective("90")).Should(BeTrue())
		before := w.templates()

		w.answerDryRuns(o, webhookDenies)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			templated(dedicated)(s)
			tokens(s, 7)
		})
		refused := func() string {
			c := w.condition("chat", v1alpha1.ConditionSettingsAccepted)
			return string(c.Status) + "/" + c.Reason
		}
		Eventually(refused).Should(Equal("False/" + v1alpha1.ReasonPodTemplateInvalid))
		failed := w.answerDryRuns(o, webhookDown)
		Eventually(failed.Load, "15s").Should(BeNumerically(">", 14), "it is tried again after a time")
		Consistently(refused, "3s").Should(Equal("False/" + v1alpha1.ReasonPodTemplateInvalid))
		Expect(effective("90")()).To(BeTrue(), "that is in force")
		Expect(w.templates()).To(Equal(before))

		o.refusing(nil)
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.Tolerations).To(HaveLen(1))
		Eventually(effective("7")).Should(BeTrue())
		w.eventuallyReady("chat")
	})

	It("that was refused is remembered: what happens to pods meanwhile costs no other, and no history is read", func() {
		o.stop()
		o = startOperator() // tried again after half a minute
		w.start("chat")
		w.rolledOut("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = newer })
		w.rolledOut("chat")
		tried := w.answerDryRuns(o, webhookDenies)
		w.change("chat", templated(dedicated))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateInvalid)
		o.waitIdle("1s", w.namespace)
		dryRuns, reads := tried.Load(), o.runReads.Load()
		Expect(dryRuns).To(BeNumerically("==", 14))
		for range 3 {
			Expect(k8s.DeleteAllOf(w.ctx, &corev1.Pod{}, client.InNamespace(w.namespace),
				client.MatchingLabels{v1alpha1.LabelComponent: "push"})).To(Succeed())
			w.says("chat", v1alpha1.ConditionOpenIMAvailable, metav1.ConditionFalse, v1alpha1.ReasonWaiting)
			w.beReady()
			w.says("chat", v1alpha1.ConditionOpenIMAvailable, metav1.ConditionTrue, v1alpha1.ReasonAvailable)
		}
		Expect(tried.Load()).To(Equal(dryRuns))
		Expect(o.runReads.Load()).To(Equal(reads))

		o.refusing(nil)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.eventuallyReady("chat")
	})
})
