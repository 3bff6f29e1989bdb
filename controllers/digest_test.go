package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// See docs/decisions/0050-a-lost-digest-key-is-one-rollout.md.
var _ = Describe("The key of the credentials' hashes", func() {
	It("that is lost costs one rollout of all readers of credentials, wave by wave, and nothing else", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn)
		w.rolledOut("chat")
		templates, keys := w.templates(), w.getStack("chat").Status.LoginKeys
		readers := map[string]bool{}
		for _, d := range w.deployments("chat") {
			readers[d.Name] = d.Spec.Template.Annotations[v1alpha1.AnnotationCredentials] != ""
		}
		var lost corev1.Secret
		Expect(w.get("chat-digest", &lost)).To(Succeed())
		Expect(k8s.Delete(w.ctx, &lost)).To(Succeed())

		Eventually(func(g Gomega) { // the first wave starts, and no later one before its pods are ready
			g.Expect(w.templates()["chat-rpc-msg"]).To(Equal(templates["chat-rpc-msg"] + 1))
		}).Should(Succeed())
		for _, later := range []string{"chat-msgtransfer", "chat-push", "chat-msggateway", "chat-backend", "chat-gateway"} {
			Expect(w.templates()[later]).To(Equal(templates[later]), later)
		}
		w.rolledOut("chat")
		for name, count := range w.templates() {
			if readers[name] {
				Expect(count).To(Equal(templates[name]+1), "%s restarts once", name)
			} else {
				Expect(count).To(Equal(templates[name]), "%s reads no credentials", name)
			}
		}
		var made corev1.Secret
		Expect(w.get("chat-digest", &made)).To(Succeed())
		Expect(made.Data).NotTo(Equal(lost.Data))
		Expect(w.events()).To(ContainElement(ContainSubstring("SecretRegenerated: Secret chat-digest was lost")))
		Expect(w.getStack("chat").Status.LoginKeys).To(Equal(keys))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())

		// The new key tells what changed, as the earlier one did.
		templates = w.templates()
		var redis corev1.Secret
		w.editObject("redis", &redis, "test", func() { redis.Data["password"] = []byte("another") })
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		Expect(w.templates()["chat-api"]).To(Equal(templates["chat-api"]))
		Expect(w.templates()["chat-rpc-msg"]).To(Equal(templates["chat-rpc-msg"] + 1))
	})

	It("comes back from a backup before the operator notices that it is lost, and nothing restarts", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		o := startOperator()
		w.start("chat")
		w.rolledOut("chat")
		templates := w.templates()
		o.stop()
		var lost corev1.Secret
		Expect(w.get("chat-digest", &lost)).To(Succeed())
		Expect(k8s.Delete(w.ctx, &lost)).To(Succeed())
		w.create(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: lost.Name, Labels: lost.Labels}, Data: lost.Data, Immutable: lost.Immutable,
		})
		again := startOperator()
		w.touch("chat")
		again.waitIdle("1s", w.namespace)
		w.rolledOut("chat")
		Expect(w.templates()).To(Equal(templates))
	})
})
