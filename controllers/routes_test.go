package controllers_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// gatewayCRDs are the Gateway API's own definitions of routes, in the version of go.mod.
func gatewayCRDs() envtest.CRDInstallOptions {
	GinkgoHelper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api").Output()
	Expect(err).NotTo(HaveOccurred())
	folder := filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "standard")
	return envtest.CRDInstallOptions{ErrorIfPathMissing: true, Paths: []string{
		filepath.Join(folder, "gateway.networking.k8s.io_httproutes.yaml"),
		filepath.Join(folder, "gateway.networking.k8s.io_backendtlspolicies.yaml"),
	}}
}

// installGatewayAPI lets the API server serve routes until remove is called.
func installGatewayAPI() (remove func()) {
	GinkgoHelper()
	options := gatewayCRDs()
	installed, err := envtest.InstallCRDs(environment.Config, options)
	Expect(err).NotTo(HaveOccurred())
	return func() {
		GinkgoHelper()
		Expect(envtest.UninstallCRDs(environment.Config, options)).To(Succeed())
		for _, crd := range installed {
			left := &metav1.PartialObjectMetadata{}
			left.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
			Eventually(func() bool {
				return apierrors.IsNotFound(k8s.Get(context.Background(), client.ObjectKeyFromObject(crd), left))
			}).Should(BeTrue())
		}
	}
}

// accepted plays an implementation of the Gateway API: it writes the status of a route's first parent, and that of its policy.
func (w testEnv) accepted(name string, status metav1.ConditionStatus, reason string) {
	GinkgoHelper()
	conditions := func(generation int64) []metav1.Condition {
		all := []metav1.Condition{{Type: "Accepted", Status: status, Reason: reason}, {Type: "ResolvedRefs", Status: status, Reason: reason}}
		for i := range all {
			all[i].ObservedGeneration, all[i].LastTransitionTime, all[i].Message = generation, metav1.Now(), "said by a test"
		}
		return all
	}
	const controller = "example.com/test"
	Eventually(func() error {
		var route gatewayv1.HTTPRoute
		if err := w.get(name, &route); err != nil {
			return err
		}
		route.Status.Parents = []gatewayv1.RouteParentStatus{{
			ParentRef: route.Spec.ParentRefs[0], ControllerName: controller, Conditions: conditions(route.Generation),
		}}
		return k8s.Status().Update(w.ctx, &route)
	}).Should(Succeed())
	var policy gatewayv1.BackendTLSPolicy
	if !w.exists(name, &policy) {
		return
	}
	policy.Status.Ancestors = []gatewayv1.PolicyAncestorStatus{{
		AncestorRef: manifests.ParentReference(v1alpha1.GatewayReference{Name: "public", Namespace: "gateways"}), ControllerName: controller,
		Conditions: conditions(policy.Generation),
	}}
	Expect(k8s.Status().Update(w.ctx, &policy)).To(Succeed())
}

var _ = Describe("Routes of the Gateway API to the gateway's listeners", Ordered, Serial, func() {
	var w testEnv
	var running *operator
	remove := func() {}
	byRoute := v1alpha1.Exposure{Listener: v1alpha1.ListenerUsers, HTTPRoute: &v1alpha1.ExposedRoute{
		ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: "gateways"}}, Hostnames: []v1alpha1.HostName{"im.example.com"},
	}}
	start := func() *operator {
		return startOperator(func(r *controllers.Reconciler) { r.LookForGatewayAPI(time.Second) })
	}
	is := func(want, text string) {
		GinkgoHelper()
		Eventually(func(g Gomega) {
			c := w.condition("chat", v1alpha1.ConditionExposed)
			g.Expect(c).NotTo(BeNil())
			g.Expect(string(c.Status)+"/"+c.Reason).To(Equal(want), c.Message)
			g.Expect(c.Message).To(ContainSubstring(text))
		}).Should(Succeed())
	}

	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		running = start()
		w.start("chat", letUsersIn, expose(byRoute), func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Auth.Users.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"}
		})
		w.eventuallyReady("chat")
	})

	AfterAll(func() { remove() })

	It("wait for the Gateway API, and hold nothing of the stack", func() {
		is("False/CRDMissing", "install the Gateway API 1.4 or later, or write ingress instead")
		Expect(w.exists("chat-users", &corev1.Service{})).To(BeTrue())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
	})

	It("are made once the Gateway API is installed, without a restart of the operator or of a pod", func() {
		before := w.podsOf("chat", v1alpha1.ComponentGateway)
		remove = installGatewayAPI()
		var route gatewayv1.HTTPRoute
		Eventually(func() error { return w.get("chat-users", &route) }).Should(Succeed())
		Expect(route.Spec.Hostnames).To(ConsistOf(gatewayv1.Hostname("im.example.com")))
		Expect(route.Spec.Rules).To(HaveLen(2))
		Expect(*route.Spec.Rules[0].Matches[0].Path.Value).To(Equal("/im/v1/ws"))
		Expect(*route.Spec.Rules[0].Timeouts.Request).To(Equal(gatewayv1.Duration("0s")))
		for _, rule := range route.Spec.Rules {
			Expect(rule.BackendRefs).To(HaveLen(1))
			Expect(rule.BackendRefs[0].Name).To(Equal(gatewayv1.ObjectName("chat-users")))
			Expect(*rule.BackendRefs[0].Port).To(Equal(gatewayv1.PortNumber(80)))
		}
		Expect(w.exists("chat-users", &gatewayv1.BackendTLSPolicy{})).To(BeFalse(), "the gateway has no certificate")
		Expect(w.podsOf("chat", v1alpha1.ComponentGateway)).To(Equal(before))
		is("False/WaitingForGateway", "Gateway gateways/public has not said yet")
	})

	It("are Exposed as their implementation says, of the present generation", func() {
		w.accepted("chat-users", metav1.ConditionFalse, "NotAllowedByListeners")
		is("False/RouteNotAccepted", "Gateway gateways/public does not accept the HTTPRoute: NotAllowedByListeners: said by a test")
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "Users by HTTPRoute chat-users of Gateway gateways/public at im.example.com")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.Expose[0].HTTPRoute.Hostnames = []v1alpha1.HostName{"other.example.com"}
		})
		is("False/WaitingForGateway", "has not said yet")
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/AudienceNotExposed", "add it, or correct the audience")
		w.change("chat", expose(byRoute))
		is("False/WaitingForGateway", "has not said yet")
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "at im.example.com")
		w.eventuallyReady("chat")
	})

	It("cost no write while nothing changes", func() {
		writes := running.waitIdle("2s", w.namespace)
		Consistently(func() int { return running.writesIn(w.namespace) }, 3*time.Second).Should(Equal(writes))
	})

	It("are restored when they are deleted or lead elsewhere", func() {
		Expect(k8s.Delete(w.ctx, &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-users"}})).To(Succeed())
		var route gatewayv1.HTTPRoute
		Eventually(func() error { return w.get("chat-users", &route) }).Should(Succeed())
		w.editObject("chat-users", &route, "kubectl-edit", func() {
			route.Spec.Rules[1].BackendRefs[0].Name = "chat-api"
			route.Spec.Hostnames = append(route.Spec.Hostnames, "shadow.example.com")
		})
		Eventually(func(g Gomega) {
			g.Expect(w.get("chat-users", &route)).To(Succeed())
			g.Expect(route.Spec.Rules[1].BackendRefs[0].Name).To(Equal(gatewayv1.ObjectName("chat-users")))
			g.Expect(route.Spec.Hostnames).To(HaveLen(1))
		}).Should(Succeed())
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "at im.example.com")
	})

	It("check the gateway's certificate as long as the gateway's pods have one", func() {
		// portsAre returns whether the Service and both rules of the route have a port.
		portsAre := func(g Gomega, port int32) {
			var service corev1.Service
			g.Expect(w.get("chat-users", &service)).To(Succeed())
			g.Expect(service.Spec.Ports).To(ConsistOf(HaveField("Port", port)))
			var route gatewayv1.HTTPRoute
			g.Expect(w.get("chat-users", &route)).To(Succeed())
			for _, rule := range route.Spec.Rules {
				g.Expect(*rule.BackendRefs[0].Port).To(Equal(port))
			}
		}
		var policy gatewayv1.BackendTLSPolicy
		stays := func(policyIsThere bool, port int32) {
			GinkgoHelper()
			Consistently(func(g Gomega) {
				g.Expect(w.exists("chat-users", &policy)).To(Equal(policyIsThere))
				portsAre(g, port)
			}, "1s").Should(Succeed())
		}
		gatewayRolls := func() {
			GinkgoHelper()
			Eventually(func(g Gomega) {
				w.onlyReady([]string{v1alpha1.ComponentBackend})
				var gateway appsv1.Deployment
				g.Expect(w.get("chat-gateway", &gateway)).To(Succeed())
				g.Expect(gateway.Status.ObservedGeneration).To(Equal(gateway.Generation))
				g.Expect(gateway.Status.Replicas).To(BeNumerically(">", *gateway.Spec.Replicas), "a pod of the new template is there")
			}).Should(Succeed())
		}

		By("the Secret being absent: the spec is refused, and users come in as before")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.TLS = &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: "tls"}}
			s.Wrapper.Gateway.Expose[0].HTTPRoute.BackendCARef = &v1alpha1.ConfigMapReference{Name: "company-ca"}
		})
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionDependenciesReady).Reason }).
			Should(Equal(v1alpha1.ReasonSecretNotFound))
		stays(false, 80)

		By("the Secret being there: the earlier pods serve until the new ones do")
		certificate, key := certified(time.Now().Add(90 * 24 * time.Hour))
		w.create(&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "tls", Namespace: w.namespace}, Type: corev1.SecretTypeTLS,
			Data: map[string][]byte{"tls.crt": certificate, "tls.key": key},
		})
		gatewayRolls()
		stays(false, 80)
		w.eventuallyReady("chat")
		Eventually(func() error { return w.get("chat-users", &policy) }).Should(Succeed())
		Expect(policy.Spec.TargetRefs[0].Name).To(Equal(gatewayv1.ObjectName("chat-users")))
		Expect(policy.Spec.Validation.Hostname).To(Equal(gatewayv1.PreciseHostname("im.example.com")))
		Expect(policy.Spec.Validation.CACertificateRefs[0].Name).To(Equal(gatewayv1.ObjectName("company-ca")))
		Eventually(func(g Gomega) { portsAre(g, 443) }).Should(Succeed())
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "at im.example.com")

		By("the certificate going: the policy stays as it is until no pod has it")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway.TLS, s.Wrapper.Gateway.Expose[0].HTTPRoute.BackendCARef = nil, nil
		})
		gatewayRolls()
		stays(true, 443)
		Expect(policy.Spec.Validation.CACertificateRefs).To(HaveLen(1))
		w.eventuallyReady("chat")
		Eventually(func() bool { return w.exists("chat-users", &policy) }).Should(BeFalse())
		Eventually(func(g Gomega) { portsAre(g, 80) }).Should(Succeed())
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "at im.example.com")
	})

	It("are made again after the Gateway API was removed and installed again", func() {
		remove()
		remove = func() {}
		is("False/CRDMissing", "does not serve HTTPRoute and BackendTLSPolicy")
		w.eventuallyReady("chat")
		remove = installGatewayAPI()
		Eventually(func() bool { return w.exists("chat-users", &gatewayv1.HTTPRoute{}) }).Should(BeTrue())
		w.accepted("chat-users", metav1.ConditionTrue, "Accepted")
		is("True/Exposed", "at im.example.com")
	})

	It("go with their entry, also when it went while no operator ran", func() {
		running.stop()
		w.change("chat", expose(byIngress(v1alpha1.ListenerUsers, "im.example.com")))
		Expect(w.exists("chat-users", &gatewayv1.HTTPRoute{})).To(BeTrue())
		running = start()
		Eventually(func() bool { return w.exists("chat-users", &gatewayv1.HTTPRoute{}) }).Should(BeFalse())
		is("False/WaitingForAddress", "Ingress chat-users")
		Expect(w.exists("chat-users", &corev1.Service{})).To(BeTrue(), "the Ingress leads to it")
		w.eventuallyReady("chat")
	})
})
