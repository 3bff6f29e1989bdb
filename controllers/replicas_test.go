package controllers_test

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// scale writes the subresource scale of a Deployment, as `kubectl scale` and a HorizontalPodAutoscaler do.
func (w testEnv) scale(deployment string, replicas int32, manager string) {
	GinkgoHelper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: deployment}}
	body := &autoscalingv1.Scale{ObjectMeta: d.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	Expect(k8s.SubResource("scale").Update(w.ctx, d, client.WithSubResourceBody(body), client.FieldOwner(manager))).To(Succeed())
}

func (w testEnv) replicas(deployment string) int32 {
	GinkgoHelper()
	var d appsv1.Deployment
	Expect(w.get(deployment, &d)).To(Succeed())
	return *d.Spec.Replicas
}

// managersOfReplicas lists who owns spec.replicas of a Deployment.
func (w testEnv) managersOfReplicas(deployment string) []string {
	GinkgoHelper()
	var d appsv1.Deployment
	Expect(w.get(deployment, &d)).To(Succeed())
	var managers []string
	for _, m := range d.ManagedFields {
		var fields struct {
			Spec map[string]json.RawMessage `json:"f:spec"`
		}
		Expect(json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields)).To(Succeed())
		if _, owns := fields.Spec["f:replicas"]; owns {
			managers = append(managers, m.Manager)
		}
	}
	return managers
}

func apiReplicas(n *int32) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Processes = &v1alpha1.Processes{API: &v1alpha1.ProcessSpec{Replicas: n}}
	}
}

var _ = Describe("Replicas", func() {
	const operatorScale = "openim-operator-scale"
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	// observed waits until the operator has reconciled the present spec and has nothing left to write.
	observed := func() {
		GinkgoHelper()
		Eventually(func() bool {
			s := w.getStack("chat")
			return s.Status.ObservedGeneration == s.Generation
		}).Should(BeTrue())
		o.waitIdle("1s", w.namespace)
	}

	It("are set once when the spec names none, and then belong to whoever scales", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		Expect(w.replicas("chat-api")).To(Equal(int32(1)))
		Expect(w.replicas("chat-gateway")).To(Equal(int32(2)))
		Expect(w.managersOfReplicas("chat-api")).To(BeEmpty(), "one replica is the API server's default, which need not be sent")
		Expect(w.managersOfReplicas("chat-gateway")).To(Equal([]string{operatorScale}))

		w.scale("chat-api", 4, "kubectl")
		w.scale("chat-gateway", 5, "kubectl")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Version = "v3.8.3-patch.16" })
		observed()
		w.eventuallyReady("chat")
		Expect(w.replicas("chat-api")).To(Equal(int32(4)))
		Expect(w.replicas("chat-gateway")).To(Equal(int32(5)))

		o.stop()
		w.scale("chat-api", 3, "kubectl")
		o = startOperator()
		w.touch("chat")
		observed()
		Expect(w.replicas("chat-api")).To(Equal(int32(3)), "also what was scaled while the operator was away")
		Expect(w.get("chat-gateway", &policyv1.PodDisruptionBudget{})).To(Succeed())
		w.eventuallyReady("chat")
	})

	It("of an edit stay, while the rest of the edit is put right", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		var d appsv1.Deployment
		w.editObject("chat-api", &d, "kubectl-edit", func() {
			d.Spec.Replicas = ptr.To[int32](6)
			d.Spec.Template.Spec.Containers = append(d.Spec.Template.Spec.Containers, corev1.Container{Name: "sidecar", Image: "example.com/s:1"})
		})
		Eventually(func() int {
			Expect(w.get("chat-api", &d)).To(Succeed())
			return len(d.Spec.Template.Spec.Containers)
		}).Should(Equal(1))
		o.waitIdle("1s", w.namespace)
		Expect(w.replicas("chat-api")).To(Equal(int32(6)))
		w.eventuallyReady("chat")
	})

	It("of an autoscaler are not fought, and cost no write", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		for _, n := range []int32{2, 5, 3} {
			before := o.waitIdle("1s", w.namespace)
			w.scale("chat-msggateway", n, "kube-controller-manager")
			w.eventuallyReady("chat")
			w.touch("chat")
			after := o.waitIdle("1s", w.namespace)
			Expect(w.replicas("chat-msggateway")).To(Equal(n))
			Expect(after-before).To(BeNumerically("<=", 12), "status and events alone")
		}
		Expect(w.managersOfReplicas("chat-msggateway")).NotTo(ContainElement(operatorScale))
	})

	It("of the spec win", func() {
		w.start("chat", apiReplicas(ptr.To[int32](3)))
		w.eventuallyReady("chat")
		Expect(w.replicas("chat-api")).To(Equal(int32(3)))
		w.scale("chat-api", 4, "kubectl")
		Eventually(func() int32 { return w.replicas("chat-api") }).Should(Equal(int32(3)))
		w.eventuallyReady("chat")
	})

	It("are handed over both ways without a jump", func() {
		w.start("chat", apiReplicas(ptr.To[int32](3)))
		w.eventuallyReady("chat")
		w.change("chat", apiReplicas(nil))
		observed()
		Expect(w.replicas("chat-api")).To(Equal(int32(3)), "a field that its only owner drops would go back to 1")
		w.scale("chat-api", 5, "kube-controller-manager")
		o.waitIdle("1s", w.namespace)
		Expect(w.replicas("chat-api")).To(Equal(int32(5)))

		w.change("chat", apiReplicas(ptr.To[int32](2)))
		Eventually(func() int32 { return w.replicas("chat-api") }).Should(Equal(int32(2)))
		Expect(w.managersOfReplicas("chat-api")).To(ContainElement(operatorScale))
		w.change("chat", apiReplicas(nil))
		observed()
		Expect(w.replicas("chat-api")).To(Equal(int32(2)))
		w.eventuallyReady("chat")
	})

	It("stay 0 when somebody stops a component, and come back when it is scaled up", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		w.scale("chat-push", 0, "kubectl")
		w.touch("chat")
		o.waitIdle("1s", w.namespace)
		Expect(w.replicas("chat-push")).To(BeZero())
		Expect(w.says("chat", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonScaledToZero)).To(ContainSubstring("push"))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = ptr.To(true) })
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionPaused) }).ShouldNot(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionFalse), "a suspension makes no component serve")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = nil })
		w.scale("chat-push", 1, "kubectl")
		w.eventuallyReady("chat")
	})

	It("of crontask are always 1", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		w.scale("chat-crontask", 3, "kubectl")
		Eventually(func() int32 { return w.replicas("chat-crontask") }).Should(Equal(int32(1)))
		w.eventuallyReady("chat")
	})

	It("are pending in a suspended stack only when the spec names them", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = ptr.To(true) })
		w.scale("chat-api", 4, "kubectl")
		w.touch("chat")
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionPaused) }).ShouldNot(BeNil())
		Consistently(func() []string { return w.getStack("chat").Status.PendingChanges }, "1s").Should(BeEmpty())
		w.change("chat", apiReplicas(ptr.To[int32](2)))
		Eventually(func() []string { return w.getStack("chat").Status.PendingChanges }).Should(Equal([]string{"Deployment/chat-api"}))
		Expect(w.replicas("chat-api")).To(Equal(int32(4)))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = nil })
		Eventually(func() int32 { return w.replicas("chat-api") }).Should(Equal(int32(2)))
		w.eventuallyReady("chat")
	})
})
