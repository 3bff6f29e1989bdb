package controllers_test

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// stores returns the label "app" of the peers that the egress policy of a component permits at Redis' port.
func (w testEnv) stores(component string) []string {
	GinkgoHelper()
	var p networkingv1.NetworkPolicy
	Expect(w.get("chat-"+component+"-egress", &p)).To(Succeed())
	var apps []string
	for _, rule := range p.Spec.Egress {
		if rule.Ports[0].Port.IntVal != 6379 {
			continue
		}
		for _, peer := range rule.To {
			apps = append(apps, peer.PodSelector.MatchLabels["app"])
		}
	}
	slices.Sort(apps)
	return apps
}

// seals returns the stack's revisions of places.
func (w testEnv) seals() []appsv1.ControllerRevision {
	GinkgoHelper()
	var list appsv1.ControllerRevisionList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelRevision: v1alpha1.RevisionSeal})).
		To(Succeed())
	return list.Items
}

var _ = Describe("The seal of a stack", func() {
	const refs = v1alpha1.ConditionDependenciesReady
	var (
		w testEnv
		o *operator
	)
	restart := func() {
		o.stop()
		o = startOperator()
	}
	remove := func(object client.Object, name string) {
		GinkgoHelper()
		object.SetName(name)
		object.SetNamespace(w.namespace)
		Expect(k8s.Delete(w.ctx, object)).To(Succeed())
	}
	redis := func(name string) func(*v1alpha1.OpenIMStackSpec) {
		return func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Redis.Addresses = []v1alpha1.Address{v1alpha1.Address(name + "." + w.namespace + ".svc:6379")}
		}
	}
	service := func(name, app string) *corev1.Service {
		return &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": app}, Ports: []corev1.ServicePort{{
				Port: 6379, TargetPort: intstr.FromInt32(6379),
			}}},
		}
	}
	// slice is what Kubernetes makes for a Service. Its events tell the operator that the Service changed; the suite runs no controller
	// for it.
	slice := func(service string) *discoveryv1.EndpointSlice {
		return &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{GenerateName: service + "-", Namespace: w.namespace,
				Labels: map[string]string{discoveryv1.LabelServiceName: service}},
			AddressType: discoveryv1.AddressTypeIPv4,
		}
	}
	// condition waits for the reason of DependenciesReady.
	reason := func(want string) {
		GinkgoHelper()
		Eventually(func() *metav1.Condition { return w.condition("chat", refs) }).Should(HaveField("Reason", want))
	}
	// inPlace expects that nothing claims missing policies.
	inPlace := func() {
		GinkgoHelper()
		Expect(w.condition("chat", v1alpha1.ConditionNetworkIsolated).Reason).NotTo(Equal(v1alpha1.ReasonPoliciesNotInPlace))
	}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	It("is repaired by an operator that started while a reference was broken", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		o.stop()
		remove(&corev1.Secret{}, "redis")
		o = startOperator()
		reason(v1alpha1.ReasonSecretNotFound)
		inPlace()
		for _, name := range []string{"chat-default-deny", "chat-rpc-auth-egress"} {
			remove(&networkingv1.NetworkPolicy{}, name)
			Eventually(func() error { return w.get(name, &networkingv1.NetworkPolicy{}) }, time.Second).Should(Succeed(), name)
		}
		// An audit of the moment between may still be reported, and the next one corrects it.
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionNetworkIsolated).Reason }).
			ShouldNot(Equal(v1alpha1.ReasonPoliciesNotInPlace))
		o.waitIdle("2s", w.namespace)
		inPlace()
		w.secret("redis", "password", "another")
		w.eventuallyReady("chat")
	})

	It("closes what the spec no longer opens while a reference is broken, and components without that reference follow the spec", func() {
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
			letUsersIn(s)
			s.Network = &v1alpha1.Network{
				Clients:    []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "a"}}}},
				Monitoring: []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "prometheus"}}}},
			}
		})
		w.eventuallyReady("chat")
		var before appsv1.Deployment
		Expect(w.get("chat-rpc-auth", &before)).To(Succeed())
		remove(&corev1.Secret{}, "redis")
		reason(v1alpha1.ReasonSecretNotFound)
		restart()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Network.Clients[0].PodSelector.MatchLabels["app"] = "b"
			s.Network.Monitoring = nil
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: v1alpha1.ProcessSpec{Replicas: ptr.To[int32](3)}}
			s.Processes = &v1alpha1.Processes{RPC: &v1alpha1.RPCProcesses{Auth: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](2)}}}
		})
		Eventually(w.openTo("chat-gateway-ingress", 8082)).Should(ConsistOf("b"))
		Eventually(func() bool {
			return apierrors.IsNotFound(w.get("chat-msgtransfer-ingress", &networkingv1.NetworkPolicy{}))
		}).
			Should(BeTrue(), "nothing but its metrics was open")
		replicas := func(name string) func() int32 {
			return func() int32 {
				var d appsv1.Deployment
				Expect(w.get(name, &d)).To(Succeed())
				return *d.Spec.Replicas
			}
		}
		Eventually(replicas("chat-gateway")).Should(Equal(int32(3)))
		Eventually(replicas("chat-rpc-auth")).Should(Equal(int32(2)), "replicas follow the spec")
		var now appsv1.Deployment
		Expect(w.get("chat-rpc-auth", &now)).To(Succeed())
		Expect(now.Spec.Template).To(Equal(before.Spec.Template), "its Secret is missing")
		Expect(w.deployments("chat")).To(HaveLen(14))
		w.secret("redis", "password", "another")
		w.eventuallyReady("chat")
	})

	It("lets old pods reach their Redis until the last of them is gone, also across a restart of the operator", func() {
		w.create(service("redis-b", "redis-b"))
		w.start("chat")
		w.eventuallyReady("chat")
		Expect(w.stores("rpc-auth")).To(Equal([]string{"redis"}))
		w.change("chat", redis("redis-b"))
		Eventually(func() []string { return w.stores("rpc-auth") }).Should(Equal([]string{"redis", "redis-b"}))
		restart()
		both := func() []string { return w.stores("rpc-auth") }
		Consistently(both, "3s").Should(Equal([]string{"redis", "redis-b"}))
		inPlace()
		w.eventuallyReady("chat")
		Eventually(both).Should(Equal([]string{"redis-b"}))
		Expect(w.seals()).To(HaveLen(1))
		restart()
		Consistently(both, "3s").Should(Equal([]string{"redis-b"}))
	})

	It("forgets a wrong address once the stack is back at the old one", func() {
		w.create(service("redis-b", "redis-b"))
		w.start("chat")
		w.eventuallyReady("chat")
		open := func() []string { return w.stores("rpc-auth") }
		w.change("chat", redis("redis-c")) // no such Service
		reason(v1alpha1.ReasonServiceNotFound)
		Expect(open()).To(Equal([]string{"redis"}))
		w.change("chat", redis("redis-b"))
		Eventually(open).Should(Equal([]string{"redis", "redis-b"}))
		w.change("chat", redis("redis"))
		reason(v1alpha1.ReasonResolved)
		Consistently(open, "1s").Should(ContainElement("redis"))
		w.eventuallyReady("chat")
		Eventually(open).Should(Equal([]string{"redis"}))
	})

	It("follows a store that moves while its Secret is missing", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		remove(&corev1.Secret{}, "redis")
		reason(v1alpha1.ReasonSecretNotFound)
		var moved corev1.Service
		Expect(w.get("redis", &moved)).To(Succeed())
		moved.Spec.Selector["app"] = "redis-b"
		Expect(k8s.Update(w.ctx, &moved)).To(Succeed())
		w.create(slice("redis"))
		Eventually(func() []string { return w.stores("rpc-auth") }).Should(Equal([]string{"redis-b"}))
		reason(v1alpha1.ReasonSecretNotFound)
		w.secret("redis", "password", "another")
		w.eventuallyReady("chat")
	})

	It("keeps the last known place of a store whose Service is gone, and follows the Service when it is back", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		old := slice("redis")
		w.create(old)
		remove(&corev1.Service{}, "redis")
		Expect(k8s.Delete(w.ctx, old)).To(Succeed())
		reason(v1alpha1.ReasonServiceNotFound)
		Expect(w.condition("chat", refs).Message).To(ContainSubstring("Service " + w.namespace + "/redis does not exist"))
		restart()
		Consistently(func() []string { return w.stores("rpc-auth") }, "2s").Should(Equal([]string{"redis"}))
		inPlace()
		w.create(service("redis", "redis-b"))
		w.create(slice("redis"))
		reason(v1alpha1.ReasonResolved)
		Eventually(func() []string { return w.stores("rpc-auth") }).Should(Equal([]string{"redis-b"}))
		w.eventuallyReady("chat")
	})

	It("exists before the stack can run, with an edge to each store that is known", func() {
		remove(&corev1.Secret{}, "redis")
		remove(&corev1.Service{}, "kafka")
		w.create(w.stack("chat"))
		reason(v1alpha1.ReasonServiceNotFound)
		Expect(w.get("chat-default-deny", &networkingv1.NetworkPolicy{})).To(Succeed())
		Expect(w.stores("rpc-auth")).To(Equal([]string{"redis"}))
		inPlace()
		Consistently(func() []appsv1.Deployment { return w.deployments("chat") }, "2s").Should(BeEmpty())
		w.secret("redis", "password", "example")
		w.create(&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kafka", Namespace: w.namespace}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "kafka"}, Ports: []corev1.ServicePort{{Port: 9092, TargetPort: intstr.FromInt32(9092)}}}})
		w.create(slice("kafka"))
		Eventually(func() int { return len(w.deployments("chat")) }).Should(Equal(14))
		w.eventuallyReady("chat")
	})

	It("restores its revision, and deletes one that somebody else wrote", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		Expect(w.seals()).To(HaveLen(1))
		genuine := w.seals()[0]
		Expect(k8s.Delete(w.ctx, genuine.DeepCopy())).To(Succeed())
		forged := genuine.DeepCopy()
		forged.ObjectMeta = metav1.ObjectMeta{
			Name: "chat-seal-forged", Namespace: w.namespace, Labels: genuine.Labels, OwnerReferences: genuine.OwnerReferences,
		}
		forged.Revision = 1 << 40
		forged.Data = runtime.RawExtension{Raw: []byte(`{"schemaVersion":1}`)}
		w.create(forged)
		Eventually(func(g Gomega) {
			left := w.seals()
			g.Expect(left).To(HaveLen(1))
			g.Expect(left[0].Name).To(Equal(genuine.Name))
			g.Expect(left[0].Data).To(Equal(genuine.Data))
		}).Should(Succeed())
	})

	It("leaves the live policies alone when a newer operator wrote its revision, until that is gone", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		o.stop()
		newer := w.seals()[0]
		newer.ObjectMeta = metav1.ObjectMeta{
			Name: "chat-seal-newer", Namespace: w.namespace, Labels: newer.Labels, OwnerReferences: newer.OwnerReferences,
		}
		newer.Revision++
		newer.Data = runtime.RawExtension{Raw: []byte(`{"schemaVersion":2}`)}
		w.create(&newer)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Processes = &v1alpha1.Processes{API: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](3)}}
		})
		o = startOperator()
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionNetworkIsolated)
			g.Expect(string(c.Status)).To(Equal("Unknown"))
			g.Expect(c.Message).To(ContainSubstring("chat-seal-newer"))
		}).Should(Succeed())
		Expect(w.stores("rpc-auth")).To(Equal([]string{"redis"}))
		remove(&networkingv1.NetworkPolicy{}, "chat-default-deny")
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed())
		api := func() int32 {
			var d appsv1.Deployment
			Expect(w.get("chat-api", &d)).To(Succeed())
			return *d.Spec.Replicas
		}
		Expect(api()).To(Equal(int32(1)))
		remove(&appsv1.ControllerRevision{}, "chat-seal-newer")
		Eventually(api).Should(Equal(int32(3)))
		w.eventuallyReady("chat")
		inPlace()
	})
})
