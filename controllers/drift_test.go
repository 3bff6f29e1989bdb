package controllers_test

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// childrenOf lists all objects with a stack's labels, and deletes its pods, because there is no kubelet that ends them.
func (w testEnv) childrenOf(stack string) []string {
	GinkgoHelper()
	var names []string
	for _, list := range []client.ObjectList{
		&networkingv1.NetworkPolicyList{}, &corev1.ServiceAccountList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{},
		&appsv1.DeploymentList{}, &policyv1.PodDisruptionBudgetList{}, &appsv1.ReplicaSetList{}, &corev1.SecretList{}, &corev1.PodList{},
		&networkingv1.IngressList{}, &autoscalingv2.HorizontalPodAutoscalerList{},
	} {
		Expect(k8s.List(w.ctx, list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack})).To(Succeed())
		Expect(apimeta.EachListItem(list, func(item runtime.Object) error {
			object := item.(client.Object)
			names = append(names, fmt.Sprintf("%T %s", object, object.GetName()))
			if _, pod := object.(*corev1.Pod); pod {
				return client.IgnoreNotFound(k8s.Delete(w.ctx, object, client.GracePeriodSeconds(0)))
			}
			return nil
		})).To(Succeed())
	}
	return names
}

var _ = Describe("Drift", Ordered, func() {
	var w testEnv
	var config string

	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		w.start("chat", autoscaled(scaledTo("push", 4)))
		w.eventuallyReady("chat")
		var list corev1.ConfigMapList
		Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: "chat",
			v1alpha1.LabelComponent: "rpc-msg"})).To(Succeed())
		Expect(list.Items).To(HaveLen(1))
		config = list.Items[0].Name
	})

	DescribeTable("a deleted child is back", func(name func() string, object client.Object) {
		Expect(w.get(name(), object)).To(Succeed())
		before := object.GetUID()
		Expect(k8s.Delete(w.ctx, object)).To(Succeed())
		Eventually(func(g Gomega) {
			g.Expect(w.get(name(), object)).To(Succeed())
			g.Expect(object.GetUID()).NotTo(Equal(before))
		}, soon).Should(Succeed())
	},
		Entry("NetworkPolicy", func() string { return "chat-default-deny" }, &networkingv1.NetworkPolicy{}),
		Entry("Deployment", func() string { return "chat-rpc-msg" }, &appsv1.Deployment{}),
		Entry("ConfigMap", func() string { return config }, &corev1.ConfigMap{}),
		Entry("Service", func() string { return "chat-api" }, &corev1.Service{}),
		Entry("ServiceAccount", func() string { return "chat-api" }, &corev1.ServiceAccount{}),
		Entry("PodDisruptionBudget", func() string { return "chat-gateway" }, &policyv1.PodDisruptionBudget{}),
		Entry("HorizontalPodAutoscaler", func() string { return "chat-push" }, &autoscalingv2.HorizontalPodAutoscaler{}),
	)

	// Each edit is made with another field owner, as by kubectl.
	DescribeTable("an edited child is put right", func(name string, object client.Object, edit, restored func()) {
		w.editObject(name, object, "kubectl-edit", edit)
		Eventually(func(g Gomega) {
			object.SetManagedFields(nil)
			g.Expect(w.get(name, object)).To(Succeed())
			g.Expect(InterceptGomegaFailure(restored)).NotTo(HaveOccurred())
		}, soon).Should(Succeed())
	},
		func() TableEntry {
			o := &networkingv1.NetworkPolicy{}
			return Entry("a policy opened to everybody", "chat-api-ingress", o,
				func() {
					o.Spec.Ingress = append(o.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
				},
				func() { Expect(o.Spec.Ingress).To(HaveLen(1)) })
		}(),
		func() TableEntry {
			o := &networkingv1.NetworkPolicy{}
			return Entry("a policy that forgets its egress", "chat-default-deny", o,
				func() { o.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress} },
				func() { Expect(o.Spec.PolicyTypes).To(HaveLen(2)) })
		}(),
		func() TableEntry {
			o := &appsv1.Deployment{}
			return Entry("another image", "chat-rpc-user", o,
				func() { o.Spec.Template.Spec.Containers[0].Image = "example.com/other:1" },
				func() {
					Expect(o.Spec.Template.Spec.Containers[0].Image).To(Equal("openim/openim-server:v3.8.3"))
				})
		}(),
		func() TableEntry {
			o := &appsv1.Deployment{}
			return Entry("a container beside ours, under the labels that the policies trust", "chat-backend", o,
				func() {
					o.Spec.Template.Spec.Containers = append(o.Spec.Template.Spec.Containers,
						corev1.Container{Name: "sidecar", Image: "example.com/sidecar:1"})
				},
				func() { Expect(o.Spec.Template.Spec.Containers).To(HaveLen(1)) })
		}(),
		func() TableEntry {
			o := &appsv1.Deployment{}
			return Entry("the host's network", "chat-push", o,
				func() { o.Spec.Template.Spec.HostNetwork = true },
				func() { Expect(o.Spec.Template.Spec.HostNetwork).To(BeFalse()) })
		}(),
		func() TableEntry {
			o := &corev1.Service{}
			return Entry("a Service opened on every node", "chat-api", o,
				func() { o.Spec.Type = corev1.ServiceTypeNodePort },
				func() { Expect(o.Spec.Type).To(Equal(corev1.ServiceTypeClusterIP)) })
		}(),
		func() TableEntry {
			o := &corev1.Service{}
			return Entry("a Service with an address from outside", "chat-msggateway", o,
				func() { o.Spec.ExternalIPs = []string{"192.0.2.1"} },
				func() { Expect(o.Spec.ExternalIPs).To(BeEmpty()) })
		}(),
		func() TableEntry {
			o := &policyv1.PodDisruptionBudget{}
			return Entry("a budget that lets all pods go at once", "chat-backend", o,
				func() { o.Spec.MaxUnavailable = ptr.To(intstr.FromString("100%")) },
				func() { Expect(o.Spec.MaxUnavailable.String()).To(Equal("1")) })
		}(),
		func() TableEntry {
			o := &autoscalingv2.HorizontalPodAutoscaler{}
			return Entry("an autoscaler without bounds", "chat-push", o,
				func() { o.Spec.MaxReplicas, o.Spec.MinReplicas = 1000, ptr.To[int32](900) },
				func() {
					Expect(o.Spec.MaxReplicas).To(Equal(int32(4)))
					Expect(o.Spec.MinReplicas).To(HaveValue(Equal(int32(1))))
				})
		}(),
		func() TableEntry {
			o := &corev1.ServiceAccount{}
			return Entry("a token for a process", "chat-rpc-auth", o,
				func() { o.AutomountServiceAccountToken = ptr.To(true) },
				func() { Expect(*o.AutomountServiceAccountToken).To(BeFalse()) })
		}(),
	)

	It("keeps a restart that a user requested", func() {
		patch := client.RawPatch(types.StrategicMergePatchType,
			[]byte(`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`))
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-rpc-group"}}
		Expect(k8s.Patch(w.ctx, d, patch, client.FieldOwner("kubectl-rollout"))).To(Succeed())
		Consistently(func() map[string]string {
			Expect(w.get(d.Name, d)).To(Succeed())
			return d.Spec.Template.Annotations
		}, "2s").Should(HaveKey("kubectl.kubernetes.io/restartedAt"))
	})

	It("deletes a child that is no longer desired, and keeps objects that only look like children", func() {
		var stack v1alpha1.OpenIMStack
		Expect(w.get("chat", &stack)).To(Succeed())
		lookalike := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "lookalike", Labels: map[string]string{
			v1alpha1.LabelInstance: "chat", v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelManagedBy: v1alpha1.ManagedBy,
			v1alpha1.LabelComponent: "api",
		}}}
		orphan := lookalike.DeepCopy()
		orphan.Name = "orphan"
		orphan.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(&stack, v1alpha1.GroupVersion.WithKind("OpenIMStack"))}
		w.create(lookalike)
		w.create(orphan)
		w.eventuallyReady("chat")
		Eventually(func() bool {
			w.beReady()
			return apierrors.IsNotFound(w.get("orphan", &corev1.ConfigMap{}))
		}).Should(BeTrue())
		Expect(w.get("lookalike", &corev1.ConfigMap{})).To(Succeed())
	})

	It("is repaired also while a reference is broken", func() {
		Expect(k8s.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "redis"}})).To(Succeed())
		Eventually(func() string {
			return w.condition("chat",
				v1alpha1.ConditionDependenciesReady).Reason
		}).Should(Equal(v1alpha1.ReasonSecretNotFound))
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace,
			Name: "chat-rpc-auth-ingress"}})).To(Succeed())
		Eventually(func() error { return w.get("chat-rpc-auth-ingress", &networkingv1.NetworkPolicy{}) }).Should(Succeed())
		w.secret("redis", "password", "another")
		Eventually(func() string {
			return w.condition("chat",
				v1alpha1.ConditionDependenciesReady).Reason
		}).Should(Equal(v1alpha1.ReasonResolved))
	})
})
