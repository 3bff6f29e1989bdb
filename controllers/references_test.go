package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/controllers"
)

// References are resolved once, and again when anything changes that they were resolved from.
var _ = Describe("The references of a stack", func() {
	var w testEnv
	var o *operator
	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator(func(r *controllers.Reconciler) { r.RememberReferences(time.Hour) })
		w.start("chat")
		w.eventuallyReady("chat")
		o.waitIdle("1s", w.namespace)
	})

	It("are not read again while a child is repaired", func() {
		before := o.secretReads.Load()
		Expect(before).To(BeNumerically(">", 0))
		Expect(k8s.Delete(w.ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-api"}})).To(Succeed())
		Eventually(func() error { return w.get("chat-api", &corev1.Service{}) }).Should(Succeed())
		o.waitIdle("1s", w.namespace)
		Expect(o.secretReads.Load()).To(Equal(before))
	})

	It("follow a Service whose port changes, although its endpoints do not", func() {
		var redis corev1.Service
		Expect(w.get("redis", &redis)).To(Succeed())
		redis.Spec.Ports[0].TargetPort = intstr.FromInt32(16379)
		Expect(k8s.Update(w.ctx, &redis)).To(Succeed())
		Eventually(func(g Gomega) {
			var policy networkingv1.NetworkPolicy
			g.Expect(w.get("chat-rpc-auth-egress", &policy)).To(Succeed())
			var ports []int
			for _, rule := range policy.Spec.Egress {
				for _, p := range rule.Ports {
					ports = append(ports, p.Port.IntValue())
				}
			}
			g.Expect(ports).To(ContainElement(16379))
		}).Should(Succeed())
	})

	It("are read again when a Secret is made anew with the same value", func() {
		before := o.secretReads.Load()
		Expect(k8s.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "redis"}})).To(Succeed())
		w.secret("redis", "password", "example")
		Eventually(o.secretReads.Load).Should(BeNumerically(">", before))
		w.eventuallyReady("chat")
	})
})
