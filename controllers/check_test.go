package controllers_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// hot returns the hot.yaml of the gateway of a stack.
func (w testEnv) hot(stack string) string {
	GinkgoHelper()
	var config corev1.ConfigMap
	Expect(w.get(stack+"-gateway-hot", &config)).To(Succeed())
	return config.Data["hot.yaml"]
}

// ruled returns a change that sets one rule.
func ruled(expression string) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Policy = &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{Name: "phones", Expression: expression, Message: "no"}}}
	}
}

var _ = Describe("A stack with settings that its gateway refuses", func() {
	It("reports which rule is refused and why, keeps the last accepted rules, and accepts the corrected rule", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn, ruled("identity.platformID != 5"))
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionSettingsAccepted).Status).To(Equal(metav1.ConditionTrue))
		before := w.hot("chat")
		pods := w.podsOf("chat", v1alpha1.ComponentGateway)

		w.change("chat", ruled("identity.platformID != 5 || nobody"))
		message := w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		Expect(message).To(ContainSubstring(`spec.wrapper.policy.rules[0] "phones": expression, line 1, column 29: undeclared reference to 'nobody'`))
		for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
			Expect(w.condition("chat", kind).Reason).To(Equal(v1alpha1.ReasonSettingRefused))
		}
		Expect(w.condition("chat", v1alpha1.ConditionDependenciesReady).Status).To(Equal(metav1.ConditionTrue))
		Expect(w.hot("chat")).To(Equal(before))
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace,
			Name: "chat-default-deny"}})).To(Succeed())
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed(),
			"what is there is repaired")

		w.change("chat", ruled("identity.platformID != 4"))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		Eventually(func() string { return w.hot("chat") }).Should(ContainSubstring("!= 4"))
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		Expect(w.podsOf("chat", v1alpha1.ComponentGateway)).To(ConsistOf(pods), "nothing was restarted")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Limits = &v1alpha1.Limits{Classes: []v1alpha1.LimitClass{{Name: "read", PerSecond: resource.MustParse("1M"), Burst: 9,
				By: []v1alpha1.LimitKey{v1alpha1.LimitByUser}}}}
		})
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)).
			To(ContainSubstring("spec.wrapper.limits.classes.read.perSecond: write 0.0001 to 100000"))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Limits = nil })
		w.eventuallyReady("chat")
	})

	It("never starts with a rule that does not compile", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		stack := w.stack("chat")
		ruled("1 +")(&stack.Spec)
		w.create(stack)
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonSettingRefused)
		Expect(w.deployments("chat")).To(BeEmpty())
		w.change("chat", ruled("true"))
		w.eventuallyReady("chat")
	})
})

var _ = Describe("A gateway's certificate", func() {
	It("is refused with a key that does not match, causes a warning when it is expired, and is accepted when it is renewed",
		func(ctx context.Context) {
			w := newTestEnv(context.WithoutCancel(ctx))
			startOperator()
			good, goodKey := certified(time.Now().Add(90 * 24 * time.Hour))
			over, overKey := certified(time.Now().Add(-time.Hour))
			w.create(&corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Name: "tls", Namespace: w.namespace}, Type: corev1.SecretTypeTLS,
				Data: map[string][]byte{"tls.crt": good, "tls.key": goodKey},
			})
			replace := func(certificate, key []byte) {
				GinkgoHelper()
				var secret corev1.Secret
				Expect(w.get("tls", &secret)).To(Succeed())
				secret.Data = map[string][]byte{"tls.crt": certificate, "tls.key": key}
				Expect(k8s.Update(w.ctx, &secret)).To(Succeed())
			}
			w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
				s.Wrapper.Gateway = &v1alpha1.GatewaySpec{TLS: &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: "tls"}}}
			})
			w.eventuallyReady("chat")
			replace(good, overKey)
			Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)).
				To(ContainSubstring(`spec.wrapper.gateway.tls.secretRef: tls.crt and tls.key of Secret "tls" do not match`))
			Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil())
			Expect(w.deployments("chat")).To(HaveLen(14))
			replace(over, overKey)
			Expect(w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue,
				v1alpha1.ReasonCertificateNotValid)).To(ContainSubstring("renew it"))
			replace(good, goodKey)
			w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionTrue, v1alpha1.ReasonResolved)
			w.eventuallyReady("chat")
		})
})

// certified returns a certificate and its key in PEM, valid since yesterday.
func certified(until time.Time) (certificate, key []byte) {
	GinkgoHelper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		DNSNames: []string{"im.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	Expect(err).NotTo(HaveOccurred())
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	Expect(err).NotTo(HaveOccurred())
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

var _ = Describe("The key by which clients recognise the gateway", func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
	})

	login := func() *corev1.Secret {
		GinkgoHelper()
		var secret corev1.Secret
		Expect(w.get("chat-login", &secret)).To(Succeed())
		return &secret
	}
	known := func() string {
		GinkgoHelper()
		keys := w.getStack("chat").Status.LoginKeys
		Expect(keys).To(HaveLen(1))
		Expect(keys[0]).To(MatchRegexp("^sha256:[0-9a-f]{64}$"))
		return keys[0]
	}
	restored := func(from *corev1.Secret) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: from.Name, Namespace: from.Namespace}, Data: from.Data}
	}
	request := func(at string) {
		GinkgoHelper()
		patch := client.RawPatch(types.MergePatchType,
			[]byte(`{"metadata":{"annotations":{"`+v1alpha1.AnnotationRegenerateLogin+`":"`+at+`"}}}`))
		Expect(k8s.Patch(w.ctx, &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat"}}, patch)).To(Succeed())
	}

	It("is never generated again without a request: the condition reports its loss until the key is restored", func() {
		secret, fingerprint := login(), known()
		Expect(k8s.Delete(w.ctx, secret)).To(Succeed())
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonGeneratedSecretLost)).To(And(ContainSubstring(fingerprint),
			ContainSubstring("restore it from a backup")))
		Expect(w.condition("chat", v1alpha1.ConditionStalled).Reason).To(Equal(v1alpha1.ReasonGeneratedSecretLost))
		Consistently(func() bool { return apierrors.IsNotFound(w.get("chat-login", &corev1.Secret{})) }, "2s").Should(BeTrue())
		Expect(known()).To(Equal(fingerprint))
		Expect(w.deployments("chat")).To(HaveLen(14))

		w.create(restored(secret))
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
	})

	It("is generated again once when the user accepts another", func() {
		fingerprint := known()
		Expect(k8s.Delete(w.ctx, login())).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonGeneratedSecretLost)
		request(time.Now().UTC().Format(time.RFC3339))
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.eventuallyReady("chat")
		second := known()
		Expect(second).NotTo(Equal(fingerprint))
		Expect(k8s.Delete(w.ctx, login())).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonGeneratedSecretLost) // the annotation is used up
	})

	It("is not replaced by another key until the spec names that key", func() {
		secret := login()
		Expect(k8s.Delete(w.ctx, secret)).To(Succeed())
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonGeneratedSecretLost)
		other := restored(secret)
		other.Data = map[string][]byte{"key": []byte("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI")}
		w.create(other)
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonLoginKeyChanged)
		const itsFingerprint = "sha256:cfa570c653bd212b10a9cb551fd7a1b4789855ee17e99ef2b3a2037feb337a08"
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Auth.Users.ServerKeyFingerprint = itsFingerprint })
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		Expect(known()).To(Equal(itsFingerprint))
		w.eventuallyReady("chat")
	})

	It("outlives the stack, and a new stack of the same name uses it", func() {
		fingerprint := known()
		Expect(k8s.Delete(w.ctx, ptrTo(w.getStack("chat")))).To(Succeed())
		Eventually(func() bool { return apierrors.IsNotFound(w.get("chat-custody", &corev1.Secret{})) }).Should(BeTrue(), "what is owned goes")
		Expect(login().OwnerReferences).To(BeEmpty())
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
		Expect(known()).To(Equal(fingerprint))
	})
})
