package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
)

// templateOf returns a template that is written as YAML.
func templateOf(text string) *runtime.RawExtension {
	GinkgoHelper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	Expect(err).NotTo(HaveOccurred())
	return &runtime.RawExtension{Raw: raw}
}

// templated returns a change that gives all components a template.
func templated(text string) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Pods = &v1alpha1.Pods{Template: templateOf(text)} }
}

// podTemplate returns the pod template of a component's Deployment.
func (w testEnv) podTemplate(deployment string) corev1.PodTemplateSpec {
	GinkgoHelper()
	var d appsv1.Deployment
	Expect(w.get(deployment, &d)).To(Succeed())
	return d.Spec.Template
}

const dedicated = "spec: {tolerations: [{key: dedicated, value: chat, effect: NoSchedule}]}"

var _ = Describe("Templates of pods", func() {
	var w testEnv

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
	})

	It("reach every component by one rollout, survive it, and go again", func() {
		w.start("chat")
		w.rolledOut("chat")
		before := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods = &v1alpha1.Pods{Template: templateOf(dedicated), Components: []v1alpha1.ComponentPods{{
				Name:     "rpc",
				Template: templateOf(`{spec: {containers: [{name: component, env: [{name: GOMEMLIMIT, value: 900MiB}]}]}}`),
			}}}
		})
		Eventually(func() []corev1.Toleration { return w.podTemplate("chat-rpc-user").Spec.Tolerations }).Should(HaveLen(1))
		w.rolledOut("chat")
		for name, count := range w.templates() {
			Expect(count).To(Equal(before[name]+1), "%s is replaced once", name)
			template := w.podTemplate(name)
			Expect(template.Spec.Tolerations).To(HaveLen(1), name)
			limited := ContainElement(corev1.EnvVar{Name: "GOMEMLIMIT", Value: "900MiB"})
			if strings.HasPrefix(name, "chat-rpc-") {
				Expect(template.Spec.Containers[0].Env).To(limited, name)
			} else {
				Expect(template.Spec.Containers[0].Env).NotTo(limited, name)
			}
		}
		w.eventuallyReady("chat")

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		Eventually(func() []corev1.Toleration { return w.podTemplate("chat-rpc-user").Spec.Tolerations }).Should(BeEmpty())
		w.rolledOut("chat")
		w.eventuallyReady("chat")
	})

	It("that are refused change nothing, are named with the remedy, and the corrected one is accepted", func() {
		w.start("chat", templated(dedicated))
		w.rolledOut("chat")
		before := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			templated("spec: {hostNetwork: true, containers: [{name: component, command: [sh]}]}")(s)
			s.Version = newer
		})
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateRefused)).To(And(
			ContainSubstring("spec.pods.template.spec.hostNetwork: the pod would leave the network that the stack's policies seal: remove it"),
			ContainSubstring("spec.pods.template.spec.containers[component].command: ")))
		w.change("chat", templated("spec: {tolerationz: []}"))
		Eventually(func() string { return w.condition("chat", v1alpha1.ConditionSettingsAccepted).Message }).
			Should(ContainSubstring(`spec.pods.template: it is no PodTemplateSpec: unknown field "spec.tolerationz"`), "the API server keeps it")
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(HaveValue(HaveField("Reason", v1alpha1.ReasonPodTemplateRefused)))
		Expect(k8s.Delete(w.ctx, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "chat-default-deny"}})).
			To(Succeed())
		Eventually(func() error { return w.get("chat-default-deny", &networkingv1.NetworkPolicy{}) }).Should(Succeed(), "repair goes on")
		Expect(w.templates()).To(Equal(before))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			templated("spec: {priorityClassName: system-cluster-critical}")(s)
			s.Version = "v3.8.3"
		})
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.PriorityClassName).To(Equal("system-cluster-critical"))
		w.eventuallyReady("chat")
	})

	It("never start a stack when they are refused from the beginning", func() {
		stack := w.stack("chat")
		templated("metadata: {labels: {app.kubernetes.io/component: api}}")(&stack.Spec)
		w.create(stack)
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateRefused)
		Expect(w.deployments("chat")).To(BeEmpty())
		w.change("chat", templated("metadata: {labels: {team: chat}}"))
		w.eventuallyReady("chat")
		Expect(w.podTemplate("chat-push").Labels).To(And(HaveKeyWithValue("team", "chat"), HaveKeyWithValue(v1alpha1.LabelComponent, "push")))
	})

	It("are an exception while containers are added, or while pods are less confined", func() {
		w.start("chat", templated("spec: {containers: [{name: agent, image: agent:1, securityContext: {runAsNonRoot: false}}]}"))
		exceptions := func() []string { return ptr.Deref(w.status("chat").Boundary, v1alpha1.Boundary{}).Exceptions }
		disclosed := ContainElements(
			HavePrefix("ExtraContainer/all/agent: container agent with image agent:1 runs in the pods of every component, in their network. "),
			HavePrefix("PodSecurityLowered/all: pods of every component run with agent's runAsNonRoot: false. "))
		Eventually(exceptions).Should(disclosed)
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.Containers).To(HaveLen(2))
		w.change("chat", templated("spec: {hostNetwork: true}"))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateRefused)
		Expect(exceptions()).To(disclosed, "the containers still run")
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		w.rolledOut("chat")
		Eventually(exceptions).Should(BeEmpty())
	})

	It("that the API server refuses are named with the component, write nothing, and the corrected one is used", func() {
		w.start("chat")
		w.rolledOut("chat")
		before, revisions := w.templates(), len(w.runRevisions())
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{
				Name: "push", Template: templateOf("spec: {tolerations: [{key: a, operator: Sometimes}]}"),
			}}}
		})
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateInvalid)).To(And(
			HavePrefix("spec.pods: with its templates, push is refused: "), ContainSubstring("Sometimes"), Not(ContainSubstring("gateway"))))
		Expect(w.condition("chat", v1alpha1.ConditionStalled)).To(HaveValue(HaveField("Reason", v1alpha1.ReasonPodTemplateInvalid)))
		Expect(w.templates()).To(Equal(before))
		Expect(w.runRevisions()).To(HaveLen(revisions))
		w.change("chat", templated(dedicated))
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.Tolerations).To(HaveLen(1))
		w.eventuallyReady("chat")
	})
})

var _ = Describe("Accounts, pull secrets and disruption budgets of spec.pods", func() {
	It("follow the spec, and refused annotations change nothing", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator()
		const role = "eks.amazonaws.com/role-arn"
		w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods = &v1alpha1.Pods{
				PullSecrets:               []v1alpha1.LocalReference{{Name: "mirror"}},
				ServiceAccountAnnotations: map[string]v1alpha1.AnnotationValue{role: "first"},
			}
		})
		w.rolledOut("chat")
		annotated := func() string {
			var account corev1.ServiceAccount
			Expect(w.get("chat-rpc-third", &account)).To(Succeed())
			return account.Annotations[role]
		}
		evictable := func(component string) string {
			var budget policyv1.PodDisruptionBudget
			Expect(w.get("chat-"+component, &budget)).To(Succeed())
			return budget.Spec.MaxUnavailable.String()
		}
		Expect(annotated()).To(Equal("first"))
		Expect(w.podTemplate("chat-push").Spec.ImagePullSecrets).To(Equal([]corev1.LocalObjectReference{{Name: "mirror"}}))
		Expect(evictable("rpc-third")).To(Equal("1"))
		Expect(apierrors.IsNotFound(w.get("chat-crontask", &policyv1.PodDisruptionBudget{}))).To(BeTrue(), "crontask has one pod")

		before := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods.ServiceAccountAnnotations = map[string]v1alpha1.AnnotationValue{
				role: "second", "kubernetes.io/enforce-mountable-secrets": "true",
			}
			s.Pods.PullSecrets = nil
			s.Pods.Components = []v1alpha1.ComponentPods{{Name: "rpc", MaxUnavailable: ptr.To(intstr.FromInt32(3))}}
		})
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateRefused)).To(HavePrefix(
			`spec.pods.serviceAccountAnnotations: "kubernetes.io/enforce-mountable-secrets" is an annotation of Kubernetes`))
		Expect(w.templates()).To(Equal(before))
		Expect([]string{annotated(), evictable("rpc-third")}).To(Equal([]string{"first", "1"}))
		for _, gone := range []client.Object{&corev1.ServiceAccount{}, &policyv1.PodDisruptionBudget{}} {
			gone.SetNamespace(w.namespace)
			gone.SetName("chat-rpc-third")
			Expect(k8s.Delete(w.ctx, gone)).To(Succeed())
			Eventually(func() error { return w.get("chat-rpc-third", gone.DeepCopyObject().(client.Object)) }).Should(Succeed(), "repair goes on")
		}
		Expect([]string{annotated(), evictable("rpc-third")}).To(Equal([]string{"first", "1"}))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) {
			s.Pods.ServiceAccountAnnotations = map[string]v1alpha1.AnnotationValue{role: "third"}
			s.Pods.Components = []v1alpha1.ComponentPods{{Name: "rpc", MaxUnavailable: ptr.To(intstr.FromString("50%"))}}
		})
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.ImagePullSecrets).To(BeEmpty())
		Expect([]string{annotated(), evictable("rpc-third"), evictable("push")}).To(Equal([]string{"third", "50%", "1"}))

		settled := w.templates()
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		Eventually(annotated).Should(BeEmpty())
		Eventually(func() string { return evictable("rpc-third") }).Should(Equal("1"))
		w.eventuallyReady("chat")
		Expect(w.templates()).To(Equal(settled), "neither an account nor a budget restarts a pod")

		for _, bad := range []intstr.IntOrString{
			intstr.FromInt32(0), intstr.FromInt32(-1), intstr.FromInt32(1001), intstr.FromString("0%"), intstr.FromString("101%"),
			intstr.FromString("1"), intstr.FromString(""), intstr.FromString("5 %"),
		} {
			stack := w.stack("refused")
			stack.Spec.Pods = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "rpc", MaxUnavailable: &bad}}}
			Expect(k8s.Create(w.ctx, stack)).To(MatchError(ContainSubstring(
				"maxUnavailable must be a number from 1 to 1000, or a share such as 25%")), bad.String())
		}
	})
})

var _ = Describe("Templates of pods", func() {
	It("that admission refuses change nothing, and are used once it takes them", func(ctx context.Context) {
		w := newTestEnv(context.WithoutCancel(ctx))
		startOperator(func(r *controllers.Reconciler) { r.Hasten(retryIn, messagesIn) })
		w.refuseTolerations()
		w.start("chat")
		w.rolledOut("chat")
		before := w.templates()
		w.change("chat", templated(dedicated))
		Expect(w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionFalse, v1alpha1.ReasonPodTemplateInvalid)).
			To(ContainSubstring("push is refused: "))
		Expect(w.templates()).To(Equal(before))
		Expect(k8s.Delete(w.ctx, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).
			To(Succeed())
		w.says("chat", v1alpha1.ConditionSettingsAccepted, metav1.ConditionTrue, v1alpha1.ReasonAccepted)
		w.rolledOut("chat")
		Expect(w.podTemplate("chat-push").Spec.Tolerations).To(HaveLen(1))
		w.eventuallyReady("chat")
	})
})

// refuseTolerations makes admission refuse Deployments of the namespace whose pods tolerate something, and waits until it does.
func (w testEnv) refuseTolerations() {
	GinkgoHelper()
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{"CREATE", "UPDATE"},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"}},
				},
			}}},
			Validations: []admissionregistrationv1.Validation{{
				Expression: "!has(object.spec.template.spec.tolerations)", Message: "nothing is tolerated here",
			}},
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: w.namespace},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: w.namespace, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
			MatchResources: &admissionregistrationv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
				MatchLabels: map[string]string{corev1.LabelMetadataName: w.namespace},
			}},
		},
	}
	w.create(policy)
	w.create(binding)
	DeferCleanup(func() {
		Expect(client.IgnoreNotFound(k8s.Delete(w.ctx, binding))).To(Succeed())
		Expect(client.IgnoreNotFound(k8s.Delete(w.ctx, policy))).To(Succeed())
	})
	labels := map[string]string{"app": "tried"}
	Eventually(func() error {
		return k8s.Create(w.ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tried"},
			Spec: appsv1.DeploymentSpec{
				Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "a", Image: "a"}}, Tolerations: []corev1.Toleration{{Operator: "Exists"}},
				}},
			},
		}, client.DryRunAll)
	}).Should(MatchError(ContainSubstring("nothing is tolerated here")))
}
