//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// ingressLabel is the label of the specs of `make test-ingress`.
	ingressLabel = "ingress"
	// hostSecret holds the certificate of the public host, in the namespace of the Ingress and of the Gateway.
	hostSecret = "im-example-test-tls"
	// restarting is the code with which a gateway that drains closes sockets (RFC 6455: service restart).
	restarting = 1012
	// loginBurst is the number of login calls of one address that are admitted at once, by each gateway. The limit refills so slowly that
	// no slow machine hides it: two calls, one login, in ten seconds.
	loginBurst = 20
	// certificateLifetime is longer than the time before its end at which the operator tells of a certificate.
	certificateLifetime = 90 * 24 * time.Hour
)

// edge is what the specs of exposures share.
type edge struct {
	image     string
	authority *certtest.Authority
	// keys are the gateway's published keys, read before the gateway was exposed, through the API server.
	keys []string
	// users have one device each. They are named as the client by which they call.
	users map[string]*setup.User
}

// exposures adds the specs with a real implementation of Ingress and of the Gateway API.
func exposures() {
	Context("exposed by a real Traefik", Label(ingressLabel), func() {
		e := &edge{users: map[string]*setup.User{}}

		BeforeAll(func(ctx SpecContext) { e.begin(ctx) }, NodeTimeout(45*time.Minute))
		AfterEach(func(ctx SpecContext) {
			if CurrentSpecReport().Failed() {
				keepEdge(ctx)
			}
		}, NodeTimeout(time.Minute))

		It("is Exposed at the address that Traefik wrote to the Ingress, and warns of nothing", func(ctx SpecContext) {
			isExposed(ctx, "Ingress", publicAddress)
			var ingress networkingv1.Ingress
			Expect(environment.Cluster.Get(ctx, ingressKey(), &ingress)).To(Succeed())
			Expect(ingress.Status.LoadBalancer.Ingress).To(ConsistOf(HaveField("IP", publicAddress)))
			Expect(exposedListeners(ctx)).To(BeEmpty())
		}, SpecTimeout(3*time.Minute))

		It("enrols and logs users in through the Ingress, and delivers from socket to socket", e.firstUsers, SpecTimeout(5*time.Minute))

		It("needs no sticky sessions: one user's calls are answered by each replica, with new connections and with old ones", e.spreads,
			SpecTimeout(3*time.Minute))

		It("lets in Traefik alone", func(ctx SpecContext) {
			gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
			for _, address := range gatewayAddresses(ctx) {
				to := fmt.Sprintf("%s:%d", address, gateway.Port(graph.UsersPort).Number)
				open, err := reaches(ctx, intruderIn(ctx, "curious"), to)
				Expect(err).NotTo(HaveOccurred())
				Expect(open).To(BeFalse(), "a pod beside Traefik reaches %s", to)
			}
			e.converse(ctx)
		}, SpecTimeout(3*time.Minute))

		It("counts logins by the client's address, and believes no address that a client writes itself", e.limitsByClient,
			SpecTimeout(5*time.Minute))

		DescribeTable("has no way to the administrators' routes or to metrics through the users' Ingress", e.noAdmins,
			Entry("the path", "POST /admin/v1/user/get_users HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("the wrapper's own path", "POST /admin/v1/wrapper/devices/list HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("two slashes", "POST //admin/v1/user/get_users HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("dots", "POST /im/v1/../../admin/v1/user/get_users HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("encoded dots", "POST /im/v1/%2e%2e/%2e%2e/admin/v1/user/get_users HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("encoded slashes", "POST /im/v1/..%2f..%2fadmin/v1/user/get_users HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
			Entry("an absolute address", "POST http://chat-gateway.im.svc:8081/admin/v1/user/get_users HTTP/1.1", publicHost,
				SpecTimeout(time.Minute)),
			Entry("the Service's name as host", "POST /admin/v1/user/get_users HTTP/1.1", "chat-admins.im.svc", SpecTimeout(time.Minute)),
			Entry("metrics", "GET /metrics HTTP/1.1", publicHost, SpecTimeout(time.Minute)),
		)

		It("passes the code on with which a draining gateway closes a socket, and opens the next one", e.drains, SpecTimeout(5*time.Minute))

		DescribeTable("takes no request that is hidden in another", e.smuggled, framingEntries())

		It("reports an Ingress of another namespace that leads to the gateway, at which nobody can log in", e.foreignIngress,
			SpecTimeout(5*time.Minute))

		It("serves logins and sockets again when Traefik was replaced", e.afterRestart, SpecTimeout(5*time.Minute))

		e.route()

		It("serves its users without Traefik afterwards", func(ctx SpecContext) {
			restore(ctx)
			deliver(ctx, "after the edge")
			Expect(stackCondition(ctx, v1alpha1.ConditionExposed)).To(BeNil())
		}, SpecTimeout(start))
	})
}

// user returns the user of a client, once it is enrolled.
func (e *edge) user(name string) *setup.User {
	GinkgoHelper()
	Expect(e.users).To(HaveKeyWithValue(name, Not(BeNil())), "enrolling failed before")
	return e.users[name]
}

// begin starts Traefik and two clients, and exposes the stack's users' listener by an Ingress.
func (e *edge) begin(ctx SpecContext) {
	e.image, e.authority = edgeImage(ctx), certtest.New(GinkgoTB())
	e.keys = gateways(ctx)[0].Keys
	installGatewayAPI(ctx)
	edgeExists(ctx)
	startTraefik(ctx, e.image)
	startClient(ctx, north, e.image)
	startClient(ctx, south, e.image)
	for _, namespace := range []string{stack.Namespace, edgeNamespace} {
		e.certificate(ctx, namespace, hostSecret)
	}
	e.prepareRoute(ctx)
	DeferCleanup(restore, NodeTimeout(start))
	apply(ctx, e.exposed(ctx, v1alpha1.Exposure{
		Listener: v1alpha1.ListenerUsers,
		Ingress: &v1alpha1.ExposedIngress{
			ClassName: traefikName, Hosts: []v1alpha1.HostName{publicHost}, TLSSecretRef: &v1alpha1.LocalReference{Name: hostSecret},
			Annotations: map[string]v1alpha1.AnnotationValue{"traefik.ingress.kubernetes.io/router.tls": "true"}, // else for plain HTTP alone
		},
	}))
}

// certificate writes a certificate of the public host to a Secret, until the specs end.
func (e *edge) certificate(ctx SpecContext, namespace, name string) {
	GinkgoHelper()
	pair := e.authority.Issue(certificateLifetime, publicHost)
	created(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: pair.Certificate, corev1.TLSPrivateKeyKey: pair.Key},
	})
}

// created creates an object, until the specs end. One of an earlier run is replaced.
func created(ctx SpecContext, object client.Object) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object.DeepCopyObject().(client.Object)))).To(Succeed())
	Expect(environment.Cluster.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object))).To(Succeed())
	}, NodeTimeout(time.Minute))
}

// trusted returns the address of Traefik's pod.
func trusted(ctx context.Context) []v1alpha1.CIDR {
	GinkgoHelper()
	return []v1alpha1.CIDR{v1alpha1.CIDR(edgePod(ctx, traefikName).Status.PodIP + "/32")}
}

// exposed returns the suite's stack with an exposure, for Traefik's pod alone, whose address is the only trusted proxy's.
func (e *edge) exposed(ctx context.Context, by v1alpha1.Exposure) *v1alpha1.OpenIMStack {
	GinkgoHelper()
	s := stack.DeepCopy()
	if s.Spec.Wrapper.Gateway == nil {
		s.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{}
	}
	s.Spec.Wrapper.Gateway.Expose = []v1alpha1.Exposure{by}
	s.Spec.Wrapper.Auth.Users.Audience = publicAudience
	s.Spec.Wrapper.Auth.Users.TrustedProxies = trusted(ctx)
	s.Spec.Wrapper.Limits = &v1alpha1.Limits{Classes: []v1alpha1.LimitClass{
		{Name: "login", PerSecond: resource.MustParse("200m"), Burst: loginBurst, By: []v1alpha1.LimitKey{v1alpha1.LimitByIP}},
	}}
	if s.Spec.Network == nil {
		s.Spec.Network = &v1alpha1.Network{}
	}
	s.Spec.Network.Clients = []v1alpha1.Peer{{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: edgeNamespace}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{nameLabel: traefikName}},
	}}
	return s
}

// firstUsers enrols a user at each client.
func (e *edge) firstUsers(ctx SpecContext) {
	for _, name := range []string{north, south} {
		v := e.visit(ctx, name, nil)
		Eventually(ctx, v.status).WithArguments(publicAudience).WithTimeout(time.Minute).Should(Equal(http.StatusOK)) // Traefik knows the Ingress
		user := name + "_" + fmt.Sprint(time.Now().Unix())
		var err error
		e.users[name], err = v.NewUser(ctx, admin(ctx), user)
		Expect(err).NotTo(HaveOccurred())
		e.logIn(ctx, name)
	}
	e.converse(ctx)
	e.seesClients(ctx)
}

// spreads calls often, and reads in the audit log which replicas answered: logins are audited.
func (e *edge) spreads(ctx SpecContext) {
	want := gatewayPods(ctx)
	Expect(len(want)).To(BeNumerically(">=", 2))
	v, p := e.visit(ctx, north, nil), e.user(north)
	Eventually(ctx, func(g Gomega) {
		for range 2 * len(want) {
			_, err := v.As(p).Profiles(ctx, p.UserID)
			g.Expect(err).NotTo(HaveOccurred())
		}
		s, err := v.Open(ctx, p) // the ticket of one replica is used at another
		g.Expect(err).NotTo(HaveOccurred())
		s.Close()
		trail, err := environment.ReadAuditLog(ctx, stack)
		g.Expect(err).NotTo(HaveOccurred())
		by := map[string]int{}
		for _, event := range trail.Find(func(a setup.AuditEvent) bool { return a.UserID == p.UserID && a.Verdict == "allowed" }) {
			by[event.Pod]++
		}
		for _, pod := range want {
			g.Expect(by[pod]).To(BeNumerically(">", 0), "calls at %s: %v", pod, by)
		}
	}).WithTimeout(time.Minute).WithPolling(time.Second).Should(Succeed())
}

// seesClients waits until each replica knows Traefik as a proxy, and so the clients' addresses.
func (e *edge) seesClients(ctx SpecContext) {
	GinkgoHelper()
	touchGateways(ctx)
	for _, name := range []string{north, south} {
		v := e.visit(ctx, name, nil)
		Eventually(ctx, func(g Gomega) {
			for range 2 * len(gatewayPods(ctx)) {
				_, err := v.As(e.user(name)).Profiles(ctx, e.user(name).UserID)
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(e.lastAddresses(ctx, name)).To(And(HaveLen(len(gatewayPods(ctx))), HaveEach(v.address)))
		}).WithTimeout(mounted).WithPolling(time.Second).Should(Succeed())
	}
}

// lastAddresses returns the address that the audit log gives for the last call of a client's user, by gateway's pod.
func (e *edge) lastAddresses(ctx SpecContext, name string) map[string]string {
	GinkgoHelper()
	trail, err := environment.ReadAuditLog(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	present, last := gatewayPods(ctx), map[string]string{}
	for _, event := range trail.Find(func(a setup.AuditEvent) bool { return a.UserID == e.user(name).UserID && a.IP != "" }) {
		if slices.Contains(present, event.Pod) {
			last[event.Pod] = event.IP
		}
	}
	return last
}

// limitsByClient uses one client's logins up, which claims to be the other one.
func (e *edge) limitsByClient(ctx SpecContext) {
	other := e.visit(ctx, north, nil)
	forged := http.Header{
		"X-Forwarded-For": {other.address}, "X-Real-Ip": {other.address}, "Forwarded": {"for=" + other.address},
		"True-Client-Ip": {other.address},
	}
	v := e.visit(ctx, south, forged)
	var err error
	logins := 0
	for ; err == nil && logins <= 2*loginBurst*len(gatewayPods(ctx)); logins++ {
		err = v.login(ctx, publicAudience, e.user(south))
	}
	Expect(errors.Is(err, login.ErrBusy)).To(BeTrue(), "after %d logins: %v", logins, err)
	AddReportEntry("logins of one address until its limit", logins)
	for i := range 3 {
		address := fmt.Sprintf("198.51.100.%d", i+1)
		v := e.visit(ctx, south, http.Header{"X-Forwarded-For": {address}, "Forwarded": {"for=" + address}})
		Expect(v.login(ctx, publicAudience, e.user(south))).To(MatchError(login.ErrBusy), "%s was invented", address)
	}
	session, err := other.Login(ctx, e.user(north))
	Expect(err).NotTo(HaveOccurred(), "the other client has a limit of its own")
	e.user(north).Session = session // a login ends the device's earlier session
	reply, err := other.As(e.user(north)).Who(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), reply.String())
	for name, address := range map[string]string{north: other.address, south: v.address} {
		Expect(e.lastAddresses(ctx, name)).To(HaveEach(address), "the audit log has the client's address")
	}
	e.logIn(ctx, south) // when the limit has refilled
	e.converse(ctx)
}

// noAdmins sends a request line for an administrator's route, with an administrator's token.
func (e *edge) noAdmins(ctx SpecContext, line, host string) {
	token, err := environment.Token(stack, nil)
	Expect(err).NotTo(HaveOccurred())
	v := e.visit(ctx, north, nil)
	served, err := v.send(ctx, "GET "+wire.WellKnownPath+" HTTP/1.1\r\nHost: "+publicHost+"\r\nConnection: close\r\n\r\n")
	Expect(err).NotTo(HaveOccurred())
	Expect(served).To(ConsistOf(HaveField("Status", http.StatusOK)), "the gateway is behind the Ingress")
	body := `{"pagination":{"pageNumber":1,"showNumber":10}}`
	answers, err := v.send(ctx, fmt.Sprintf(
		"%s\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		line, host, token, len(body), body))
	Expect(err).NotTo(HaveOccurred())
	Expect(answers).To(HaveLen(1))
	// A path below the users' own prefix is answered as OpenIM does, with status 200 and the error in the body.
	Expect(answers[0]).To(Or(HaveField("Status", And(BeNumerically(">=", 400), BeNumerically("<", 500))),
		HaveField("Body", HavePrefix(`{"errCode":1503,`))))
	Expect(answers[0].Body).NotTo(Or(ContainSubstring("userID"), ContainSubstring("openim_wrapper")))
	reply, err := admin(ctx).FirstUser(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), "the token is good at the administrators' listener: %s", reply)
}

// drains deletes the gateway's pods while a socket is open through Traefik.
func (e *edge) drains(ctx SpecContext) {
	s, err := e.visit(ctx, north, nil).OpenSoon(ctx, e.user(north))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	for _, name := range gatewayPods(ctx) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: name}}
		Expect(environment.Cluster.Delete(ctx, pod)).To(Succeed())
	}
	end, err := s.Ended(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(end.Code).To(Equal(restarting), end.String())
	ready(ctx, stack)
	e.converse(ctx)
}

// afterRestart replaces Traefik's pod, whose new address is another trusted proxy.
func (e *edge) afterRestart(ctx SpecContext) {
	v := e.visit(ctx, north, nil)
	before, err := v.Open(ctx, e.user(north))
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(before.Close)
	earlier := edgePod(ctx, traefikName)
	Expect(environment.Cluster.Remove(ctx, earlier, &corev1.PodList{})).To(Succeed())
	_, err = before.Ended(ctx)
	Expect(err).NotTo(HaveOccurred(), "the socket ends with Traefik")
	Expect(edgePod(ctx, traefikName).UID).NotTo(Equal(earlier.UID))
	for _, name := range []string{north, south} {
		e.logIn(ctx, name)
	}
	e.converse(ctx)
	changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Auth.Users.TrustedProxies = trusted(ctx) })
	ready(ctx, stack)
	isExposed(ctx, "Ingress", publicAddress)
	e.seesClients(ctx)
	e.converse(ctx)
}
