package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// replaceKey replaces the value of a Secret's key.
func (w testEnv) replaceKey(name, key, value string) {
	GinkgoHelper()
	var secret corev1.Secret
	Expect(w.get(name, &secret)).To(Succeed())
	secret.Data[key] = []byte(value)
	Expect(k8s.Update(w.ctx, &secret)).To(Succeed())
}

// restarted expects that the pods of exactly these components have been replaced since templates was read, once each.
func (w testEnv) restarted(templates map[string]int, components ...string) {
	GinkgoHelper()
	names := map[string]bool{}
	for _, c := range components {
		names["chat-"+c] = true
	}
	for name, count := range w.templates() {
		want := templates[name]
		if names[name] {
			want++
		}
		Expect(count).To(Equal(want), name)
	}
}

var _ = Describe("TLS of a store", func() {
	var w testEnv
	const field = "spec.dependencies."
	usersOfMongoDB := []string{"msgtransfer", "rpc-conversation", "rpc-friend", "rpc-group", "rpc-msg", "rpc-third", "rpc-user"}

	usersOfKafka := []string{"msgtransfer", "push", "rpc-msg"}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
	})

	It("is refused with what is wrong, changes nothing then, and restarts its readers alone", func() {
		authority := certtest.New(GinkgoTB())
		w.start("chat", letUsersIn)
		w.rolledOut("chat")
		templates := w.templates()

		w.secret("authority", "ca.crt", "no certificate")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{CASecretRef: &v1alpha1.KeyReference{Name: "authority", Key: "ca.crt"}}
		})
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)).
			To(ContainSubstring(field + `mongodb.tls.caSecretRef: key "ca.crt" of Secret "authority" holds no certificate`))
		Expect(w.templates()).To(Equal(templates))

		w.replaceKey("authority", "ca.crt", string(authority.PEM))
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		w.restarted(templates, append(usersOfMongoDB, "backend")...)

		templates = w.templates()
		w.replaceKey("authority", "ca.crt", string(certtest.New(GinkgoTB()).PEM))
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		w.restarted(templates, append(usersOfMongoDB, "backend")...)

		By("an option that has a field of its own")
		templates = w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.MongoDB.Options = map[string]v1alpha1.OptionValue{"tlsInsecure": "true"}
		})
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonInvalidSpec)).
			To(ContainSubstring("tlsInsecure has a field of its own"))
		Consistently(w.templates, time.Second).Should(Equal(templates))
		By("Kafka")
		pair := authority.Issue(time.Hour)
		w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "client", Namespace: w.namespace},
			Data: map[string][]byte{"tls.crt": pair.Certificate, "tls.key": pair.Key}})
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.MongoDB.Options = nil
			s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{
				Verification:      v1alpha1.TLSVerificationNone,
				ClientCertificate: &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: "client"}},
			}
		})
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		w.restarted(templates, append(usersOfKafka, "rpc-user")...) // which reads the file, and uses no Kafka
		Eventually(func() []string { return ptr.Deref(w.status("chat").Boundary, v1alpha1.Boundary{}).Exceptions }).
			Should(ContainElement(HavePrefix("UnverifiedTLS: the pods that use it accept every certificate of Kafka")))
		templates = w.templates()
		other := authority.Issue(time.Hour)
		w.replaceKey("client", "tls.key", string(other.Key)) // of another certificate
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)).
			To(ContainSubstring(field + `kafka.tls.clientCertificate: Secret "client" does not hold a certificate and its private key`))
		Consistently(w.templates, time.Second).Should(Equal(templates))
		w.replaceKey("client", "tls.crt", string(other.Certificate))
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat")
		w.restarted(templates, usersOfKafka...)

		By("authorities of a company")
		templates = w.templates()
		bundle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "company-ca", Namespace: w.namespace},
			Data: map[string]string{"ca.crt": string(authority.PEM) + string(pair.Key)}}
		w.create(bundle)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods = &v1alpha1.Pods{Trust: &v1alpha1.ConfigMapKeyReference{Name: "company-ca", Key: "ca.crt"}}
			s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{}
		})
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonConfigMapInvalid)).
			To(ContainSubstring(`spec.pods.trust: key "ca.crt" of ConfigMap "company-ca" holds a private key`))
		trusted := func(text string) {
			Expect(w.get("company-ca", bundle)).To(Succeed())
			bundle.Data["ca.crt"] = text
			Expect(k8s.Update(w.ctx, bundle)).To(Succeed())
		}
		trusted(string(authority.PEM))
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Eventually(w.templates).ShouldNot(Equal(templates))
		w.rolledOut("chat") // by waves: msgtransfer's has the pods of an earlier one ready
		Expect(w.templates()["chat-msgtransfer"]).To(BeNumerically(">", templates["chat-msgtransfer"]))
		templates = w.templates()
		trusted(string(certtest.New(GinkgoTB()).PEM) + string(authority.PEM))
		Eventually(w.templates).ShouldNot(Equal(templates), "the ConfigMap is watched")
		w.rolledOut("chat")
		w.restarted(templates, usersOfKafka...)
		templates = w.templates()
		Expect(k8s.Delete(w.ctx, bundle)).To(Succeed())
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonConfigMapNotFound)
		Consistently(w.templates, time.Second).Should(Equal(templates))
		bundle.ResourceVersion, bundle.UID = "", ""
		w.create(bundle)
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Consistently(w.templates, time.Second).Should(Equal(templates), "the same authorities")

		By("what no release of OpenIM can do")
		templates = w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Redis.Mode = v1alpha1.RedisSentinel
		})
		Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonUnsupportedByRelease)).
			To(ContainSubstring("spec.dependencies.redis.mode: OpenIM v3.8.3 does not speak to Redis Sentinel"))
		Consistently(w.templates, time.Second).Should(Equal(templates))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Redis.Mode = "" })
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
	})
})
