package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// expose replaces the exposures of a spec.
func expose(all ...v1alpha1.Exposure) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		if s.Wrapper.Gateway == nil {
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{}
		}
		s.Wrapper.Gateway.Expose = all
	}
}

// byService exposes a listener by a Service.
func byService(listener v1alpha1.Listener, service v1alpha1.ExposedService) v1alpha1.Exposure {
	return v1alpha1.Exposure{Listener: listener, Service: &service}
}

// byIngress exposes a listener by an Ingress with one host.
func byIngress(listener v1alpha1.Listener, host v1alpha1.HostName) v1alpha1.Exposure {
	return v1alpha1.Exposure{Listener: listener, Ingress: &v1alpha1.ExposedIngress{Hosts: []v1alpha1.HostName{host}}}
}

// tokensLast sets how many days a token is valid.
func tokensLast(s *v1alpha1.OpenIMStackSpec, days int32) {
	s.Settings = &v1alpha1.Settings{TokenLifetimeDays: ptr.To(days)}
}

// exists reports whether an object of a name exists.
func (w testEnv) exists(name string, object client.Object) bool {
	GinkgoHelper()
	err := w.get(name, object)
	if !apierrors.IsNotFound(err) {
		Expect(err).NotTo(HaveOccurred())
	}
	return err == nil
}

var _ = Describe("The gateway's listeners outside the cluster", Ordered, func() {
	var w testEnv

	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
	})

	It("have no Service and no Ingress unless the spec says so", func() {
		Expect(w.exists("chat-users", &corev1.Service{})).To(BeFalse())
		Expect(w.exists("chat-admins", &corev1.Service{})).To(BeFalse())
	})

	It("get a Service with the listener's port alone, and restart nothing", func() {
		before := w.podsOf("chat", v1alpha1.ComponentGateway)
		w.change("chat", expose(
			byService(v1alpha1.ListenerUsers, v1alpha1.ExposedService{Type: v1alpha1.ExposedLoadBalancer, LoadBalancerClass: "example.com/lb"}),
			byService(v1alpha1.ListenerAdmins, v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort}),
		))
		var users, admins corev1.Service
		Eventually(func() error { return w.get("chat-users", &users) }).Should(Succeed())
		Eventually(func() error { return w.get("chat-admins", &admins) }).Should(Succeed())
		Expect(users.Spec.Type).To(Equal(corev1.ServiceTypeLoadBalancer))
		Expect(*users.Spec.LoadBalancerClass).To(Equal("example.com/lb"))
		Expect(users.Spec.ExternalTrafficPolicy).To(Equal(corev1.ServiceExternalTrafficPolicyLocal))
		Expect(users.Spec.Ports).To(ConsistOf(And(HaveField("Port", int32(80)), HaveField("TargetPort.StrVal", "users"))))
		Expect(admins.Spec.Type).To(Equal(corev1.ServiceTypeNodePort))
		Expect(admins.Spec.Ports).To(ConsistOf(And(HaveField("Port", int32(80)), HaveField("TargetPort.StrVal", "admin"))))
		w.eventuallyReady("chat")
		Expect(w.podsOf("chat", v1alpha1.ComponentGateway)).To(Equal(before))
	})

	It("keep the address and the node port of their Service", func() {
		var users corev1.Service
		Expect(w.get("chat-users", &users)).To(Succeed())
		nodePort := users.Spec.Ports[0].NodePort
		users.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: "192.0.2.7"}}
		Expect(k8s.Status().Update(w.ctx, &users)).To(Succeed())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose[0].Service.Annotations = map[string]v1alpha1.AnnotationValue{"example.com/size": "small"}
		})
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-users", &users)).To(Succeed())
			g.Expect(users.Annotations).To(HaveKeyWithValue("example.com/size", "small"))
		}).Should(Succeed())
		Expect(users.Spec.Ports[0].NodePort).To(Equal(nodePort))
		Expect(users.Status.LoadBalancer.Ingress).To(HaveLen(1))
	})

	It("are Exposed once each has an address, and Ready without one", func() {
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionExposed)
			g.Expect(c).NotTo(BeNil())
			g.Expect(string(c.Status)+"/"+c.Reason).To(Equal("True/Exposed"), c.Message)
			g.Expect(c.Message).To(ContainSubstring("Users by Service chat-users at 192.0.2.7"))
			g.Expect(c.Message).To(MatchRegexp("Admins by Service chat-admins at port 3[0-9]+ of each node that has a pod of the gateway"))
		}).Should(Succeed())
		var users corev1.Service
		Expect(w.get("chat-users", &users)).To(Succeed())
		users.Status.LoadBalancer.Ingress = nil
		Expect(k8s.Status().Update(w.ctx, &users)).To(Succeed())
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionExposed)
			g.Expect(string(c.Status)+"/"+c.Reason).To(Equal("False/WaitingForAddress"), c.Message)
		}).Should(Succeed())
		Expect(w.condition("chat", v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionTrue))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).To(BeNil())
	})

	It("cost no write while nothing changes, also without an address", func() {
		w.eventuallyReady("chat")
		version := w.getStack("chat").ResourceVersion
		Consistently(func() string { return w.getStack("chat").ResourceVersion }, 3*time.Second).Should(Equal(version))
	})

	It("are repaired when somebody adds the port of the metrics, or opens the Service further", func() {
		var users corev1.Service
		w.editObject("chat-users", &users, "kubectl-edit", func() {
			users.Spec.Ports = append(users.Spec.Ports, corev1.ServicePort{Name: "telemetry", Port: 9090})
			users.Spec.ExternalIPs = []string{"198.51.100.7"}
		})
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-users", &users)).To(Succeed())
			g.Expect(users.Spec.Ports).To(HaveLen(1))
			g.Expect(users.Spec.ExternalIPs).To(BeEmpty())
		}).Should(Succeed())
	})

	It("refuse another class of their load balancer, and take it after the Service was gone", func() {
		update := func(class string) error {
			stack := w.getStack("chat")
			stack.Spec.Wrapper.Gateway.Expose[0].Service.LoadBalancerClass = class
			return k8s.Update(w.ctx, &stack)
		}
		for _, class := range []string{"", "example.com/other"} {
			Eventually(func() error { return update(class) }).Should(MatchError(ContainSubstring("write service again")), class)
		}
		w.change("chat", expose())
		Eventually(func() bool { return w.exists("chat-users", &corev1.Service{}) }).Should(BeFalse())
		w.change("chat", expose(byService(v1alpha1.ListenerUsers, v1alpha1.ExposedService{
			Type: v1alpha1.ExposedLoadBalancer, LoadBalancerClass: "example.com/other",
		})))
		Eventually(func() bool { return w.exists("chat-users", &corev1.Service{}) }).Should(BeTrue())
	})

	It("get an Ingress whose hosts lead to the listener alone, by a Service that is not exposed itself", func() {
		w.change("chat", expose(byIngress(v1alpha1.ListenerUsers, "im.example.com")))
		var ingress networkingv1.Ingress
		Eventually(func() error { return w.get("chat-users", &ingress) }).Should(Succeed())
		Expect(ingress.Spec.DefaultBackend).To(BeNil())
		Expect(ingress.Spec.Rules).To(HaveLen(1))
		backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		Expect(backend.Name).To(Equal("chat-users"))
		Expect(backend.Port.Name).To(Equal("users"))
		Eventually(func(g Gomega) {
			var service corev1.Service
			g.Expect(w.get("chat-users", &service)).To(Succeed())
			g.Expect(service.Spec.Type).To(Equal(corev1.ServiceTypeClusterIP), "it was a load balancer before")
			g.Expect(service.Spec.Ports[0].NodePort).To(BeZero())
			g.Expect(service.Spec.LoadBalancerClass).To(BeNil())
		}).Should(Succeed())
	})

	It("warn of a proxy that is not trusted, and of an audience that no host carries, until the spec is corrected", func() {
		var ingress networkingv1.Ingress
		Expect(w.get("chat-users", &ingress)).To(Succeed())
		ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{Hostname: "edge.example.com"}}
		Expect(k8s.Status().Update(w.ctx, &ingress)).To(Succeed())
		is := func(want string) {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				c := w.condition("chat", v1alpha1.ConditionExposed)
				g.Expect(string(c.Status)+"/"+c.Reason).To(Equal(want), c.Message)
			}).Should(Succeed())
		}
		is("True/ClientAddressesHidden")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Auth.Users.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"}
			s.Wrapper.Gateway.Expose[0].Ingress.Hosts = []v1alpha1.HostName{"other.example.com"}
		})
		is("True/AudienceNotExposed")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose[0].Ingress.Hosts = []v1alpha1.HostName{"im.example.com"}
			nobody := v1alpha1.Selector{MatchLabels: map[string]string{"app": "nobody"}}
			s.Network = &v1alpha1.Network{Clients: []v1alpha1.Peer{{PodSelector: &nobody}}}
		})
		is("True/PeersSelectNothing")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Network = nil })
		is("True/Exposed")
	})

	It("have their Ingress restored when it is deleted or leads elsewhere", func() {
		Expect(k8s.Delete(w.ctx, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-users"}})).To(Succeed())
		Eventually(func() bool { return w.exists("chat-users", &networkingv1.Ingress{}) }).Should(BeTrue())
		var ingress networkingv1.Ingress
		w.editObject("chat-users", &ingress, "kubectl-edit", func() {
			ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "chat-api"
		})
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-users", &ingress)).To(Succeed())
			g.Expect(ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name).To(Equal("chat-users"))
		}).Should(Succeed())
	})

	It("go with their entry at once, also while a reference of the stack does not resolve", func() {
		w.change("chat", expose(
			v1alpha1.Exposure{
				Listener: v1alpha1.ListenerUsers, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort},
				Ingress: &v1alpha1.ExposedIngress{Hosts: []v1alpha1.HostName{"im.example.com"}},
			},
			byService(v1alpha1.ListenerAdmins, v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort}),
		))
		Eventually(func() bool { return w.exists("chat-admins", &corev1.Service{}) }).Should(BeTrue())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Redis.CredentialsRef.Name = "nowhere" })
		w.says("chat", v1alpha1.ConditionDependenciesReady, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound)

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose = s.Wrapper.Gateway.Expose[:1]
			s.Wrapper.Gateway.Expose[0].Ingress = nil
		})
		Eventually(func() bool { return w.exists("chat-admins", &corev1.Service{}) }).Should(BeFalse())
		Eventually(func() bool { return w.exists("chat-users", &networkingv1.Ingress{}) }).Should(BeFalse())
		Expect(w.exists("chat-users", &corev1.Service{})).To(BeTrue(), "its entry is there")
		w.change("chat", expose())
		Eventually(func() bool { return w.exists("chat-users", &corev1.Service{}) }).Should(BeFalse())
		Expect(w.exists("chat-gateway", &corev1.Service{})).To(BeTrue(), "no entry made it")
		Expect(w.condition("chat", v1alpha1.ConditionDependenciesReady).Status).To(Equal(metav1.ConditionFalse))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Redis.CredentialsRef.Name = "redis"
			expose(byIngress(v1alpha1.ListenerUsers, "im.example.com"))(s)
		})
		Eventually(func() bool { return w.exists("chat-users", &networkingv1.Ingress{}) }).Should(BeTrue())
		w.eventuallyReady("chat")
	})

	It("stay as they are while an annotation of their entry is invalid, and hold nothing else of the stack", func() {
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose[0].Ingress.Annotations = map[string]v1alpha1.AnnotationValue{"no name": "x"}
			s.Wrapper.Gateway.Expose[0].Ingress.Hosts = []v1alpha1.HostName{"other.example.com"}
			s.Wrapper.Gateway.Expose = append(s.Wrapper.Gateway.Expose,
				byService(v1alpha1.ListenerAdmins, v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort}))
			ruled("identity.platformID != 5")(s) // as in an emergency
			tokensLast(s, 30)
		})
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionSettingsAccepted)
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonSettingRefused))
			g.Expect(c.Message).To(ContainSubstring("spec.wrapper.gateway.expose[Users].ingress.annotations"))
			g.Expect(c.Message).NotTo(ContainSubstring("Admins"))
		}).Should(Succeed())
		Eventually(func() bool { return w.exists("chat-admins", &corev1.Service{}) }).Should(BeTrue(), "the other entry")
		Eventually(func() error { return w.get("chat-gateway-hot", &corev1.ConfigMap{}) }).Should(Succeed())
		Expect(w.hot("chat")).To(ContainSubstring("!= 5"))
		Eventually(func() string {
			w.beReady()
			return w.configOf("chat", "rpc-auth")["openim-rpc-auth.yml"]
		}).Should(ContainSubstring("expire: 30"))
		Expect(w.condition("chat", v1alpha1.ConditionReady).Reason).To(Equal(v1alpha1.ReasonSettingRefused))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil())
		var ingress networkingv1.Ingress
		Expect(w.get("chat-users", &ingress)).To(Succeed())
		Expect(ingress.Spec.Rules[0].Host).To(Equal("im.example.com"), "the refused entry changes nothing")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Gateway.Expose = s.Wrapper.Gateway.Expose[:1] })
		Eventually(func() bool { return w.exists("chat-admins", &corev1.Service{}) }).Should(BeFalse(), "also beside a refused entry")
		Expect(w.exists("chat-users", &networkingv1.Ingress{})).To(BeTrue())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose[0].Ingress.Annotations = nil
			s.Wrapper.Gateway.Expose[0].Ingress.Hosts = append(s.Wrapper.Gateway.Expose[0].Ingress.Hosts, "im.example.com")
		})
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-users", &ingress)).To(Succeed())
			g.Expect(ingress.Spec.Rules).To(HaveLen(2))
		}).Should(Succeed())
		w.eventuallyReady("chat")
	})

	It("are named when somebody else has an object of their name, which is not touched", func() {
		foreign := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-users"},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 1}}},
		}
		w.change("chat", expose())
		Eventually(func() bool { return w.exists("chat-users", &corev1.Service{}) }).Should(BeFalse())
		w.create(foreign)
		w.change("chat", expose(byIngress(v1alpha1.ListenerUsers, "im.example.com")))
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionReady)
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonNameConflict), c.Message)
		}).Should(Succeed())
		Expect(w.get("chat-users", foreign)).To(Succeed())
		Expect(foreign.Spec.Ports[0].Port).To(Equal(int32(1)))
		Expect(k8s.Delete(w.ctx, foreign)).To(Succeed())
		w.eventuallyReady("chat")
		Expect(w.exists("chat-users", &corev1.Service{})).To(BeTrue())
	})

	It("leave nothing behind, not even their condition", func() {
		w.change("chat", expose())
		Eventually(func() bool {
			return w.exists("chat-users", &corev1.Service{}) || w.exists("chat-users", &networkingv1.Ingress{}) ||
				w.exists("chat-admins", &corev1.Service{})
		}).Should(BeFalse())
		Expect(w.exists("chat-gateway", &corev1.Service{})).To(BeTrue())
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionExposed) }).Should(BeNil())
	})
})
