//go:build e2e

package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// changeStack patches the live stack.
func changeStack(ctx SpecContext, change func(*v1alpha1.OpenIMStack)) {
	GinkgoHelper()
	var s v1alpha1.OpenIMStack
	Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), &s)).To(Succeed())
	changed := s.DeepCopy()
	change(changed)
	Expect(environment.Cluster.Patch(ctx, changed, client.MergeFrom(&s))).To(Succeed())
}

// stackCondition returns a condition of the live stack, nil when it is absent.
func stackCondition(ctx SpecContext, kind string) *metav1.Condition {
	GinkgoHelper()
	return apimeta.FindStatusCondition(observed(ctx).Status.Conditions, kind)
}

// waitingUpdate returns the condition that the suite's stack has while another operator waits for a request, nil otherwise.
func waitingUpdate(ctx SpecContext) *metav1.Condition {
	GinkgoHelper()
	return stackCondition(ctx, v1alpha1.ConditionUpdateAvailable)
}

// operatorWrapper sets the image of the wrapper that the operator has for stacks that name none, and returns the one before.
func operatorWrapper(ctx SpecContext, image string) (before string) {
	GinkgoHelper()
	d := &appsv1.Deployment{}
	Expect(environment.Cluster.Get(ctx, setup.OperatorKey, d)).To(Succeed())
	changed := d.DeepCopy()
	env := changed.Spec.Template.Spec.Containers[0].Env
	for i := range env {
		if env[i].Name == "RELATED_IMAGE_WRAPPER" {
			before, env[i].Value = env[i].Value, image
		}
	}
	Expect(before).NotTo(BeEmpty())
	Expect(environment.Cluster.Patch(ctx, changed, client.MergeFrom(d))).To(Succeed())
	Expect(environment.Cluster.WaitForDeployment(ctx, setup.OperatorKey)).To(Succeed())
	Expect(environment.WaitForLeader(ctx)).To(Succeed())
	return before
}

// rollouts changes what the pods are made from.
func rollouts() {
	It("starts no rollout when another operator comes", func(ctx SpecContext) {
		ready(ctx, stack)
		running := names(pods(ctx))
		before := operatorWrapper(ctx, "openimstack/openim-wrapper:next")
		DeferCleanup(func(ctx SpecContext) {
			operatorWrapper(ctx, before)
			ready(ctx, stack)
		})
		Eventually(ctx, waitingUpdate).WithTimeout(time.Minute).ShouldNot(BeNil())
		deliver(ctx, "after an upgrade of the operator")
		Expect(names(pods(ctx))).To(ConsistOf(running), "no pod restarts")
		operatorWrapper(ctx, before)
		Eventually(ctx, waitingUpdate).WithTimeout(time.Minute).Should(BeNil())
		Expect(names(pods(ctx))).To(ConsistOf(running))
	}, SpecTimeout(10*time.Minute))

	It("replaces share.secret under traffic: sockets and sessions stay, and no message is lost", func(ctx SpecContext) {
		gateways := names(podsOf(pods(ctx), v1alpha1.ComponentGateway))
		traffic, err := environment.StartTraffic(ctx, stack, caller, callee)
		Expect(err).NotTo(HaveOccurred())
		asked := time.Now().UTC().Format(time.RFC3339)
		changeStack(ctx, func(s *v1alpha1.OpenIMStack) {
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, v1alpha1.AnnotationRotateShareSecret, asked)
		})
		Eventually(ctx, func(g Gomega) {
			status := observed(ctx).Status
			g.Expect(status.Requests).To(HaveValue(HaveField("RotateShareSecret", asked)))
			g.Expect(status.Rollout).To(BeNil())
			g.Expect(status.UnusedSecrets).To(ContainElement(v1alpha1.ChildName(stack.Name, v1alpha1.SuffixShareSecret)), "the last step is over")
		}).WithTimeout(5 * time.Minute).Should(Succeed())
		auth := &appsv1.Deployment{}
		key := client.ObjectKey{Namespace: stack.Namespace, Name: v1alpha1.ChildName(stack.Name, "rpc-auth")}
		Expect(environment.Cluster.Get(ctx, key, auth)).To(Succeed())
		Expect(manifests.ShareSecretOf(&auth.Spec.Template.Spec)).To(Equal(stack.Name + "-share-secret-2"))
		deliver(ctx, "with another share.secret")
		report := stopped(ctx, traffic)
		AddReportEntry("calls that failed while rpc-auth started", fmt.Sprintf("%d of %d, for %s", report.FailedCalls, report.Calls,
			report.FailedFor.Round(100*time.Millisecond)))
		Expect(report.FailedFor).To(BeNumerically("<", 30*time.Second))
		Expect(report.SenderOpened).To(Equal(1), "the socket stays")
		Expect(report.ReceiverOpened).To(Equal(1), "the socket stays")
		Expect(names(podsOf(pods(ctx), v1alpha1.ComponentGateway))).To(ConsistOf(gateways))
		ready(ctx, stack)
	}, SpecTimeout(10*time.Minute))

	It("holds a rollout to an image that does not exist: the earlier pods serve, and the corrected spec completes", func(ctx SpecContext) {
		var s v1alpha1.OpenIMStack
		Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), &s)).To(Succeed())
		image, policy := s.Spec.Image.DeepCopy(), s.Spec.Upgrade.DeepCopy()
		restore := func(ctx SpecContext) {
			changeStack(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Image, s.Spec.Upgrade = image, policy })
			ready(ctx, stack)
		}
		DeferCleanup(restore)
		changeStack(ctx, func(s *v1alpha1.OpenIMStack) {
			wrong := ptr.Deref(image, v1alpha1.ImageSpec{})
			wrong.Repository, wrong.Digest = "openimstack/does-not-exist", ""
			s.Spec.Image = &wrong
			s.Spec.Upgrade = &v1alpha1.Upgrade{WaveTimeoutSeconds: ptr.To[int32](60)}
		})
		Eventually(ctx, func() string {
			return ptr.Deref(stackCondition(ctx, v1alpha1.ConditionRolledOut), metav1.Condition{}).Reason
		}).WithTimeout(3 * time.Minute).Should(Equal(v1alpha1.ReasonHeld))
		c := stackCondition(ctx, v1alpha1.ConditionRolledOut)
		Expect(c.Message).To(ContainSubstring(v1alpha1.ReasonImagePull))
		deliver(ctx, "while a rollout is held")
		restore(ctx)
		Expect(stackCondition(ctx, v1alpha1.ConditionRolledOut).Status).To(Equal(metav1.ConditionTrue))
		deliver(ctx, "after the rollout")
	}, SpecTimeout(15*time.Minute))
}
