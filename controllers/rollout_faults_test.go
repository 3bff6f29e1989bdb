package controllers_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/revision"
)

var _ = Describe("A rollout among faults", func() {
	var w testEnv
	var o *operator

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		o = startOperator()
		w.start("chat")
		w.rolledOut("chat")
	})

	It("is held at once when the API server refuses a Deployment, and completes when it is tried again", func() {
		o.refusing(func(r *http.Request) *metav1.Status {
			if !strings.HasSuffix(r.URL.Path, "/namespaces/"+w.namespace+"/deployments/chat-rpc-user") {
				return nil
			}
			return &metav1.Status{Code: http.StatusForbidden, Message: `admission webhook "images.example.com" denied the request: not signed`}
		})
		w.edit("chat", upgrade)
		Eventually(func(g Gomega) {
			rollout := w.status("chat").Rollout
			g.Expect(rollout).NotTo(BeNil())
			g.Expect(rollout.State).To(Equal(v1alpha1.RolloutHeld))
			g.Expect(rollout.Failure.Component).To(Equal("rpc-user"))
			g.Expect(rollout.Failure.Message).To(ContainSubstring("images.example.com"))
		}).Should(Succeed())
		Expect(w.at("chat", newer)).To(HaveLen(6), "the others of the wave")

		o.refusing(nil)
		w.annotate("chat", v1alpha1.AnnotationRetryRollout, "once more")
		w.rolledOut("chat")
		Expect(w.at("chat", newer)).To(HaveLen(12))
		Expect(w.status("chat").Requests.RetryRollout).To(Equal("once more"))
	})

	DescribeTable("that was held tells nothing about the next spec before that one is decided", func(resource string, lose func()) {
		o.refusing(func(r *http.Request) *metav1.Status {
			if !strings.HasSuffix(r.URL.Path, "/namespaces/"+w.namespace+"/deployments/chat-rpc-user") {
				return nil
			}
			return &metav1.Status{Code: http.StatusForbidden, Message: `admission webhook "images.example.com" denied the request: not signed`}
		})
		w.edit("chat", upgrade)
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionStalled) }).ShouldNot(BeNil())

		var tried atomic.Int32
		o.refusing(func(r *http.Request) *metav1.Status {
			if r.Method == http.MethodGet || !strings.Contains(r.URL.Path, "/namespaces/"+w.namespace+"/"+resource) {
				return nil
			}
			tried.Add(1)
			return &metav1.Status{Code: http.StatusInternalServerError, Message: "etcdserver: request timed out"}
		})
		lose()
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Version = "v3.8.3" })
		Eventually(func(g Gomega) {
			g.Expect(tried.Load()).To(BeNumerically(">", 1))
			stack := w.getStack("chat")
			g.Expect(apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionReady).ObservedGeneration).To(Equal(stack.Generation))
		}).Should(Succeed())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil(), "nobody knows yet whether the next spec helps")
		Expect(w.condition("chat", v1alpha1.ConditionRolledOut).Status).To(Equal(metav1.ConditionFalse))
		Expect(w.condition("chat", v1alpha1.ConditionReconciling)).NotTo(BeNil())
		o.refusing(nil)
		w.rolledOut("chat")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
	},
		Entry("while its revision cannot be written", "controllerrevisions", func() {}),
		Entry("while a policy cannot be written", "networkpolicies", func() {
			var policies networkingv1.NetworkPolicyList
			Expect(k8s.List(w.ctx, &policies, client.InNamespace(w.namespace))).To(Succeed())
			Expect(k8s.Delete(w.ctx, &policies.Items[0])).To(Succeed())
		}),
	)

	It("goes on to the earlier spec while the next one cannot be recorded, and says of which spec it speaks", func() {
		w.edit("chat", upgrade)
		Eventually(func() []string { return w.at("chat", newer) }).Should(HaveLen(7))
		earlier := w.getStack("chat").Generation
		o.refusing(func(r *http.Request) *metav1.Status {
			if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/namespaces/"+w.namespace+"/controllerrevisions") {
				return nil
			}
			return &metav1.Status{Code: http.StatusInternalServerError, Message: "etcdserver: request timed out"}
		})
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Version = "v3.8.3-patch.5" })
		Eventually(func(g Gomega) {
			w.beReady()
			c := w.condition("chat", v1alpha1.ConditionRolledOut)
			g.Expect(c.Reason).To(Equal(v1alpha1.ReasonComplete), c.Message)
			g.Expect(c.ObservedGeneration).To(Equal(earlier))
		}).Should(Succeed())
		Expect(w.at("chat", newer)).To(HaveLen(12))
		Expect(w.condition("chat", v1alpha1.ConditionReady).Status).To(Equal(metav1.ConditionFalse), "the spec is not applied")
		o.refusing(nil)
		w.rolledOut("chat")
		Expect(w.at("chat", "v3.8.3-patch.5")).To(HaveLen(12))
	})

	It("does not take the Deployment controller's verdict on an earlier template for one on the present template", func() {
		w.edit("chat", upgrade)
		Eventually(func() []string { return w.at("chat", newer) }).Should(HaveLen(7))
		// A pod that the ReplicaSet makes is progress, and has the Deployment controller take the verdict back. So the verdict is given once all
		// pods of the wave exist and are counted, whatever the controllers' limits of requests made of their speed.
		for _, name := range w.at("chat", newer) {
			Eventually(func(g Gomega) {
				var d appsv1.Deployment
				g.Expect(w.get("chat-"+name, &d)).To(Succeed())
				g.Expect(d.Status.ObservedGeneration).To(Equal(d.Generation))
				g.Expect(d.Status.UpdatedReplicas).To(Equal(*d.Spec.Replicas))
				seen := d.DeepCopy()
				in := metav1.NewTime(time.Now().Add(10 * time.Second)) // later than the start of the wave below
				d.Status.Conditions = []appsv1.DeploymentCondition{{
					Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded", LastTransitionTime: in,
					LastUpdateTime: in, Message: "the ReplicaSet has timed out progressing",
				}}
				g.Expect(k8s.Status().Patch(w.ctx, &d, client.MergeFromWithOptions(seen, client.MergeFromWithOptimisticLock{}))).To(Succeed())
			}).Should(Succeed())
		}
		Eventually(func(g Gomega) {
			for _, p := range w.status("chat").Processes {
				if slices.Contains(w.at("chat", newer), p.Name) {
					g.Expect(p.Reason).To(Equal(v1alpha1.ReasonProgressDeadlineExceeded), p.Name)
				}
			}
		}).Should(Succeed())
		w.edit("chat", func(s *v1alpha1.OpenIMStack) { s.Spec.Version = "v3.8.3" })
		w.rolledOut("chat")
		Expect(w.events()).NotTo(ContainElement(HavePrefix(v1alpha1.ReasonHeld + ": ")))
	})

	It("that a request for an update asks for is answered only when all references resolve", func() {
		o.stop()
		Expect(k8s.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "redis"}})).To(Succeed())
		startWith(operatorSetting{wrapper: "openimstack/openim-wrapper:next"})
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionDependenciesReady).Reason }).
			Should(Equal(v1alpha1.ReasonSecretNotFound))
		w.annotate("chat", v1alpha1.AnnotationUpdate, "now")
		Eventually(func() []string { w.beReady(); return w.at("chat", "openim-wrapper:next") }).Should(HaveLen(2))
		Eventually(func() *v1alpha1.Rollout { w.beReady(); return w.status("chat").Rollout }).Should(BeNil())
		Expect(w.status("chat").Requests).To(BeNil(), "some components could not be rendered")
		w.secret("redis", "password", "example")
		w.rolledOut("chat")
		Eventually(func() *v1alpha1.Requests { return w.status("chat").Requests }).Should(HaveValue(HaveField("Update", "now")))
	})

	It("does not follow when a stack takes over what an earlier one left, also not under another operator", func() {
		before := w.replicaSets()
		o.stop()
		w.deleteAlone("chat")
		Eventually(func(g Gomega) {
			for _, r := range w.runRevisions() {
				g.Expect(metav1.GetControllerOf(&r)).To(BeNil())
			}
		}).Should(Succeed())
		startWith(operatorSetting{wrapper: "openimstack/openim-wrapper:next"})
		w.start("chat")
		w.rolledOut("chat")
		Expect(w.replicaSets()).To(Equal(before), "no pod restarts")
		Expect(w.runRevisions()).To(HaveLen(1))
		Expect(metav1.GetControllerOf(&w.runRevisions()[0]).UID).To(Equal(w.getStack("chat").UID))
		w.edit("chat", upgrade)
		w.rolledOut("chat")
		Expect(w.at("chat", newer)).To(HaveLen(12))
	})

	It("does not stop at a revision that cannot be read and that nothing was built from", func() {
		stack := w.getStack("chat")
		foreign := &appsv1.ControllerRevision{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: w.namespace, Name: "chat-run-0123456789", Labels: revision.Labels(manifests.CommonLabels("chat")),
				OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(&stack)},
			},
			Revision: 100, Data: runtime.RawExtension{Raw: []byte(`{"schemaVersion":1,"components":{"api":{"hash":"none"}}}`)},
		}
		w.create(foreign)
		w.edit("chat", upgrade)
		w.rolledOut("chat")
		Expect(w.get(foreign.Name, &appsv1.ControllerRevision{})).To(Succeed())
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(BeNil())
	})

	It("follows a change of the spec that comes while the status of the change before is written", func() {
		image := func(name string) func(*v1alpha1.OpenIMStack) {
			return func(s *v1alpha1.OpenIMStack) { s.Spec.Image = &v1alpha1.ImageSpec{Repository: name} }
		}
		for nth := int32(1); nth <= 3; nth++ {
			var writes atomic.Int32
			first, second := fmt.Sprintf("example.com/first-%d", nth), fmt.Sprintf("example.com/second-%d", nth)
			o.refusing(func(r *http.Request) *metav1.Status {
				if strings.HasSuffix(r.URL.Path, "/namespaces/"+w.namespace+"/openimstacks/chat/status") && writes.Add(1) == nth {
					w.edit("chat", image(second)) // the answer to this write has the newer spec
				}
				return nil
			})
			w.edit("chat", image(first))
			Eventually(func() []string { w.beReady(); return w.at("chat", second+":v3.8.3") }).
				Should(HaveLen(12), "the change came with the write number %d", nth)
			o.refusing(nil)
			w.rolledOut("chat")
		}
	})

	It("restarts the readers of a Secret that changed while the revisions were lost and the operator was away", func() {
		before := w.replicaSets()
		o.stop()
		for _, r := range w.runRevisions() {
			Expect(k8s.Delete(w.ctx, &r)).To(Succeed())
		}
		var secret corev1.Secret
		w.editObject("redis", &secret, "somebody", func() { secret.Data["password"] = []byte("another") })
		startOperator()
		Eventually(func(g Gomega) {
			w.beReady()
			after := w.replicaSets()
			for _, name := range []string{"chat-rpc-auth", "chat-msgtransfer", "chat-push", "chat-msggateway"} {
				g.Expect(after[name]).NotTo(Equal(before[name]), name)
			}
		}).Should(Succeed())
		w.rolledOut("chat")
		for _, name := range []string{"chat-api", "chat-crontask", "chat-backend", "chat-gateway"} {
			Expect(w.replicaSets()[name]).To(Equal(before[name]), name)
		}
	})

	It("under an operator that is older than the revisions waits, and nothing but policies is written", func() {
		name := w.status("chat").CurrentRevision
		var stored appsv1.ControllerRevision
		Expect(w.get(name, &stored)).To(Succeed())
		o.stop()
		newer := stored.DeepCopy()
		newer.Data.Raw = []byte(strings.Replace(string(stored.Data.Raw), `"inputs":{`, `"inputs":{"later":true,`, 1))
		newer.ResourceVersion, newer.UID = "", ""
		Expect(k8s.Delete(w.ctx, &stored)).To(Succeed())
		w.create(newer)
		startOperator()
		Eventually(func() *metav1.Condition { return w.condition("chat", v1alpha1.ConditionStalled) }).
			Should(HaveValue(HaveField("Reason", v1alpha1.ReasonUnsupportedVersion)))
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-api"}}
		Expect(k8s.Delete(w.ctx, service)).To(Succeed())
		w.touch("chat")
		Consistently(func() bool { return apierrors.IsNotFound(w.get("chat-api", &corev1.Service{})) }, "500ms").Should(BeTrue())

		Expect(k8s.Delete(w.ctx, newer)).To(Succeed())
		w.rolledOut("chat")
		Expect(w.get("chat-api", &corev1.Service{})).To(Succeed())
	})
})
