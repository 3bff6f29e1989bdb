package controllers_test

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// See docs/decisions/0086-a-lost-digest-key-restarts-nothing.md.
var _ = Describe("The key of the credentials' hashes", func() {
	// lose deletes the key, and returns it as it was.
	lose := func(w testEnv) corev1.Secret {
		GinkgoHelper()
		var lost corev1.Secret
		Expect(w.get("chat-digest", &lost)).To(Succeed())
		Expect(k8s.Delete(w.ctx, &lost)).To(Succeed())
		return lost
	}

	It("that is lost restarts nothing, and what changes later restarts its readers", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		o := startOperator()
		w.start("chat", letUsersIn)
		w.rolledOut("chat")
		var redis corev1.Secret
		w.editObject("redis", &redis, "test", func() { redis.Labels = map[string]string{"touched": "true"} }) // another version, the same content
		o.waitIdle("1s", w.namespace)
		templates, keys := w.templates(), w.getStack("chat").Status.LoginKeys
		lost := lose(w)

		var made corev1.Secret
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-digest", &made)).To(Succeed())
			g.Expect(made.Data).NotTo(Equal(lost.Data))
		}).Should(Succeed())
		o.waitIdle("1s", w.namespace)
		w.rolledOut("chat")
		Expect(w.templates()).To(Equal(templates))
		Expect(w.events()).To(ContainElement(ContainSubstring("SecretRegenerated: Secret chat-digest was lost")))
		Expect(w.getStack("chat").Status.LoginKeys).To(Equal(keys))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())

		// A change restarts its readers, also of another operator, and nothing else.
		o.stop()
		w.editObject("redis", &redis, "test", func() { redis.Data["password"] = []byte("another") })
		startOperator()
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		after := w.templates()
		for _, name := range []string{"chat-api", "chat-crontask", "chat-backend", "chat-gateway"} {
			Expect(after[name]).To(Equal(templates[name]), name)
		}
		Expect(after["chat-rpc-msg"]).To(Equal(templates["chat-rpc-msg"] + 1))
	})

	It("that is lost while the operator is away hides no Secret that changed meanwhile", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		o := startOperator()
		w.start("chat")
		w.rolledOut("chat")
		templates := w.templates()
		o.stop()
		lose(w)
		var redis corev1.Secret
		w.editObject("redis", &redis, "test", func() { redis.Data["password"] = []byte("another") })
		o = startOperator()
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		o.waitIdle("1s", w.namespace)
		after := w.templates()
		Expect(after["chat-rpc-msg"]).To(Equal(templates["chat-rpc-msg"]+1), "it reads what changed")
		Expect(after["chat-api"]).To(Equal(templates["chat-api"]), "it reads nothing that changed")
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
