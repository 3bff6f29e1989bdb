package controllers_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// autoscaled returns a change that replaces the settings of components.
func autoscaled(components ...v1alpha1.ComponentPods) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Pods = &v1alpha1.Pods{Components: components} }
}

// scaledTo scales a component or group up to a number of pods.
func scaledTo(name v1alpha1.PodsName, most int32) v1alpha1.ComponentPods {
	return v1alpha1.ComponentPods{Name: name, Autoscaling: &v1alpha1.Autoscaling{MaxReplicas: &most}}
}

var _ = Describe("Autoscaling", func() {
	It("takes the number of pods over and gives it back without a jump", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		o := startOperator()
		w.start("chat", apiReplicas(ptr.To[int32](3)))
		w.rolledOut("chat")
		templates := w.templates()
		scaler := func() *autoscalingv2.HorizontalPodAutoscaler {
			var found autoscalingv2.HorizontalPodAutoscaler
			if !w.exists("chat-api", &found) {
				return nil
			}
			return &found
		}

		w.change("chat", autoscaled(scaledTo("api", 6)))
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec)).To(HavePrefix(
			"spec.pods.components[api].autoscaling: spec.processes.api.replicas is a number of its own for api"))
		Expect(scaler()).To(BeNil())
		Expect(w.replicas("chat-api")).To(Equal(int32(3)))

		w.change("chat", apiReplicas(nil))
		Eventually(scaler).ShouldNot(BeNil())
		Expect(scaler().Spec.MaxReplicas).To(Equal(int32(6)))
		Expect(scaler().Spec.ScaleTargetRef.Name).To(Equal("chat-api"))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		Expect(w.replicas("chat-api")).To(Equal(int32(3)), "what ran before is where the autoscaler starts")
		Eventually(func() []v1alpha1.EffectiveValue { return w.status("chat").Effective }).Should(ContainElement(
			v1alpha1.EffectiveValue{Name: "pods.components[api].autoscaling", Value: "1 to 6 pods by cpu 500m"}))

		w.scale("chat-api", 5, "kube-controller-manager")
		w.eventuallyReady("chat")
		before := o.waitIdle("1s", w.namespace)
		for range 3 { // as Kubernetes reports what it measured
			live := scaler()
			live.Status.CurrentReplicas++
			Expect(k8s.Status().Update(w.ctx, live)).To(Succeed())
		}
		Expect(o.waitIdle("2s", w.namespace)).To(Equal(before), "the status of an autoscaler makes no request")
		Expect(w.replicas("chat-api")).To(Equal(int32(5)))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		Eventually(scaler).Should(BeNil())
		o.waitIdle("1s", w.namespace)
		Expect(w.replicas("chat-api")).To(Equal(int32(5)), "what ran stays, for whoever scales next")
		w.change("chat", apiReplicas(ptr.To[int32](2)))
		Eventually(func() int32 { return w.replicas("chat-api") }).Should(Equal(int32(2)))
		w.eventuallyReady("chat")
		Expect(w.templates()).To(Equal(templates), "no pod was made anew")
	})
})

func (b *bench) scaler(component string) *autoscalingv2.HorizontalPodAutoscaler {
	var found autoscalingv2.HorizontalPodAutoscaler
	b.Expect(b.get(benchStack+"-"+component, &found)).To(Succeed())
	return &found
}

func (b *bench) scale(component string, replicas int32) {
	var d appsv1.Deployment
	b.Expect(b.get(benchStack+"-"+component, &d)).To(Succeed())
	d.Spec.Replicas = &replicas
	b.Expect(b.c.Update(context.Background(), &d)).To(Succeed())
}

func (b *bench) replicas(component string) int32 {
	var d appsv1.Deployment
	b.Expect(b.get(benchStack+"-"+component, &d)).To(Succeed())
	return *d.Spec.Replicas
}

// A spec that drops the autoscaler, names a number and is refused for something else changes neither: two would set the number in turns. So
// it is for another process, which knows of the accepted spec by the live objects alone.
func TestARefusedSpecLeavesTheNumberWithTheAutoscaler(t *testing.T) {
	b := newBench(t)
	choose := func(replicas *int32, template string, components ...v1alpha1.ComponentPods) {
		b.edit(func(s *v1alpha1.OpenIMStack) {
			s.Spec.Processes = &v1alpha1.Processes{Push: &v1alpha1.ProcessSpec{Replicas: replicas}}
			s.Spec.Pods = &v1alpha1.Pods{Components: components, Template: &runtime.RawExtension{Raw: []byte(template)}}
		})
	}
	choose(nil, `{}`, scaledTo("push", 4))
	b.expectAccepted()
	b.Expect(b.scaler("push").Spec.MaxReplicas).To(Equal(int32(4)))
	b.scale("push", 3)

	unchanged := func() {
		t.Helper()
		b.expectRefused("hostNetwork")
		b.Expect(b.scaler("push").Spec.MaxReplicas).To(Equal(int32(4)))
		b.Expect(b.replicas("push")).To(Equal(int32(3)))
	}
	choose(ptr.To[int32](2), `{"spec":{"hostNetwork":true}}`)
	unchanged()
	b.Expect(b.c.Delete(t.Context(), b.scaler("push"))).To(Succeed())
	unchanged()
	b.restart()
	unchanged()

	choose(ptr.To[int32](2), `{}`)
	b.expectAccepted()
	b.Expect(b.replicas("push")).To(Equal(int32(2)))
	b.Expect(b.get(benchStack+"-push", &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
}

// While a Secret is missing or a setting is refused, nothing is deleted: an autoscaler that the spec dropped keeps the number meanwhile.
func TestAnAutoscalerThatIsToGoKeepsTheNumberUntilItGoes(t *testing.T) {
	b := newBench(t, func(s *v1alpha1.OpenIMStack) { autoscaled(scaledTo("push", 4))(&s.Spec) })
	b.scale("push", 3)
	var lost corev1.Secret
	b.Expect(b.get("redis-wrapper", &lost)).To(Succeed())
	b.Expect(b.c.Delete(t.Context(), &lost)).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Pods, s.Spec.Processes = nil, &v1alpha1.Processes{Push: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](1)}}
	})
	for range 2 {
		b.Expect(b.reconcile()).To(Succeed())
		b.Expect(b.scaler("push").Spec.MaxReplicas).To(Equal(int32(4)))
		b.Expect(b.replicas("push")).To(Equal(int32(3)))
	}
	b.restart()
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(b.replicas("push")).To(Equal(int32(3)))

	b.restore(&lost)
	b.expectAccepted()
	b.expectResolved()
	b.Expect(b.replicas("push")).To(Equal(int32(1)))
	b.Expect(b.get(benchStack+"-push", &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
}
