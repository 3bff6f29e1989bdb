package render_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/render"
	"github.com/openimstack/openim-operator/netpol/admission"
)

// rendered are the guards of a stream of YAML documents, by name.
type rendered struct {
	policies map[string]admissionv1.ValidatingAdmissionPolicy
	bindings map[string]admissionv1.ValidatingAdmissionPolicyBinding
}

func guardsOf(t *testing.T, stream []byte) rendered {
	t.Helper()
	g := NewWithT(t)
	r := rendered{map[string]admissionv1.ValidatingAdmissionPolicy{}, map[string]admissionv1.ValidatingAdmissionPolicyBinding{}}
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return r
		}
		g.Expect(err).NotTo(HaveOccurred())
		var policy admissionv1.ValidatingAdmissionPolicy
		var binding admissionv1.ValidatingAdmissionPolicyBinding
		if yaml.UnmarshalStrict(document, &policy) == nil && policy.Kind == "ValidatingAdmissionPolicy" {
			r.policies[policy.Name] = policy
		}
		if yaml.UnmarshalStrict(document, &binding) == nil && binding.Kind == "ValidatingAdmissionPolicyBinding" {
			r.bindings[binding.Name] = binding
		}
	}
}

func expression(policy admissionv1.ValidatingAdmissionPolicy, variable string) string {
	i := slices.IndexFunc(policy.Spec.Variables, func(v admissionv1.Variable) bool { return v.Name == variable })
	return policy.Spec.Variables[i].Expression
}

func TestConfigInstallsEveryGuardAndEnforceRefuses(t *testing.T) {
	root := projectRoot(t)
	for folder, mode := range map[string]admission.Mode{"config/admission": admission.Audit, "config/admission-enforce": admission.Enforce} {
		g := NewWithT(t)
		stream, err := render.Kustomize(t.Context(), root, render.Overlay{Base: folder})
		g.Expect(err).NotTo(HaveOccurred())
		r := guardsOf(t, stream)
		for _, want := range admission.Policies(mode) {
			g.Expect(r.policies).To(HaveKeyWithValue(want.Policy.Name, *want.Policy), folder)
			g.Expect(r.bindings).To(HaveKeyWithValue(want.Binding.Name, *want.Binding), folder)
		}
		g.Expect(r.policies).To(HaveLen(len(admission.Policies(mode))), folder)
		g.Expect(r.bindings).To(HaveLen(len(admission.Policies(mode))), folder)
	}
}

// The guards of a release trust the release's own operator, are as wide as it, and exempt whom its values name.
func TestTheGuardsOfAReleaseAreItsOwn(t *testing.T) {
	root := projectRoot(t)
	g := NewWithT(t)
	stream, err := render.Chart(t.Context(), root, render.Release{Name: "chat", Namespace: "im-system", Values: `
admission: {enabled: true, mode: Enforce, exempt: {users: ['it''s "me"'], groups: [platform-admins]}}
watchNamespaces: [im, im2]
`})
	g.Expect(err).NotTo(HaveOccurred())
	r := guardsOf(t, stream)
	g.Expect(r.policies).To(HaveLen(len(admission.Policies(admission.Enforce))))
	for name, policy := range r.policies {
		g.Expect(name).To(HavePrefix("chat-openim-operator-guard-"))
		g.Expect(expression(policy, "operator")).To(Equal(`"system:serviceaccount:im-system:chat-openim-operator"`))
		g.Expect(expression(policy, "exemptUsers")).To(Equal(`["it's \"me\""]`))
		g.Expect(expression(policy, "exemptGroups")).To(Equal(`["platform-admins"]`))
		binding := r.bindings[name]
		g.Expect(binding.Spec.PolicyName).To(Equal(name))
		g.Expect(binding.Spec.ValidationActions).To(ConsistOf(admissionv1.Deny))
		g.Expect(binding.Spec.ParamRef.Selector).NotTo(BeNil(), "all stacks")
		g.Expect(binding.Spec.MatchResources.NamespaceSelector.MatchExpressions).To(HaveExactElements(
			HaveField("Values", HaveExactElements("im", "im2"))))
	}
}

// The page says how to name another operator and whom to exempt: a kustomization of its two examples does that.
func TestTheExamplesOfThePageWork(t *testing.T) {
	root := projectRoot(t)
	g := NewWithT(t)
	page, err := os.ReadFile(filepath.Join(root, "docs", "admission-policies.md"))
	g.Expect(err).NotTo(HaveOccurred())
	var examples string
	for _, example := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		examples += example[1]
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.CopyFS(filepath.Join(dir, "config"), os.DirFS(filepath.Join(root, "config")))).To(Succeed())
	namespace := filepath.Join(dir, "config", "default", "kustomization.yaml")
	content, err := os.ReadFile(namespace)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(namespace, bytes.Replace(content, []byte("namespace: openim-operator-system"), []byte("namespace: elsewhere"), 1),
		0o600)).
		To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(examples), 0o600)).To(Succeed())
	relative, err := filepath.Rel(root, dir)
	g.Expect(err).NotTo(HaveOccurred())

	stream, err := render.Kustomize(t.Context(), root, render.Overlay{Base: relative})
	g.Expect(err).NotTo(HaveOccurred())
	r := guardsOf(t, stream)
	g.Expect(r.policies).To(HaveLen(len(admission.Policies(admission.Audit))))
	for name, policy := range r.policies {
		g.Expect(expression(policy, "operator")).To(Equal(`"system:serviceaccount:elsewhere:openim-operator"`), name)
		g.Expect(expression(policy, "exemptUsers")).To(Equal("['carol']"), name)
		g.Expect(expression(policy, "exemptGroups")).To(Equal("['platform-admins']"), name)
	}
}
