package controllers_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// isolated returns the condition NetworkIsolated as status/reason, and its message.
func (w testEnv) isolated(stack string) (verdict, message string) {
	c := w.condition(stack, v1alpha1.ConditionNetworkIsolated)
	if c == nil {
		return "", ""
	}
	return string(c.Status) + "/" + c.Reason, c.Message
}

// eventuallyIsolated waits until NetworkIsolated is verdict, with a message that contains says.
func (w testEnv) eventuallyIsolated(stack, verdict, says string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		got, message := w.isolated(stack)
		g.Expect(got).To(Equal(verdict), message)
		g.Expect(message).To(ContainSubstring(says))
	}).Should(Succeed())
}

// lastProbe returns the last probe of the status.
func (w testEnv) lastProbe(stack string) v1alpha1.ProbeResult {
	GinkgoHelper()
	var s v1alpha1.OpenIMStack
	Expect(w.get(stack, &s)).To(Succeed())
	if s.Status.Boundary == nil || s.Status.Boundary.LastProbe == nil {
		return v1alpha1.ProbeResult{}
	}
	return *s.Status.Boundary.LastProbe
}

// request requests a probe, and waits for its result.
func (w testEnv) request(stack, value string) v1alpha1.ProbeResult {
	GinkgoHelper()
	Eventually(func() error {
		var s v1alpha1.OpenIMStack
		if err := w.get(stack, &s); err != nil {
			return err
		}
		metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationProbeRequested, value)
		return k8s.Update(w.ctx, &s)
	}).Should(Succeed())
	Eventually(func() string { return w.lastProbe(stack).Request }).Should(Equal(value))
	return w.lastProbe(stack)
}

// probePods returns the probe's pods of the environment's stacks in a namespace.
func (w testEnv) probePods(namespace string) []corev1.Pod {
	GinkgoHelper()
	var list corev1.PodList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(namespace),
		client.MatchingLabels{v1alpha1.LabelProbeNamespace: w.namespace})).To(Succeed())
	return list.Items
}

// stalls counts how often Stalled is observed on a stack from now on.
func (w testEnv) stalls(stack string) (seen func() int) {
	GinkgoHelper()
	watcher, err := client.NewWithWatch(environment.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	events, err := watcher.Watch(w.ctx, &v1alpha1.OpenIMStackList{}, client.InNamespace(w.namespace),
		client.MatchingFields{"metadata.name": stack})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(events.Stop)
	var count atomic.Int32
	go func() {
		for event := range events.ResultChan() {
			if s, ok := event.Object.(*v1alpha1.OpenIMStack); ok && apimeta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionStalled) {
				count.Add(1)
			}
		}
	}()
	return func() int { return int(count.Load()) }
}

func namespace(ctx context.Context) string {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-",
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	Expect(k8s.Create(ctx, ns)).To(Succeed())
	return ns.Name
}

var _ = Describe("The lockdown", Ordered, func() {
	var (
		w         testEnv
		elsewhere string
		node      *kubelet
		o         *operator
		options   prober.Options
	)
	// foreign is a policy that does not belong to the stack and permits every source.
	foreign := func(name string) *networkingv1.NetworkPolicy {
		return &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
			Spec: networkingv1.NetworkPolicySpec{
				Ingress: []networkingv1.NetworkPolicyIngressRule{{}}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			}}
	}

	// restart restarts the operator. The new one stops with the spec that calls this.
	restart := func() {
		o.stop()
		o = startProbing(options)
	}

	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		elsewhere = namespace(ctx)
		options = prober.Options{Image: "openimstack/openim-operator:test", Namespace: elsewhere}
		node = startKubelet(w.namespace, elsewhere)
		o = startProbing(options)
		w.start("chat")
		w.eventuallyReady("chat")
	})

	It("is probed by itself once the stack is ready, and holds", func() {
		w.eventuallyIsolated("chat", "True/Enforced",
			"connections that intruders in namespaces "+w.namespace+" and "+elsewhere+" attempted were blocked")
		last := w.lastProbe("chat")
		Expect(last.Trigger).To(Equal(v1alpha1.ProbeChange))
		Expect(last.Outcome).To(Equal(v1alpha1.ReasonEnforced))
		Expect(*last.Attempted).To(BeNumerically(">", 50))
		Expect(*last.Blocked + *last.Allowed).To(Equal(*last.Attempted))
		Expect(*last.Unexpected).To(BeZero())
		Expect(last.Time.Time).To(BeTemporally("~", time.Now(), time.Minute))
	})

	It("is probed by restricted pods, which are deleted afterwards", func() {
		Eventually(func() int { return len(w.probePods(w.namespace)) + len(w.probePods(elsewhere)) }).Should(BeZero())
		Expect(node.pods()).NotTo(BeEmpty())
		runs := map[string]int{}
		for _, pod := range node.pods() {
			runs[pod.Labels[v1alpha1.LabelProbeRun]]++
		}
		Expect(runs).To(HaveEach(4), "an intruder and a listener in each of two namespaces")
		for _, pod := range node.pods() {
			Expect(pod.Namespace).To(BeElementOf(w.namespace, elsewhere))
			Expect(pod.Labels).NotTo(HaveKey(v1alpha1.LabelInstance))
			Expect(pod.Labels).NotTo(HaveKey(v1alpha1.LabelComponent))
			Expect(pod.Labels).NotTo(HaveKey(v1alpha1.LabelPartOf))
			Expect(pod.Spec.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
			Expect(pod.Spec.Volumes).To(BeEmpty())
			Expect(pod.Spec.RestartPolicy).To(Equal(corev1.RestartPolicyNever))
			Expect(*pod.Spec.ActiveDeadlineSeconds).To(BeNumerically("<=", 300))
			security := pod.Spec.Containers[0].SecurityContext
			Expect(security.ReadOnlyRootFilesystem).To(HaveValue(BeTrue()))
			Expect(security.AllowPrivilegeEscalation).To(HaveValue(BeFalse()))
			Expect(security.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
			Expect(pod.Spec.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
			Expect(pod.Spec.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
			Expect(pod.Spec.Containers[0].Resources.Limits).To(HaveLen(2))
		}
	})

	It("writes nothing between two probes", func() {
		writes := o.waitIdle("2s", w.namespace) // every probe writes here; elsewhere those of other stacks' do, too
		probes := w.lastProbe("chat").Time
		Consistently(func() int { return o.writesIn(w.namespace) }, "5s").Should(Equal(writes))
		Expect(w.lastProbe("chat").Time).To(Equal(probes))
	})

	It("is probed on demand", func() {
		last := w.request("chat", "2026-01-01T00:00:00Z")
		Expect(last.Trigger).To(Equal(v1alpha1.ProbeRequest))
		Expect(last.Outcome).To(Equal(v1alpha1.ReasonEnforced))
	})

	It("is not verified from a change of the spec on, until the new graph was probed", func() {
		before := w.lastProbe("chat")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Network = &v1alpha1.Network{
				Monitoring: []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "prometheus"}}}},
			}
		})
		w.eventuallyIsolated("chat", "Unknown/NotVerified", "has not been probed yet since the spec changed them")
		Expect(w.lastProbe("chat")).To(Equal(before), "the result of the earlier graph")
		w.eventuallyIsolated("chat", "True/Enforced", "")
		Expect(w.lastProbe("chat").Time.Time).To(BeTemporally(">", before.Time.Time))
		Expect(w.lastProbe("chat").Trigger).To(Equal(v1alpha1.ProbeChange))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Network = nil })
		w.eventuallyIsolated("chat", "Unknown/NotVerified", "since the spec changed them")
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	It("is breached by a foreign policy, which the message names, and holds again without the policy", func() {
		policy := foreign("debug")
		began := time.Now()
		w.create(policy)
		w.eventuallyIsolated("chat", "False/Breached", "NetworkPolicy "+w.namespace+"/debug")
		AddReportEntry("breach seen after", time.Since(began).Round(100*time.Millisecond).String())
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionReady).Reason }).Should(Equal(v1alpha1.ReasonBreached))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil(), "the operator cannot repair it")
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		Expect(stack.Status.Boundary.Findings).To(ContainElement(And(
			HaveField("Kind", "ForeignPolicyWidens"), HaveField("Object", "NetworkPolicy "+w.namespace+"/debug"), HaveField("Message",
				Not(BeEmpty())))))
		Eventually(func() string { return w.lastProbe("chat").Outcome }).Should(Equal(v1alpha1.ReasonEnforced),
			"packets do not pass, in this network")

		Expect(k8s.Delete(w.ctx, policy)).To(Succeed())
		w.eventuallyIsolated("chat", "True/Enforced", "")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
	})

	It("is breached by a policy that permits egress, names it within two seconds, and holds again without it", func() {
		policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "way-out"},
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress: []networkingv1.NetworkPolicyEgressRule{
					{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "203.0.113.0/24"}}}},
				},
			}}
		began := time.Now()
		w.create(policy)
		w.eventuallyIsolated("chat", "False/Breached", "NetworkPolicy "+w.namespace+"/way-out")
		AddReportEntry("breach reported after", time.Since(began).Round(100*time.Millisecond).String())
		Expect(w.condition("chat", v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionFalse))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).NotTo(BeNil())
		Expect(k8s.Delete(w.ctx, policy)).To(Succeed())
		w.eventuallyIsolated("chat", "True/Enforced", "")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		w.eventuallyReady("chat")
	})

	It("is breached by a pod with a component's labels on its node's network, and holds again without it", func() {
		impostor := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "impostor", Labels: map[string]string{
				v1alpha1.LabelName: v1alpha1.NameWrapper, v1alpha1.LabelInstance: "chat", v1alpha1.LabelComponent: "backend",
			}},
			Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "shell", Image: "shell"}}},
		}
		w.create(impostor)
		w.eventuallyIsolated("chat", "False/Breached", "Pod "+w.namespace+"/impostor")
		Expect(k8s.Delete(w.ctx, impostor, client.GracePeriodSeconds(0))).To(Succeed())
		w.eventuallyIsolated("chat", "True/Enforced", "")
		w.eventuallyReady("chat")
	})

	It("needs no action when a policy of the stack is deleted, because the operator restores it", func() {
		stalled := w.stalls("chat")
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace,
			Name: "chat-default-deny"}})).To(Succeed())
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed())
		Consistently(stalled, "4s").Should(BeZero())
		w.eventuallyIsolated("chat", "True/Enforced", "")
		w.eventuallyReady("chat")
		Expect(stalled()).To(BeZero())
	})

	It("is breached when an object permits connections, and names the object", func() {
		policy := foreign("debug")
		node.becomes(open)
		w.create(policy)
		Eventually(func() string { return w.lastProbe("chat").Outcome }).Should(Equal(v1alpha1.ReasonBreached))
		Expect(w.lastProbe("chat").Message).To(ContainSubstring("NetworkPolicy " + w.namespace + "/debug"))
		Expect(*w.lastProbe("chat").Unexpected).To(BeNumerically(">", 40))
		node.becomes(sealed)
		Expect(k8s.Delete(w.ctx, policy)).To(Succeed())
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	It("is not enforced when connections succeed that the policies forbid", func() {
		node.becomes(open)
		w.request("chat", "open")
		w.eventuallyIsolated("chat", "False/NotEnforcedByCNI", "NetworkPolicies forbid these connections, and they succeeded")
		node.becomes(sealed)
		w.request("chat", "sealed again")
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	It("is not verified while the network is dead: blocked attempts prove nothing", func() {
		node.becomes(dead)
		w.request("chat", "dead")
		w.eventuallyIsolated("chat", "Unknown/NotVerified", "did not reach the control")
		node.becomes(sealed)
		w.request("chat", "alive")
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	DescribeTable("is not verified when the probe's pods cannot run", func(state corev1.ContainerState, says string) {
		node.obstruct(state)
		w.request("chat", says)
		w.eventuallyIsolated("chat", "Unknown/NotVerified", says)
		node.becomes(sealed)
		w.request("chat", "after "+says)
		w.eventuallyIsolated("chat", "True/Enforced", "")
	},
		Entry("because of the image", corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "InvalidImageName",
			Message: "couldn't parse image"}},
			"cannot run: InvalidImageName: couldn't parse image"),
		Entry("because they crash", corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}},
			"its container exited with code 137, OOMKilled"),
	)

	It("is not verified when a quota forbids the pods of the probe", func() {
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "full"},
			Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}}}
		w.create(quota)
		quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("0")}}
		Expect(k8s.Status().Update(w.ctx, quota)).To(Succeed())
		for i := 0; ; i++ { // the API server refreshes its quotas after a while
			if last := w.request("chat", "quota "+strconv.Itoa(i)); last.Outcome == v1alpha1.ReasonNotVerified {
				break
			}
		}
		w.eventuallyIsolated("chat", "Unknown/NotVerified", "exceeded quota: full")
		Expect(k8s.Delete(w.ctx, quota)).To(Succeed())
		Eventually(func() string { return w.request("chat", time.Now().Format(time.RFC3339Nano)).Outcome }).Should(Equal(v1alpha1.ReasonEnforced))
	})

	It("is audited and probed also while the stack is suspended", func() {
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = ptr.To(true) })
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionPaused) }).ShouldNot(BeNil())
		Expect(w.request("chat", "suspended").Outcome).To(Equal(v1alpha1.ReasonEnforced))
		var own networkingv1.NetworkPolicy
		w.editObject("chat-api-ingress", &own, "somebody", func() {
			own.Spec.Ingress = append(own.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		})
		Eventually(func(g Gomega) {
			got, message := w.isolated("chat")
			g.Expect(got).To(HavePrefix("False/"))
			g.Expect(message).To(ContainSubstring("chat-api-ingress"))
		}).Should(Succeed())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Suspend = nil })
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	It("is probed again when the interval is over", func() {
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Network = &v1alpha1.Network{Probe: &v1alpha1.Probe{IntervalSeconds: ptr.To[int32](30)}}
		})
		Eventually(func() v1alpha1.ProbeTrigger { return w.lastProbe("chat").Trigger }, "90s").Should(Equal(v1alpha1.ProbeInterval))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Network = nil })
	})

	It("keeps its last result over a restart of the operator, and is not probed because of the restart", func() {
		Eventually(func() int { return len(w.probePods(w.namespace)) }).Should(BeZero())
		before, pods := w.lastProbe("chat"), len(node.pods())
		restart()
		Consistently(func(g Gomega) {
			got, message := w.isolated("chat")
			g.Expect(got).To(Equal("True/Enforced"), message)
		}, "5s").Should(Succeed())
		Expect(w.lastProbe("chat")).To(Equal(before))
		Expect(node.pods()).To(HaveLen(pods))
	})

	It("is not verified when the last result is too old", func() {
		o.stop()
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		stack.Status.Boundary.LastProbe.Time = metav1.NewTime(time.Now().Add(-time.Hour))
		Expect(k8s.Status().Update(w.ctx, &stack)).To(Succeed())
		node.becomes(dead)
		restart()
		w.eventuallyIsolated("chat", "Unknown/NotVerified", "")
		node.becomes(sealed)
		w.request("chat", "after a long time")
		w.eventuallyIsolated("chat", "True/Enforced", "")
	})

	It("leaves nothing of a stack that is deleted", func() {
		restart()
		Expect(k8s.Delete(w.ctx, &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat"}})).To(Succeed())
		Eventually(func() int { return len(w.probePods(w.namespace)) + len(w.probePods(elsewhere)) }).Should(BeZero())
	})
})

var _ = Describe("A lockdown whose operator is limited to the stack's namespace", Ordered, func() {
	It("is probed from there alone, and the condition says so", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startKubelet(w.namespace)
		startProbing(prober.Options{Image: "openimstack/openim-operator:test", Namespace: w.namespace, WatchNamespaces: []string{w.namespace}})
		w.start("chat")
		w.eventuallyReady("chat")
		w.eventuallyIsolated("chat", "True/Enforced", "there was no intruder in another namespace: the operator runs in the stack's namespace")
	})
})
