package controllers_test

import (
	"context"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// shareSecrets returns the Secrets with a share.secret that rpc-auth and the backend have, and rpc-auth's strategy.
func (w testEnv) shareSecrets() (auth string, backend []string, strategy appsv1.DeploymentStrategyType) {
	GinkgoHelper()
	var a, b appsv1.Deployment
	Expect(w.get("chat-rpc-auth", &a)).To(Succeed())
	Expect(w.get("chat-backend", &b)).To(Succeed())
	for _, volume := range b.Spec.Template.Spec.Volumes {
		if volume.Secret != nil && slices.Contains([]string{"share", "previous-share"}, volume.Name) {
			backend = append(backend, volume.Secret.SecretName)
		}
	}
	return manifests.ShareSecretOf(&a.Spec.Template.Spec), backend, a.Spec.Strategy.Type
}

var _ = Describe("The share.secret", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
		w.start("chat")
		w.rolledOut("chat")
	})

	// replaced acts as the kubelet until rpc-auth has one Secret and the backend no other. Meanwhile the backend always has the Secret that
	// rpc-auth has, and no pod of rpc-auth runs beside one with another.
	replaced := func(to string) (steps []string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			auth, backend, strategy := w.shareSecrets()
			Expect(backend).To(ContainElement(auth), "the backend would be refused")
			step := auth
			for _, name := range backend {
				step += " " + name
			}
			if len(steps) > 0 && !strings.HasPrefix(steps[len(steps)-1], auth+" ") {
				Expect(strategy).To(Equal(appsv1.RecreateDeploymentStrategyType), "two values at a time")
			}
			if len(steps) == 0 || steps[len(steps)-1] != step {
				steps = append(steps, step)
			}
			w.beReady()
			g.Expect(step).To(Equal(to + " " + to))
			s := w.getStack("chat")
			g.Expect(s.Status.Rollout).To(BeNil())
			g.Expect(apimeta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady)).To(BeTrue())
		}).Should(Succeed())
		w.rolledOut("chat")
		return steps
	}

	It("is replaced in steps on request, once for each request, and the last value is listed as unused", func() {
		gateways := w.replicaSets()["chat-gateway"]
		w.annotate("chat", v1alpha1.AnnotationRotateShareSecret, "soon")
		w.touch("chat")
		o.waitIdle("1s", w.namespace)
		Expect(w.status("chat").Requests).To(BeNil(), "the value is no time")

		asked := time.Now().Add(time.Second).Format(time.RFC3339)
		w.annotate("chat", v1alpha1.AnnotationRotateShareSecret, asked)
		const first, second, third = "chat-share-secret", "chat-share-secret-2", "chat-share-secret-3"
		steps := replaced(second)
		Expect(steps).To(ContainElements(first+" "+second+" "+first, second+" "+second+" "+first, second+" "+second))
		Expect(w.replicaSets()["chat-gateway"]).To(Equal(gateways), "the gateway has nothing to do with it")
		Expect(w.status("chat").Requests).To(HaveValue(HaveField("RotateShareSecret", asked)))
		Eventually(func() []string { return w.status("chat").UnusedSecrets }).Should(Equal([]string{first}))
		var one, two corev1.Secret
		Expect(w.get(first, &one)).To(Succeed())
		Expect(w.get(second, &two)).To(Succeed())
		Expect(two.Data["secret"]).NotTo(Equal(one.Data["secret"]))
		Expect(two.Immutable).To(HaveValue(BeTrue()))

		By("a restart of the operator, a lost status, and the deletion of the old value change nothing")
		before := w.replicaSets()
		o.stop()
		Expect(k8s.Delete(w.ctx, &one)).To(Succeed())
		s := w.getStack("chat")
		s.Status = v1alpha1.OpenIMStackStatus{}
		Expect(k8s.Status().Update(w.ctx, &s)).To(Succeed())
		o = startOperator()
		w.rolledOut("chat")
		Expect(w.replicaSets()).To(Equal(before))

		By("another request gets another value")
		w.annotate("chat", v1alpha1.AnnotationRotateShareSecret, time.Now().Add(time.Hour).Format(time.RFC3339))
		replaced(third)
		w.edit("chat", upgrade)
		w.rolledOut("chat")
		auth, _, strategy := w.shareSecrets()
		Expect(auth).To(Equal(third))
		Expect(strategy).To(Equal(appsv1.RollingUpdateDeploymentStrategyType), "an upgrade brings a new pod before an old one goes")
	})

	It("is replaced in steps by another Secret of the user, and back, also when the operator is killed meanwhile", func() {
		w.secret("own", "secret", "a value of the user's own with more than 32 characters")
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.SecretRef = &v1alpha1.LocalReference{Name: "own"} })
		Eventually(func() []string { _, backend, _ := w.shareSecrets(); return backend }).Should(HaveLen(2))
		o.stop()
		By("the status is lost in the first step")
		s := w.getStack("chat")
		s.Status = v1alpha1.OpenIMStackStatus{}
		Expect(k8s.Status().Update(w.ctx, &s)).To(Succeed())
		for range 6 {
			killed := startWith(operatorSetting{writes: 3})
			Eventually(func() bool {
				auth, backend, _ := w.shareSecrets()
				Expect(backend).To(ContainElement(auth))
				w.beReady()
				return killed.left.Load() == 0 || auth == "own" && len(backend) == 1
			}).Should(BeTrue())
			killed.stop()
		}
		o = startOperator()
		replaced("own")
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.SecretRef = nil })
		replaced("chat-share-secret")
	})

	It("is replaced at once when the old value is gone, or when everything changes at once", func() {
		w.secret("own", "secret", "a value of the user's own with more than 32 characters")
		w.edit("chat", func(s *v1alpha1.OpenIMStack) {
			s.Spec.SecretRef, s.Spec.Upgrade = &v1alpha1.LocalReference{Name: "own"}, &v1alpha1.Upgrade{Strategy: v1alpha1.UpgradeAllAtOnce}
		})
		Eventually(func(g Gomega) {
			auth, backend, _ := w.shareSecrets()
			g.Expect(append(backend, auth)).To(Equal([]string{"own", "own"}))
		}).Should(Succeed())
		w.rolledOut("chat")
		o.stop()
		Expect(k8s.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "own"}})).To(Succeed())
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.SecretRef, s.Spec.Upgrade = nil, ptr.To(v1alpha1.Upgrade{}) })
		startOperator()
		w.rolledOut("chat")
		auth, backend, _ := w.shareSecrets()
		Expect(append(backend, auth)).To(Equal([]string{"chat-share-secret", "chat-share-secret"}))
	})
})
