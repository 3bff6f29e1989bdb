//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// breaches are foreign objects that open connections which an intruder's packets would not show.
func breaches() {
	It("counts egress for all pods as a breach, and names the policy", func(ctx SpecContext) {
		breachedBy(ctx, &networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "way-out"},
			Spec: networkingv1.NetworkPolicySpec{
				PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress:      []networkingv1.NetworkPolicyEgressRule{{To: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "203.0.113.0/24"}}}}},
			},
		})
	}, SpecTimeout(5*time.Minute))

	It("counts a pod on its node's network with a component's labels as a breach, and names the pod", func(ctx SpecContext) {
		backend, _ := graph.Lookup(v1alpha1.ComponentBackend)
		podSecurity(ctx, "privileged") // by default the namespace refuses such a pod
		breachedBy(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: "passes-for-the-backend", Labels: backend.Labels(stack.Name)},
			Spec: corev1.PodSpec{
				HostNetwork: true, // the image does not exist: whether it runs does not matter
				Containers:  []corev1.Container{{Name: "shell", Image: "localhost/none", ImagePullPolicy: corev1.PullNever}},
			},
		})
	}, SpecTimeout(5*time.Minute))

	It("is not stalled by the deletion of one of its policies, which is restored immediately", func(ctx SpecContext) {
		deny := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, graph.DefaultDeny)}}
		Expect(environment.Cluster.Delete(ctx, deny)).To(Succeed())
		Consistently(ctx, stalledNow).WithTimeout(5 * time.Second).WithPolling(100 * time.Millisecond).Should(BeFalse())
		Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced))
		ready(ctx, stack)
	}, SpecTimeout(3*time.Minute))
}

// breachedBy creates an object, waits until the condition names it, removes it, and checks that the stack is isolated and works again.
func breachedBy(ctx SpecContext, object client.Object) {
	GinkgoHelper()
	Expect(environment.Cluster.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, object, client.GracePeriodSeconds(0)))).To(Succeed())
	}, NodeTimeout(time.Minute))
	began := time.Now()
	Eventually(ctx, isolated).WithTimeout(noticing).WithPolling(100 * time.Millisecond).Should(And(
		HaveField("Status", metav1.ConditionFalse), haveReason(v1alpha1.ReasonBreached), naming(object.GetName())))
	AddReportEntry("Breached after", time.Since(began).Round(100*time.Millisecond).String())
	Eventually(ctx, stalledNow).WithTimeout(noticing).Should(BeTrue())
	Expect(environment.Cluster.Delete(ctx, object, client.GracePeriodSeconds(0))).To(Succeed())
	Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced))
	Expect(stalledNow(ctx)).To(BeFalse())
	ready(ctx, stack)
	deliver(ctx, "after a breach")
}

// podSecurity sets the pod security standard of the stack's namespace until the spec ends.
func podSecurity(ctx SpecContext, level string) {
	GinkgoHelper()
	const label = "pod-security.kubernetes.io/enforce"
	namespace := &corev1.Namespace{}
	Expect(environment.Cluster.Get(ctx, client.ObjectKey{Name: stack.Namespace}, namespace)).To(Succeed())
	before, had := namespace.Labels[label]
	set := func(ctx SpecContext, level string, has bool) {
		live := &corev1.Namespace{}
		Expect(environment.Cluster.Get(ctx, client.ObjectKey{Name: stack.Namespace}, live)).To(Succeed())
		changed := live.DeepCopy()
		delete(changed.Labels, label)
		if has {
			metav1.SetMetaDataLabel(&changed.ObjectMeta, label, level)
		}
		Expect(environment.Cluster.Patch(ctx, changed, client.MergeFrom(live))).To(Succeed())
	}
	set(ctx, level, true)
	DeferCleanup(func(ctx SpecContext) { set(ctx, before, had) }, NodeTimeout(time.Minute))
	Eventually(ctx, isolated).WithTimeout(noticing).Should(haveReason(v1alpha1.ReasonEnforced))
}

// stalledNow reports whether condition Stalled is True for the current generation.
func stalledNow(ctx SpecContext) (bool, error) {
	live := &v1alpha1.OpenIMStack{}
	err := environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), live)
	return apimeta.IsStatusConditionTrue(live.Status.Conditions, v1alpha1.ConditionStalled), err
}
