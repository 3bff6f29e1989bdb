package controllers_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// What another client does in the moment between the operator's decision and its write: the write must not take the other's object.
var _ = Describe("An object that changes in the moment of the operator's write", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
	})

	// beforeWrite calls a function right before the operator's first write of the Service chat-api.
	beforeWrite := func(do func()) *atomic.Bool {
		done := &atomic.Bool{}
		o.refusing(func(r *http.Request) *metav1.Status {
			if r.Method != http.MethodGet && strings.HasSuffix(r.URL.Path, "/namespaces/"+w.namespace+"/services/chat-api") && !done.Swap(true) {
				do()
			}
			return nil
		})
		return done
	}
	service := func() *corev1.Service {
		GinkgoHelper()
		var s corev1.Service
		Expect(w.get("chat-api", &s)).To(Succeed())
		return &s
	}
	conflicts := func() {
		GinkgoHelper()
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionStalled) }).
			Should(HaveValue(HaveField("Reason", v1alpha1.ReasonNameConflict)))
	}

	DescribeTable("is not taken when it is created then", func(change func(*corev1.Service)) {
		foreign := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "chat-api", Namespace: w.namespace},
			Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "other"}, Ports: []corev1.ServicePort{{Port: 80}}},
		}
		change(foreign)
		if owner := metav1.GetControllerOf(foreign); owner != nil { // it exists, or the garbage collector deletes the Service
			other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: owner.Name, Namespace: w.namespace}}
			w.create(other)
			foreign.OwnerReferences[0].UID = other.UID
		}
		beforeWrite(func() { w.create(foreign) })
		w.start("chat")
		conflicts()
		Expect(service().Spec.Selector).To(Equal(map[string]string{"app": "other"}))
		Expect(service().OwnerReferences).To(Equal(foreign.OwnerReferences))
		Expect(service().Labels).To(BeEmpty())

		Expect(k8s.Delete(w.ctx, foreign)).To(Succeed())
		w.touch("chat")
		w.eventuallyReady("chat")
		Expect(service().Labels).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"))
	},
		Entry("without a controller", func(*corev1.Service) {}),
		Entry("with another controller", func(s *corev1.Service) {
			s.OwnerReferences = []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "ConfigMap", Name: "other", Controller: ptr.To(true),
			}}
		}),
	)

	It("is not taken when it loses its owner and its labels then, and is repaired when it is ours", func() {
		w.start("chat")
		w.eventuallyReady("chat")
		done := beforeWrite(func() { // the operator is about to repair the selector
			s := service()
			patch := client.MergeFrom(s.DeepCopy())
			s.OwnerReferences, s.Labels = nil, nil
			Expect(k8s.Patch(w.ctx, s, patch)).To(Succeed())
		})
		var s corev1.Service
		w.editObject("chat-api", &s, "somebody", func() { s.Spec.Selector["extra"] = "x" })
		Eventually(done.Load).Should(BeTrue())
		conflicts()
		Expect(service().Spec.Selector).To(HaveKey("extra"))
		Expect(service().OwnerReferences).To(BeEmpty())

		Expect(k8s.Delete(w.ctx, service())).To(Succeed())
		w.touch("chat")
		w.eventuallyReady("chat")
		done = beforeWrite(func() { // a change that takes nothing away
			s := service()
			patch := client.MergeFrom(s.DeepCopy())
			metav1.SetMetaDataAnnotation(&s.ObjectMeta, "example.com/note", "seen")
			Expect(k8s.Patch(w.ctx, s, patch)).To(Succeed())
		})
		w.editObject("chat-api", &s, "somebody", func() { s.Spec.Selector["extra"] = "x" })
		Eventually(done.Load).Should(BeTrue())
		Eventually(func() map[string]string { return service().Spec.Selector }).ShouldNot(HaveKey("extra"))
		Expect(service().Annotations).To(HaveKey("example.com/note"))
	})
})
