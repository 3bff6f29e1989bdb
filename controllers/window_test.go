package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

var _ = Describe("Windows of upgrades", func() {
	var w testEnv

	// later is a window that opens in twelve hours.
	later := func(zone string) *v1alpha1.Upgrade {
		return &v1alpha1.Upgrade{Check: v1alpha1.CheckNone, Windows: []v1alpha1.UpgradeWindow{{
			Start: time.Now().UTC().Add(12 * time.Hour).Format("15:04"), DurationSeconds: 600, TimeZone: zone,
		}}}
	}
	reason := func() string {
		return ptr.Deref(w.condition("chat", v1alpha1.ConditionRolledOut), metav1.Condition{}).Reason
	}

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Upgrade = later("") })
		w.rolledOut("chat") // a first installation does not wait
	})

	It("hold back another release, and nothing else", func() {
		w.edit("chat", upgrade)
		Eventually(reason).Should(Equal(v1alpha1.ReasonWaitingForWindow))
		Expect(w.condition("chat", v1alpha1.ConditionRolledOut).Message).To(ContainSubstring("spec.upgrade.windows that opens at 20"))
		ready := w.condition("chat", v1alpha1.ConditionReady)
		Expect(ready.Status).To(Equal(metav1.ConditionTrue), "the present release serves")
		Expect(ready.Message).To(ContainSubstring("OpenIM v3.8.3 runs"))
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).To(BeNil())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		Expect(w.status("chat").Version).To(Equal("v3.8.3"))

		w.edit("chat", func(s *v1alpha1.OpenIMStack) {
			s.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: v1alpha1.ProcessSpec{Replicas: ptr.To[int32](3)}}
		})
		Eventually(func() int32 { return w.replicas("chat-gateway") }).Should(BeEquivalentTo(3), "replicas do not wait")
		Expect(w.at("chat", newer)).To(BeEmpty())

		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Upgrade = unchecked() })
		w.rolledOut("chat")
		Expect(w.at("chat", newer)).To(HaveLen(12))
	})

	It("do not hold back a changed setting", func() {
		w.edit("chat", func(s *v1alpha1.OpenIMStack) {
			s.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: v1alpha1.ProcessSpec{
				Resources: &v1alpha1.Resources{Requests: map[string]resource.Quantity{"cpu": resource.MustParse("70m")}},
			}}
		})
		w.rolledOut("chat")
		Expect(w.status("chat").CurrentRevision).To(Equal(w.status("chat").UpdateRevision))
	})

	It("with a time zone that does not exist never open, and say so", func() {
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { upgrade(s); s.Spec.Upgrade = later("Europe/Atlantis") })
		Eventually(reason).Should(Equal(v1alpha1.ReasonWaitingForWindow))
		Expect(w.condition("chat", v1alpha1.ConditionRolledOut).Message).To(ContainSubstring("no window of spec.upgrade.windows ever opens"))
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionStalled) }).Should(HaveValue(And(
			HaveField("Reason", v1alpha1.ReasonInvalidSpec),
			HaveField("Message", ContainSubstring(`spec.upgrade.windows[0].timeZone: "Europe/Atlantis"`)),
		)))
		var gone client.Object = &metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-push"},
		}
		Expect(k8s.Delete(w.ctx, gone)).To(Succeed())
		Eventually(func() int { return len(w.deployments("chat")) }).Should(Equal(14), "what is deleted is repaired")
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Upgrade = unchecked() })
		w.rolledOut("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
		Expect(w.at("chat", newer)).To(HaveLen(12))
	})
})
