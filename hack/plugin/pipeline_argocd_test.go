package main

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// yamlInto reads YAML whose other fields do not matter.
func yamlInto(text string, into any) error { return yaml.Unmarshal([]byte(text), into) }

// hook holds the objects of config/pipeline/argocd-presync.yaml.
type hook struct {
	account corev1.ServiceAccount
	binding rbacv1.ClusterRoleBinding
	job     batchv1.Job
}

func readHook(t *testing.T, r repository) hook {
	t.Helper()
	documents := strings.Split(r.read("config/pipeline/argocd-presync.yaml"), "\n---\n")
	NewWithT(t).Expect(documents).To(HaveLen(3))
	var h hook
	decode(t, documents[0], &h.account)
	decode(t, documents[1], &h.binding)
	decode(t, documents[2], &h.job)
	return h
}

// The Job has the auditor's role of config/rbac and no other. TestTheAuditorsRoleMatchesTheRequests compares the role with what the audit
// lists.
func TestTheRightsOfTheHook(t *testing.T) {
	g, r := NewWithT(t), newRepository(t)
	h := readHook(t, r)
	var role rbacv1.ClusterRole
	decode(t, r.read("config/rbac/openimstack_auditor_role.yaml"), &role)
	g.Expect(h.binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: role.Kind, Name: role.Name}))
	g.Expect(h.binding.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Name: h.account.Name, Namespace: "im"}}))
	g.Expect(h.job.Spec.Template.Spec.ServiceAccountName).To(Equal(h.account.Name))
}

// All three are hooks: objects of the sync itself would come after the Job that needs them.
func TestTheOrderOfTheHook(t *testing.T) {
	g, r := NewWithT(t), newRepository(t)
	h := readHook(t, r)
	for wave, annotations := range map[string][]map[string]string{
		"-1": {h.account.Annotations, h.binding.Annotations}, "": {h.job.Annotations},
	} {
		for _, a := range annotations {
			g.Expect(a["argocd.argoproj.io/hook"]).To(Equal("PreSync"))
			g.Expect(a["argocd.argoproj.io/hook-delete-policy"]).To(Equal("BeforeHookCreation"))
			g.Expect(a["argocd.argoproj.io/sync-wave"]).To(Equal(wave))
		}
	}
	g.Expect(h.job.Spec.BackoffLimit).To(Equal(ptr.To[int32](0)), "one finding is enough")
}

// The namespaces of stacks may enforce the restricted profile, and the pod must not look like one of a stack.
func TestThePodOfTheHook(t *testing.T) {
	g, r := NewWithT(t), newRepository(t)
	h := readHook(t, r)
	pod := h.job.Spec.Template
	g.Expect(pod.Labels).To(BeEmpty())
	g.Expect(*pod.Spec.SecurityContext.RunAsNonRoot).To(BeTrue())
	g.Expect(pod.Spec.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	c := pod.Spec.Containers[0]
	g.Expect(*c.SecurityContext.AllowPrivilegeEscalation).To(BeFalse())
	g.Expect(*c.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
	g.Expect(c.SecurityContext.Capabilities.Drop).To(Equal([]corev1.Capability{"ALL"}))
	g.Expect(c.Resources.Limits).To(HaveKey(corev1.ResourceMemory))
}

// The command of the Job. There is no cluster here, so that its answer is the one without a kubeconfig, and that for a folder.
func TestTheCommandOfTheHook(t *testing.T) {
	g, r := NewWithT(t), newRepository(t)
	c := readHook(t, r).job.Spec.Template.Spec.Containers[0]
	command := strings.Join(append(c.Command, c.Args...), " ")
	code, out := r.shell(command)
	g.Expect(code).To(Equal(1))
	g.Expect(out).To(ContainSubstring("reading the kubeconfig"), "it audits a cluster")
	code, out = r.shell(command + " --from-files deploy")
	g.Expect(code).To(Equal(0), out)
	r.open()
	code, _ = r.shell(command + " --from-files deploy")
	g.Expect(code).To(Equal(2))
}
