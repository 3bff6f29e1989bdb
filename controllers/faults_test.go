package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
)

// Times of the specs below instead of five minutes and thirty seconds.
const (
	retryIn    = 2 * time.Second
	messagesIn = 5 * time.Second
)

var _ = Describe("A stack whose writes fail", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator(func(r *controllers.Reconciler) { r.Hasten(retryIn, messagesIn) })
	})

	// get returns the stack.
	get := func() *v1alpha1.OpenIMStack {
		GinkgoHelper()
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		return &stack
	}

	// eventually waits until a condition has a reason and a message with all the texts; "" as reason means that it is absent.
	eventually := func(kind, reason string, texts ...string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			c := w.condition("chat", kind)
			if reason == "" {
				g.Expect(c).To(BeNil())
				return
			}
			g.Expect(c).NotTo(BeNil())
			g.Expect(c.Reason).To(Equal(reason), c.Message)
			for _, text := range texts {
				g.Expect(c.Message).To(ContainSubstring(text))
			}
		}).Should(Succeed())
	}

	// refuse refuses writes of one kind in the spec's namespace.
	refuse := func(resource string, answer func() *metav1.Status) {
		o.refusing(func(r *http.Request) *metav1.Status {
			if !strings.Contains(r.URL.Path, "/namespaces/"+w.namespace+"/"+resource+"/") {
				return nil
			}
			return answer()
		})
	}

	It("is stalled by a request for what no container can request, and not once it is corrected", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Processes = requesting("gpu", "1") })
		eventually(v1alpha1.ConditionStalled, v1alpha1.ReasonInvalidSpec,
			"Deployment "+w.namespace+"/chat-rpc-user", "spec.template.spec.containers[0].resources.requests", "must be a standard resource",
			"correct the part of the spec")
		Expect(get().Status.ObservedGeneration).To(Equal(get().Generation), "the spec was refused for good")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Processes = requesting("memory", "512Mi") })
		eventually(v1alpha1.ConditionStalled, "")
		w.eventuallyReady("chat")
		for _, d := range w.deployments("chat") {
			if d.Name == "chat-rpc-user" {
				Expect(d.Spec.Template.Spec.Containers[0].Resources.Requests.Memory().String()).To(Equal("512Mi"))
			}
		}
	})

	It("writes the changing texts of a webhook rarely, and the newest in the end", func() {
		var attempts atomic.Int32
		refuse("services", func() *metav1.Status {
			return &metav1.Status{Code: http.StatusForbidden, Message: fmt.Sprintf(
				`admission webhook "services.example.com" denied the request: attempt %d`, attempts.Add(1))}
		})
		w.start("chat")
		eventually(v1alpha1.ConditionStalled, v1alpha1.ReasonRefusedByAdmission, `admission webhook "services.example.com" refuses it: attempt`)
		Eventually(func(g Gomega) { // the Deployments have their pods, so that nothing but messages changes
			all := get().Status.Processes
			g.Expect(all).To(HaveLen(14))
			for _, p := range all {
				g.Expect(p.Updated).To(Equal(p.Desired), p.Name)
			}
		}).Should(Succeed())

		writes, tried, start := o.statusWritesIn(w.namespace), attempts.Load(), time.Now()
		for i := range 10 {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.com/touched":"`+strconv.Itoa(i)+`"}}}`))
			Expect(k8s.Patch(w.ctx, get(), patch)).To(Succeed())
			Eventually(attempts.Load).Should(BeNumerically(">", tried), "the operator tried again")
			tried = attempts.Load()
		}
		Expect(o.statusWritesIn(w.namespace) - writes).To(BeNumerically("<=", 1+int(time.Since(start)/messagesIn)))
		message := w.condition("chat", v1alpha1.ConditionStalled).Message
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionStalled).Message }).ShouldNot(Equal(message),
			"the newest text arrives without another event")

		o.refusing(nil)
		eventually(v1alpha1.ConditionStalled, "")
		w.eventuallyReady("chat")
		Expect(w.get("chat-api", &corev1.Service{})).To(Succeed())
	})

	It("names the right that is missing, applies the rest, and needs nothing but the right", func() {
		refuse("services", func() *metav1.Status {
			return &metav1.Status{
				Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Details: &metav1.StatusDetails{Kind: "services", Name: "x"},
				Message: `services "x" is forbidden: User "system:serviceaccount:openim-system:openim-operator" cannot patch resource "services" ` +
					`in API group "" in the namespace "` + w.namespace + `"`,
			}
		})
		w.start("chat") // all Deployments exist
		eventually(v1alpha1.ConditionStalled, v1alpha1.ReasonForbidden, "lacks the right to patch services in namespace "+w.namespace,
			"or grant the verb")
		o.refusing(nil)
		eventually(v1alpha1.ConditionStalled, "")
		w.eventuallyReady("chat")
	})

	It("is retried while the API server fails, without being stalled", func() {
		var failed atomic.Int32
		refuse("deployments", func() *metav1.Status {
			failed.Add(1)
			return &metav1.Status{
				Code: http.StatusInternalServerError, Reason: metav1.StatusReasonInternalError,
				Message: fmt.Sprintf("request %d to 10.0.0.1 failed", failed.Load()),
			}
		})
		w.create(w.stack("chat"))
		eventually(v1alpha1.ConditionReady, v1alpha1.ReasonApplyFailed, "the API server answered InternalError")
		Eventually(failed.Load).Should(BeNumerically(">", 3*14), "it is tried again and again")
		stack := get()
		Expect(stack.Status.ObservedGeneration).To(BeZero(), "nothing is decided about this generation")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).NotTo(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionReady).Message).NotTo(ContainSubstring("10.0.0.1"))
		o.refusing(nil)
		w.eventuallyReady("chat")
		Expect(get().Status.ObservedGeneration).To(Equal(stack.Generation))
	})

	It("repairs what another made invalid together with the operator's fields, and records it in an event", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		o.waitIdle("1s", w.namespace)
		service := &corev1.Service{}
		// A port is known by its number: both ports have the same name.
		w.editObject("chat-api", service, "intruder", func() { service.Spec.Ports[0].Port++ })
		Eventually(func() []string {
			return slices.DeleteFunc(w.events(), func(text string) bool { return !strings.HasPrefix(text, "Repaired: ") })
		}).Should(ConsistOf("Repaired: Service chat-api"), "one repair, and no write of the start was taken for one")
	})

	It("does not keep a result of the probe that has become too old, although nothing happens", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		o.waitIdle("1s", w.namespace)
		const interval = 5 * time.Minute
		Eventually(func() error {
			stack := get()
			stack.Status.Boundary.LastProbe = &v1alpha1.ProbeResult{
				Time: metav1.NewTime(time.Now().Add(6*time.Second - 2*interval)), Outcome: v1alpha1.ReasonEnforced, Message: "of an earlier operator",
			}
			return k8s.Status().Update(w.ctx, stack)
		}).Should(Succeed())
		eventually(v1alpha1.ConditionNetworkIsolated, v1alpha1.ReasonEnforced)
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionNetworkIsolated).Reason }, "20s").
			Should(Equal(v1alpha1.ReasonNotVerified))
	})
})

// requesting returns processes of which rpc-user requests memory.
func requesting(name, quantity string) *v1alpha1.Processes {
	return &v1alpha1.Processes{RPC: &v1alpha1.RPCProcesses{User: &v1alpha1.ProcessSpec{Resources: &v1alpha1.Resources{
		Requests: map[string]resource.Quantity{name: resource.MustParse(quantity)},
	}}}}
}
