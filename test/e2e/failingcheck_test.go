//go:build e2e

package e2e

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/wrapper/ids"
)

// lifecycleLabel is the label of the specs of `make e2e-lifecycle`, which take minutes each.
const lifecycleLabel = "lifecycle"

// failingCheck upgrades to a release that only the check can tell from a good one: its processes serve and register, and no message can be
// sent (hack/cluster/components/openim-unsendable).
func failingCheck() {
	It("goes back from a release that breaks a route, which the check alone notices, and upgrades to a good one", Label(lifecycleLabel),
		func(ctx SpecContext) {
			sample, err := environment.Sample()
			Expect(err).NotTo(HaveOccurred())
			DeferCleanup(func(ctx SpecContext) {
				stack.Annotations = nil
				stack.Spec.Image = sample.Spec.Image
				changesAllAtOnce(ctx, sample.Spec.Version)
				deliver(ctx, "the release of the sample")
			}, NodeTimeout(start))
			traffic := flowing(ctx)
			later := laterPods(ctx)

			broken := *sample.Spec.Image
			broken.Repository = environment.Repository(setup.UnsendableImage)
			stack.Spec.Version, stack.Spec.Image = stuckRelease, &broken
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			rolled(ctx, v1alpha1.ReasonHeld)
			held := observed(ctx).Status
			Expect(held.Rollout.Failure.Component).To(Equal(v1alpha1.ComponentCheck))
			Expect(held.Rollout.Failure.Reason).To(Equal(v1alpha1.RolloutReasonCheckFailed))
			Expect(held.Rollout.Failure.Message).To(ContainSubstring("message sent"), "the step of the check that failed")
			Expect(held.Rollout.Wave).To(BeEquivalentTo(1), "the check after the first wave stops the others")
			Expect(stackCondition(ctx, v1alpha1.ConditionStalled)).To(HaveField("Status", metav1.ConditionTrue))
			for _, p := range held.Processes {
				Expect(p.Reason).To(BeEmpty(), "%s: nothing but the check tells that the release is broken: %s", p.Name, p.Message)
			}
			Expect(laterPods(ctx)).To(ConsistOf(later), "the pods of the later waves serve on")
			_, unsent := admin(ctx).Send(ctx, alice, bob, "while sending is broken")
			Expect(unsent).To(HaveOccurred(), "the fault is real")
			_, err = admin(ctx).NewestSeq(ctx, bob, chat.Conversation(alice, bob))
			Expect(err).NotTo(HaveOccurred(), "the other routes are served")

			stack.Spec.Upgrade = &v1alpha1.Upgrade{OnFailure: v1alpha1.OnFailureRollback}
			stack.Annotations = map[string]string{v1alpha1.AnnotationRetryRollout: time.Now().Format(time.RFC3339)}
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			rolled(ctx, v1alpha1.ReasonRolledBack)
			Expect(observed(ctx).Status.Version).To(Equal(sample.Spec.Version))
			flows(ctx, traffic)
			report := stopped(ctx, traffic)
			Expect(report.FailedCalls).To(BeZero(), "calls of a REST route: %v", report.Errors)
			Expect(report.Unacknowledged).NotTo(BeZero(), "the users felt that sending was broken, and were told so")
			Expect([]int{report.SenderOpened, report.ReceiverOpened}).To(HaveEach(1), "no socket was closed")
			Expect(laterPods(ctx)).To(ConsistOf(later), "only the first wave was changed and taken back")
			checkLeftNothing(ctx)

			stack.Spec.Version, stack.Spec.Image, stack.Spec.Upgrade = nextRelease, sample.Spec.Image, sample.Spec.Upgrade
			Expect(environment.Apply(ctx, stack)).To(Succeed())
			rolled(ctx, v1alpha1.ReasonComplete)
			ready(ctx, stack)
			Expect(observed(ctx).Status.Version).To(Equal(nextRelease))
			deliver(ctx, "the good release")
			checkLeftNothing(ctx)
		}, SpecTimeout(25*time.Minute))
}

// laterPods returns the names of the pods of the waves behind the first two.
func laterPods(ctx SpecContext) []string {
	GinkgoHelper()
	var found []string
	for _, component := range []string{"api", "msggateway", v1alpha1.ComponentBackend, v1alpha1.ComponentGateway} {
		found = append(found, names(podsOf(pods(ctx), component))...)
	}
	Expect(found).NotTo(BeEmpty())
	return found
}

// checkLeftNothing checks what the checks of the rollouts left in OpenIM: two users, and one conversation whose messages neither sees.
func checkLeftNothing(ctx context.Context) {
	GinkgoHelper()
	a, err := environment.Admin(ctx, stack)
	Expect(err).NotTo(HaveOccurred())
	all, err := a.UserIDs(ctx)
	Expect(err).NotTo(HaveOccurred())
	var theirs []string
	for _, id := range all {
		if strings.HasPrefix(id, "openimstack_check") {
			theirs = append(theirs, id)
		}
	}
	Expect(theirs).To(ConsistOf(ids.CheckSender, ids.CheckReceiver))
	conversation := chat.Conversation(ids.CheckSender, ids.CheckReceiver)
	for _, user := range theirs {
		conversations, err := a.Conversations(ctx, user)
		Expect(err).NotTo(HaveOccurred())
		Expect(conversations).To(ConsistOf(conversation), user)
		newest, err := a.NewestSeq(ctx, user, conversation)
		Expect(err).NotTo(HaveOccurred())
		Expect(newest).To(BeNumerically(">", 0), "checks that passed sent messages")
		messages, err := a.PullRange(ctx, user, conversation, max(1, newest-99), newest)
		Expect(err).NotTo(HaveOccurred())
		Expect(messages).NotTo(BeEmpty())
		for _, m := range messages {
			Expect(m.Content).To(BeEmpty(), "message %s as %s sees it", m.Seq, user)
		}
	}
}
