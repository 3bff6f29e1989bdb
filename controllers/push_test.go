package controllers_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	vendor      = "192.0.2.0/24"
	otherVendor = "198.51.100.0/24"
)

func vendorAt(block v1alpha1.CIDR) []v1alpha1.Peer {
	return []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: block}}}
}

func pushByJPush(s *v1alpha1.OpenIMStackSpec) {
	s.Push = &v1alpha1.Push{JPush: &v1alpha1.JPush{CredentialsRef: v1alpha1.LocalReference{Name: "jpush"}}, Peers: vendorAt(vendor)}
}

func pushByFCM(s *v1alpha1.OpenIMStackSpec) {
	account := v1alpha1.KeyReference{Name: "fcm", Key: "account.json"}
	s.Push = &v1alpha1.Push{FCM: &v1alpha1.FCM{CredentialsRef: account}, Peers: vendorAt(vendor)}
}

// vendorSecret creates or replaces the Secret of a vendor.
func (w testEnv) vendorSecret(name string, data map[string]string) {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}, StringData: data}
	if err := w.get(name, &corev1.Secret{}); err != nil {
		w.create(secret)
		return
	}
	Expect(k8s.Update(w.ctx, secret)).To(Succeed())
}

func googleAccount(project string) map[string]string {
	GinkgoHelper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	Expect(err).NotTo(HaveOccurred())
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": project, "client_email": "push@example.iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	Expect(err).NotTo(HaveOccurred())
	return map[string]string{"account.json": string(text)}
}

// blocks returns the blocks that the egress policies of components permit, by component.
func (w testEnv) blocks() map[string][]string {
	GinkgoHelper()
	var list networkingv1.NetworkPolicyList
	Expect(k8s.List(w.ctx, &list)).To(Succeed())
	found := map[string][]string{}
	for _, p := range list.Items {
		for _, rule := range p.Spec.Egress {
			for _, peer := range rule.To {
				if peer.IPBlock != nil && p.Namespace == w.namespace {
					Expect(rule.Ports[0].Port.IntVal).To(Equal(int32(443)))
					found[p.Labels[v1alpha1.LabelComponent]] = append(found[p.Labels[v1alpha1.LabelComponent]], peer.IPBlock.CIDR)
				}
			}
		}
	}
	return found
}

// rolled waits for the end of a rollout and reports the Deployments with another template than before.
func (w testEnv) rolled(before map[string]int) (names []string) {
	GinkgoHelper()
	w.rolledOut("chat")
	for name, count := range w.templates() {
		if count != before[name] {
			names = append(names, name)
		}
	}
	return names
}

func (w testEnv) pushPod() corev1.PodSpec {
	GinkgoHelper()
	var d appsv1.Deployment
	Expect(w.get("chat-push", &d)).To(Succeed())
	return d.Spec.Template.Spec
}

var _ = Describe("Offline push", func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var w testEnv

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		w.vendorSecret("jpush", map[string]string{"appKey": "example", "masterSecret": "hunter2"})
		w.vendorSecret("fcm", googleAccount("example"))
		startOperator()
	})

	It("lets push alone reach the vendor, and a new key of the vendor restarts push alone", func() {
		w.start("chat")
		w.rolledOut("chat")
		Expect(w.blocks()).To(BeEmpty())
		before := w.templates()
		w.change("chat", pushByJPush)
		Expect(w.rolled(before)).To(ConsistOf("chat-push"))
		Expect(w.blocks()).To(Equal(map[string][]string{"push": {vendor}}))
		Expect(w.configOf("chat", "push")["openim-push.yml"]).To(And(ContainSubstring("enable: jpush\n"), Not(ContainSubstring("hunter2"))))

		before = w.templates()
		w.vendorSecret("jpush", map[string]string{"appKey": "example", "masterSecret": "hunter3"})
		Eventually(func() int { return w.templates()["chat-push"] }).Should(Equal(before["chat-push"] + 1))
		Expect(w.rolled(before)).To(ConsistOf("chat-push"))

		before = w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Push.Peers = vendorAt(otherVendor) })
		Eventually(w.blocks).Should(Equal(map[string][]string{"push": {otherVendor}}))
		Expect(w.rolled(before)).To(BeEmpty(), "a vendor that moves restarts nothing")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Push = nil })
		Expect(w.rolled(before)).To(ConsistOf("chat-push"))
		Eventually(w.blocks).Should(BeEmpty(), "the way out is closed when no pod uses it")
		Expect(w.configOf("chat", "push")["openim-push.yml"]).To(ContainSubstring("enable: \"\"\n"))
	})

	It("mounts FCM's file for push alone, and a file that is none stops nothing that runs", func() {
		w.start("chat", pushByFCM)
		w.rolledOut("chat")
		pod := w.pushPod()
		Expect(pod.Volumes).To(ContainElement(HaveField("VolumeSource.Secret", HaveValue(And(HaveField("SecretName", "fcm"),
			HaveField("Items", ConsistOf(corev1.KeyToPath{Key: "account.json", Path: "service-account.json"})))))))
		mounted := ContainElement(And(HaveField("MountPath", "/etc/openim-secrets/fcm"), HaveField("ReadOnly", true)))
		Expect(pod.Containers[0].VolumeMounts).To(mounted)
		for _, c := range pod.InitContainers {
			Expect(c.VolumeMounts).NotTo(mounted, "the check of the stores needs no vendor")
		}
		Expect(w.blocks()).To(Equal(map[string][]string{"push": {vendor}}))

		before := w.templates()
		w.vendorSecret("fcm", map[string]string{"account.json": `{"type": "hunter2"}`})
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonSecretInvalid)).To(And(
			ContainSubstring(`spec.push.fcm.credentialsRef: key "account.json" of Secret "fcm"`), ContainSubstring("create a new key"),
			Not(ContainSubstring("hunter2"))))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Settings = &v1alpha1.Settings{Friendship: v1alpha1.FriendshipRequired}
		})
		Eventually(func() int { w.beReady(); return w.templates()["chat-rpc-msg"] }).Should(Equal(before["chat-rpc-msg"]+1), "the others go on")
		Expect(w.templates()["chat-push"]).To(Equal(before["chat-push"]))
		Expect(w.blocks()).To(Equal(map[string][]string{"push": {vendor}}), "the pods that run still reach the vendor")

		w.vendorSecret("fcm", googleAccount("another"))
		w.says("chat", refs, metav1.ConditionTrue, v1alpha1.ReasonResolved)
		w.rolledOut("chat")
		Expect(w.templates()["chat-push"]).To(Equal(before["chat-push"] + 1))
		w.eventuallyReady("chat")
	})

	It("opens nothing without peers, names the ways, and each of them works", func() {
		w.start("chat")
		w.rolledOut("chat")
		before := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { pushByJPush(s); s.Push.Peers = nil })
		Expect(w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonPeersNeeded)).To(And(
			ContainSubstring(`spec.push.peers: a NetworkPolicy cannot name the host "api.jpush.cn"`), ContainSubstring("push.peers"),
			ContainSubstring("network.extraEgress that names push")))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(HaveValue(HaveField("Reason", v1alpha1.ReasonPeersNeeded)))
		Expect(w.blocks()).To(BeEmpty())
		Expect(w.templates()).To(Equal(before))

		extra := func(component v1alpha1.ComponentName) func(*v1alpha1.OpenIMStackSpec) {
			return func(s *v1alpha1.OpenIMStackSpec) {
				s.Network = &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
					Name: "vendor", Components: []v1alpha1.ComponentName{component}, Peers: vendorAt(vendor),
					Ports: []v1alpha1.EgressPort{{Port: 443}}, Reason: "notifications to phones",
				}}}
			}
		}
		w.change("chat", extra("rpc-msg"))
		Eventually(w.blocks).Should(Equal(map[string][]string{"rpc-msg": {vendor}}))
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonPeersNeeded)
		w.change("chat", extra("push"))
		Expect(w.rolled(before)).To(ConsistOf("chat-push"))
		Eventually(w.blocks).Should(Equal(map[string][]string{"push": {vendor}}))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Network, s.Push.Peers = nil, vendorAt(otherVendor) })
		Eventually(w.blocks).Should(Equal(map[string][]string{"push": {otherVendor}}))
		w.eventuallyReady("chat")
	})

	It("that is wrong from the beginning starts when it is corrected", func() {
		stack := w.stack("chat")
		pushByJPush(&stack.Spec)
		stack.Spec.Push.JPush.CredentialsRef.Name = "gone"
		w.create(stack)
		w.says("chat", refs, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)
		Expect(w.get("chat-push", &appsv1.Deployment{})).NotTo(Succeed())
		w.vendorSecret("gone", map[string]string{"appKey": "example", "masterSecret": "example"})
		w.rolledOut("chat")
		Expect(w.blocks()).To(Equal(map[string][]string{"push": {vendor}}))
	})
})
