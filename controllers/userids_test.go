package controllers_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// restrictedV2 is what OpenShift's constraint restricted-v2 asks of a pod in a namespace with the range 1000660000/10000
// (docs.openshift.com, "About security context constraints"). A field that a pod leaves out is set by OpenShift.
var restrictedV2 = []admissionregistrationv1.Validation{
	{Expression: "variables.users.all(u, u >= 1000660000 && u < 1000670000)",
		Message: "runAsUser: must be in the ranges: [1000660000, 1000669999]"},
	{Expression: "variables.groups.all(g, g >= 1000660000 && g < 1000670000)", Message: "fsGroup: not an allowed group"},
	{Expression: "!has(object.spec.hostNetwork) && !has(object.spec.hostPID) && !has(object.spec.hostIPC)", Message: "host namespaces"},
	{Expression: "!has(object.spec.volumes) || object.spec.volumes.all(v, has(v.configMap) || has(v.csi) || has(v.downwardAPI) || " +
		"has(v.emptyDir) || has(v.ephemeral) || has(v.persistentVolumeClaim) || has(v.projected) || has(v.secret))", Message: "volumes"},
	{Expression: "variables.containers.all(c, has(c.securityContext) && " +
		"c.securityContext.?allowPrivilegeEscalation.orValue(true) == false && " +
		"c.securityContext.?capabilities.?drop.orValue([]).exists(d, d == 'ALL') && " +
		"c.securityContext.?capabilities.?add.orValue([]).all(a, a == 'NET_BIND_SERVICE'))", Message: "capabilities"},
	{Expression: "object.spec.?securityContext.?seccompProfile.?type.orValue('RuntimeDefault') == 'RuntimeDefault' && " +
		"!has(object.spec.securityContext.seLinuxOptions)", Message: "seccomp, SELinux"},
}

// restrict makes admission judge the pods of the namespace as restricted-v2 does, and waits until it does.
func (w testEnv) restrict() {
	GinkgoHelper()
	name := "restricted-v2-" + w.namespace
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				},
			}}},
			Variables: []admissionregistrationv1.Variable{
				{Name: "containers", Expression: "object.spec.containers + object.spec.?initContainers.orValue([])"},
				{Name: "users", Expression: "(has(object.spec.securityContext.runAsUser) ? [object.spec.securityContext.runAsUser] : []) + " +
					"variables.containers.filter(c, has(c.securityContext) && has(c.securityContext.runAsUser)).map(c, c.securityContext.runAsUser)"},
				{Name: "groups", Expression: "has(object.spec.securityContext.fsGroup) ? [object.spec.securityContext.fsGroup] : []"},
			},
			Validations: restrictedV2,
		},
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
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
	Eventually(func() error {
		return k8s.Create(w.ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tried"},
			Spec: corev1.PodSpec{
				SecurityContext: &corev1.PodSecurityContext{RunAsUser: ptr.To[int64](65532)},
				Containers: []corev1.Container{{Name: "a", Image: "a", SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: ptr.To(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				}}},
			},
		}, client.DryRunAll)
	}).Should(MatchError(ContainSubstring("runAsUser: must be in the ranges")))
}

var _ = Describe("Users and groups that the platform chooses", func() {
	var w testEnv

	BeforeEach(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		w.restrict()
		startKubelet(w.namespace)
	})
	probing := func(platform bool) prober.Options {
		return prober.Options{
			Image: "openimstack/openim-operator:test", WatchNamespaces: []string{w.namespace}, PlatformUserIDs: platform,
		}
	}
	effective := func(value v1alpha1.UserIDs) {
		GinkgoHelper()
		Eventually(func() []v1alpha1.EffectiveValue { return w.status("chat").Effective }).
			Should(ContainElement(v1alpha1.EffectiveValue{Name: "pods.userIDs", Value: string(value)}))
	}

	It("are left out of all pods, the probe's too, and a stack that was refused runs then", func() {
		startProbing(probing(false))
		w.start("chat")
		effective(v1alpha1.UserIDsFixed)
		Eventually(func() string { return w.process("chat", "push").Reason }).Should(Equal(v1alpha1.ReasonAdmissionRefused))
		Expect(w.process("chat", "push").Message).To(ContainSubstring("ValidatingAdmissionPolicy restricted-v2-"))

		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = &v1alpha1.Pods{UserIDs: v1alpha1.UserIDsPlatform} })
		w.rolledOut("chat")
		effective(v1alpha1.UserIDsPlatform)
		w.eventuallyIsolated("chat", "True/Enforced", "")
		Expect(w.request("chat", "again").Time.Time).To(BeTemporally("~", time.Now(), time.Minute), "the probe's pods are admitted")
	})

	It("are the default where the cluster has OpenShift's constraints, and Fixed is kept to", func() {
		startWith(operatorSetting{probing: probing(true), access: dependencies.Access{PlatformUserIDs: true}})
		w.start("chat")
		effective(v1alpha1.UserIDsPlatform)
		w.rolledOut("chat")
		context := w.podTemplate("chat-push").Spec.SecurityContext
		Expect([]*int64{context.RunAsUser, context.RunAsGroup, context.FSGroup}).To(HaveEach(BeNil()))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = &v1alpha1.Pods{UserIDs: v1alpha1.UserIDsFixed} })
		effective(v1alpha1.UserIDsFixed)
		Eventually(func() *int64 { return w.podTemplate("chat-rpc-user").Spec.SecurityContext.RunAsUser }).
			Should(HaveValue(BeEquivalentTo(65532)))
		w.change("chat", func(s *v1alpha1.OpenIMStackSpec) { s.Pods = nil })
		w.rolledOut("chat")
	})
})
