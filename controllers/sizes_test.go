package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

var _ = Describe("Requests and limits", func() {
	It("beyond the defaults are accepted by the API server, for processes and the wrapper's roles", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		list := func(name, value string) map[string]resource.Quantity {
			return map[string]resource.Quantity{name: resource.MustParse(value)}
		}
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Processes = &v1alpha1.Processes{
				API:      &v1alpha1.ProcessSpec{Resources: &v1alpha1.Resources{Requests: list("memory", "2Gi")}},
				Push:     &v1alpha1.ProcessSpec{Resources: &v1alpha1.Resources{Limits: list("memory", "64Mi")}},
				CronTask: &v1alpha1.SingletonSpec{Resources: &v1alpha1.Resources{Limits: list("memory", "0")}},
			}
			s.Wrapper.Backend = &v1alpha1.ProcessSpec{Resources: &v1alpha1.Resources{Limits: list("cpu", "10m")}}
		})
		w.eventuallyReady("chat")
		of := func(name string) corev1.ResourceRequirements {
			var d appsv1.Deployment
			Expect(w.get(name, &d)).To(Succeed())
			return d.Spec.Template.Spec.Containers[0].Resources
		}
		Expect(of("chat-api").Limits).NotTo(HaveKey(corev1.ResourceMemory))
		Expect(of("chat-crontask").Limits).NotTo(HaveKey(corev1.ResourceMemory))
		push, backend := of("chat-push").Requests, of("chat-backend").Requests
		Expect(push.Memory().String()).To(Equal("64Mi"))
		Expect(backend.Cpu().String()).To(Equal("10m"))
	})

	It("that contradict each other are named, and nothing else changes until they are put right", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat")
		w.eventuallyReady("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Processes = &v1alpha1.Processes{RPC: &v1alpha1.RPCProcesses{User: &v1alpha1.ProcessSpec{Resources: &v1alpha1.Resources{
				Requests: map[string]resource.Quantity{"memory": resource.MustParse("2Gi")},
				Limits:   map[string]resource.Quantity{"memory": resource.MustParse("1Gi")},
			}}}}
		})
		message := w.says("chat", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec)
		Expect(message).To(And(ContainSubstring("spec.processes.rpc.user.resources"), ContainSubstring("memory")))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(HaveValue(HaveField("Reason", v1alpha1.ReasonInvalidSpec)))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Processes.RPC.User.Resources.Limits = map[string]resource.Quantity{"memory": resource.MustParse("0")}
		})
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Processes = nil })
		w.eventuallyReady("chat")
	})
})
