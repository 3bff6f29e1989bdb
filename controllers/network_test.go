package controllers_test

import (
	"context"
	"slices"
	"strconv"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// journal records the resource version of every change of the stack's policies and Deployments, which orders the changes whatever the order
// of their events.
type journal struct {
	mutex   sync.Mutex
	entries map[string]int64
}

// recordPolicies starts a journal of a namespace.
func (w testEnv) recordPolicies() *journal {
	GinkgoHelper()
	watcher, err := client.NewWithWatch(environment.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	j := &journal{entries: map[string]int64{}}
	for _, list := range []client.ObjectList{&networkingv1.NetworkPolicyList{}, &appsv1.DeploymentList{}} {
		Expect(k8s.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
		events, err := watcher.Watch(w.ctx, list, client.InNamespace(w.namespace),
			&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(events.Stop)
		go func() {
			defer GinkgoRecover()
			for event := range events.ResultChan() {
				j.note(event)
			}
		}()
	}
	return j
}

// note records the first event of a kind for an object.
func (j *journal) note(event watch.Event) {
	object, ok := event.Object.(client.Object)
	if !ok {
		return
	}
	version, err := strconv.ParseInt(object.GetResourceVersion(), 10, 64)
	Expect(err).NotTo(HaveOccurred())
	kind := "Deployment/"
	if _, policy := object.(*networkingv1.NetworkPolicy); policy {
		kind = "NetworkPolicy/"
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	key := string(event.Type) + " " + kind + object.GetName()
	if _, known := j.entries[key]; !known {
		j.entries[key] = version
	}
}

// at returns the resource version of the first such event; 0 when there was none.
func (j *journal) at(what string) int64 {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	return j.entries[what]
}

// verdicts records every reason of the condition NetworkIsolated of a stack from now on.
func (w testEnv) verdicts(stack string) (seen func() []string) {
	GinkgoHelper()
	watcher, err := client.NewWithWatch(environment.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	events, err := watcher.Watch(w.ctx, &v1alpha1.OpenIMStackList{}, client.InNamespace(w.namespace),
		client.MatchingFields{"metadata.name": stack})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(events.Stop)
	var mutex sync.Mutex
	var reasons []string
	go func() {
		for event := range events.ResultChan() {
			s, ok := event.Object.(*v1alpha1.OpenIMStack)
			if !ok {
				continue
			}
			if c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionNetworkIsolated); c != nil {
				mutex.Lock()
				reasons = append(reasons, c.Reason)
				mutex.Unlock()
			}
		}
	}()
	return func() []string {
		mutex.Lock()
		defer mutex.Unlock()
		return slices.Clone(reasons)
	}
}

// openTo lists the label "app" of the peers that a policy permits at a port.
func (w testEnv) openTo(policy string, port int32) func(Gomega) []string {
	return func(g Gomega) []string {
		var p networkingv1.NetworkPolicy
		g.Expect(w.get(policy, &p)).To(Succeed())
		var apps []string
		for _, rule := range p.Spec.Ingress {
			if rule.Ports[0].Port.IntVal != port {
				continue
			}
			for _, peer := range rule.From {
				g.Expect(peer.NamespaceSelector).NotTo(BeNil())
				if app := peer.PodSelector.MatchLabels["app"]; app != "" {
					apps = append(apps, app)
				}
			}
		}
		return apps
	}
}

var _ = Describe("The network of a stack", func() {
	const webSocketPort, apiPort = 10001, 10002
	var (
		w testEnv
		o *operator
	)
	app := func(name string) *v1alpha1.Selector {
		return &v1alpha1.Selector{MatchLabels: map[string]string{"app": name}}
	}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	It("opens OpenIM's WebSocket to the clients that the spec names, reports it, and closes it again, without a restart", func() {
		w.start("chat", letUsersIn)
		w.eventuallyReady("chat")
		var before networkingv1.NetworkPolicy
		Expect(w.get("chat-msggateway-ingress", &before)).To(Succeed())
		generations := map[string]int64{}
		for _, d := range w.deployments("chat") {
			generations[d.Name] = d.Generation
		}
		endpoint := func() string {
			var stack v1alpha1.OpenIMStack
			Expect(w.get("chat", &stack)).To(Succeed())
			return stack.Status.Endpoints.WebSocket
		}
		annotation := func() string {
			var service corev1.Service
			Expect(w.get("chat-msggateway", &service)).To(Succeed())
			return service.Annotations[v1alpha1.AnnotationExceptions]
		}
		Expect(endpoint()).To(BeEmpty())

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Network = &v1alpha1.Network{WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: []v1alpha1.Peer{{PodSelector: app("bot")}}}
		})
		Eventually(w.openTo("chat-msggateway-ingress", webSocketPort)).Should(ConsistOf("bot"))
		Eventually(endpoint).Should(Equal("ws://chat-msggateway." + w.namespace + ".svc:10001"))
		Eventually(annotation).Should(Equal("WebSocketDirect"))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Network = nil })
		Eventually(w.openTo("chat-msggateway-ingress", webSocketPort)).Should(BeEmpty())
		Eventually(endpoint).Should(BeEmpty())
		Eventually(annotation).Should(BeEmpty())
		var after networkingv1.NetworkPolicy
		Expect(w.get("chat-msggateway-ingress", &after)).To(Succeed())
		Expect(after.UID).To(Equal(before.UID), "it was changed in place: there was no time without it")
		Expect(after.Spec).To(Equal(before.Spec))
		for _, d := range w.deployments("chat") {
			Expect(d.Generation).To(Equal(generations[d.Name]), d.Name)
		}
	})

	It("is not reported as breached while the operator writes new policies, however long that takes", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		writes := o.waitIdle("1s", w.namespace)
		verdicts := w.verdicts("chat")
		o.policies.Lock()
		proceed := sync.OnceFunc(o.policies.Unlock)
		DeferCleanup(proceed)
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: app("bridge")}}
		})
		Eventually(func() int { return o.writesIn(w.namespace) }).Should(BeNumerically(">", writes), "a policy is being written")
		Consistently(verdicts, "4s").ShouldNot(ContainElement(v1alpha1.ReasonBreached)) // an audit would have been due
		proceed()
		Eventually(w.openTo("chat-api-ingress", apiPort)).Should(ConsistOf("bridge"))
		w.eventuallyReady("chat")
		Expect(verdicts()).To(And(Not(BeEmpty()), Not(ContainElement(v1alpha1.ReasonBreached))))
	})

	It("replaces the wrapper by an external one and back, each time with policies first and deletions last", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		var before v1alpha1.OpenIMStack
		Expect(w.get("chat", &before)).To(Succeed())
		there := w.recordPolicies()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: app("bridge")}}
		})
		Eventually(func() int { return len(w.deployments("chat")) }).Should(Equal(12))
		Eventually(w.openTo("chat-api-ingress", apiPort)).Should(ConsistOf("bridge"))
		Eventually(w.openTo("chat-msggateway-ingress", webSocketPort)).Should(ConsistOf("bridge"))
		w.eventuallyReady("chat")
		Expect(w.condition("chat", v1alpha1.ConditionWrapperAvailable).Reason).To(Equal(v1alpha1.ReasonExternal))
		for _, role := range []string{"gateway", "backend"} {
			Eventually(func() int64 { return there.at("DELETED Deployment/chat-" + role) }).Should(BeNumerically(">", 0))
			Expect(there.at("DELETED Deployment/chat-" + role)).To(BeNumerically(">", there.at("MODIFIED NetworkPolicy/chat-api-ingress")))
			Expect(there.at("MODIFIED NetworkPolicy/chat-api-ingress")).To(BeNumerically(">", 0))
			Eventually(func() bool { return apierrors.IsNotFound(w.get("chat-"+role+"-egress", &networkingv1.NetworkPolicy{})) }).Should(BeTrue())
		}
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		Expect(*stack.Status.Endpoints).To(Equal(v1alpha1.Endpoints{
			API: "http://chat-api." + w.namespace + ".svc:10002", WebSocket: "ws://chat-msggateway." + w.namespace + ".svc:10001",
		}))

		back := w.recordPolicies()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper = before.Spec.Wrapper })
		Eventually(func() int {
			w.beReady() // the gateway waits for the backend
			return len(w.deployments("chat"))
		}).Should(Equal(14))
		w.eventuallyReady("chat")
		Eventually(w.openTo("chat-api-ingress", apiPort)).Should(BeEmpty())
		for _, role := range []string{"gateway", "backend"} {
			Eventually(func() int64 { return back.at("ADDED Deployment/chat-" + role) }).Should(BeNumerically(">", 0))
			for _, policy := range []string{"chat-" + role + "-ingress", "chat-" + role + "-egress"} {
				Eventually(func() int64 { return back.at("ADDED NetworkPolicy/" + policy) }).Should(BeNumerically(">", 0))
				Expect(back.at("ADDED NetworkPolicy/"+policy)).To(BeNumerically("<", back.at("ADDED Deployment/chat-"+role)), policy)
			}
		}
	})

	It("permits extra egress of the named components, with the reason in their policies", func() {
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Network = &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
				Name: "fcm", Components: []v1alpha1.ComponentName{"push"}, Reason: "notifications to phones",
				Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "2001:db8::/32"}}}, Ports: []v1alpha1.EgressPort{{Port: 5228}},
			}}}
		})
		var policies networkingv1.NetworkPolicyList
		Expect(k8s.List(w.ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
		for _, p := range policies.Items {
			var out bool
			for _, rule := range p.Spec.Egress {
				out = out || rule.Ports[0].Port.IntVal == 5228
			}
			Expect(out).To(Equal(p.Name == "chat-push-egress"), p.Name)
			if out {
				Expect(p.Annotations[v1alpha1.AnnotationReason]).To(ContainSubstring("to extra/fcm, port 5228: exception: notifications to phones"))
			}
		}
	})
})
