package admission_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/netpol/admission"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func policyNamed(t *testing.T, name string) *admissionv1.ValidatingAdmissionPolicy {
	t.Helper()
	all := admission.Policies(admission.Enforce)
	i := slices.IndexFunc(all, func(g admission.Policy) bool { return g.Name == name })
	NewWithT(t).Expect(i).To(BeNumerically(">=", 0), name)
	return all[i].Policy
}

func expressionOf(p *admissionv1.ValidatingAdmissionPolicy, variable string) string {
	i := slices.IndexFunc(p.Spec.Variables, func(v admissionv1.Variable) bool { return v.Name == variable })
	return p.Spec.Variables[i].Expression
}

func TestEveryAdmissionPolicyFailsClosedForTheStacksOfTheObjectsNamespace(t *testing.T) {
	for _, each := range admission.Policies(admission.Enforce) {
		g := NewWithT(t)
		g.Expect(*each.Policy.Spec.FailurePolicy).To(Equal(admissionv1.Fail), each.Name)
		g.Expect(each.Policy.Spec.ParamKind.Kind).To(Equal("OpenIMStack"), each.Name)
		g.Expect(each.Binding.Spec.PolicyName).To(Equal(each.Policy.Name))
		g.Expect(each.Binding.Spec.ParamRef.Namespace).To(BeEmpty(), each.Name)
		g.Expect(*each.Binding.Spec.ParamRef.ParameterNotFoundAction).To(Equal(admissionv1.AllowAction), each.Name)
		for _, rule := range each.Policy.Spec.MatchConstraints.ResourceRules {
			// A namespaced parameter is an error for an object without a namespace.
			g.Expect(*rule.Scope).To(Equal(admissionv1.NamespacedScope), each.Name)
			g.Expect(rule.APIVersions).To(Equal([]string{"*"}), "%s: another version is no way around", each.Name)
		}
		for _, v := range each.Policy.Spec.Validations {
			g.Expect(v.MessageExpression).To(And(ContainSubstring("variables.stack"), ContainSubstring(`OpenIMStack "`)), each.Name)
			g.Expect(v.Message).NotTo(BeEmpty(), each.Name)
		}
	}
}

// The chart and docs/admission-policies.md replace the identities by their index.
func TestIdentitiesHaveAFixedIndexInEveryAdmissionPolicy(t *testing.T) {
	for _, each := range admission.Policies(admission.Audit) {
		var names []string
		for _, v := range each.Policy.Spec.Variables[:3] {
			names = append(names, v.Name)
		}
		NewWithT(t).Expect(names).To(Equal([]string{"operator", "exemptUsers", "exemptGroups"}), each.Name)
		NewWithT(t).Expect(expressionOf(each.Policy, "operator")).To(Equal(`"system:serviceaccount:openim-operator-system:openim-operator"`))
	}
}

func TestModesAreActions(t *testing.T) {
	for mode, actions := range map[admission.Mode][]admissionv1.ValidationAction{
		admission.Audit:   {admissionv1.Audit, admissionv1.Warn},
		admission.Enforce: {admissionv1.Deny},
	} {
		for _, each := range admission.Policies(mode) {
			NewWithT(t).Expect(each.Binding.Spec.ValidationActions).To(Equal(actions), each.Name)
		}
	}
}

// Components and ports in the admission policies come from the table of components; none of them is written twice.
func TestTheAdmissionPoliciesKnowEveryComponentAndEveryOpenPort(t *testing.T) {
	g := NewWithT(t)
	pods, services := expressionOf(policyNamed(t, "pods"), "pods"), policyNamed(t, "services")
	for _, c := range graph.Components() {
		g.Expect(pods).To(ContainSubstring("'"+c.Name+"'"), "pods of %s", c.Name)
		if len(c.ServicePorts()) > 0 {
			g.Expect(expressionOf(services, "services")).To(ContainSubstring("'-" + c.Name + "'"))
		}
	}
	open := expressionOf(services, "open")
	g.Expect(regexp.MustCompile(`'-([a-z-]+)'`).FindAllString(open, -1)).To(ConsistOf("'-gateway'", "'-msggateway'"), "%s", open)
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	g.Expect(open).To(And(ContainSubstring("'"+graph.UsersPort+"'"), ContainSubstring("'"+graph.AdminPort+"'")))
	g.Expect(open).NotTo(ContainSubstring(graph.TelemetryPort))
	g.Expect(gateway.Ports).To(HaveLen(3), "users, admin and telemetry")
	g.Expect(strings.Count(open, "variables.direct")).To(Equal(2), "the WebSocket is open when the spec says so")
	sealed := expressionOf(policyNamed(t, "endpoints"), "openim")
	for _, c := range graph.Components() {
		for _, p := range c.Ports {
			if c.App == v1alpha1.NameOpenIM {
				g.Expect(sealed).To(MatchRegexp(`[\[ ]%d[,\]]`, p.Number), c.Name)
			}
		}
	}
}

// A policy could select pods by a label that the admission policies do not know.
func TestTheAdmissionPoliciesKnowEveryLabelOfTheStacksPods(t *testing.T) {
	g := NewWithT(t)
	expressions := expressionOf(policyNamed(t, "network-policies"), "pods") + expressionOf(policyNamed(t, "network-policies"), "selected")
	seen := map[string]bool{}
	for _, o := range goldenDeployments(t) {
		labels := o.Spec.Template.Labels
		delete(labels, "team") // of spec.pods of one stack: docs/admission-policies.md says that such labels are not known
		maps.DeleteFunc(labels, func(key, _ string) bool { return strings.Contains(expressions, "'"+key+"'") })
		g.Expect(labels).To(BeEmpty(), "labels of %s that the admission policies do not know", o.Name)
		seen[o.Name] = true
	}
	always := slices.DeleteFunc(graph.Components(), func(c graph.Component) bool { return c.OnDemand })
	g.Expect(len(seen)).To(BeNumerically(">=", len(always)))
}

// goldenDeployments returns the Deployments of every case of controllers/manifests.
func goldenDeployments(t *testing.T) []appsv1.Deployment {
	t.Helper()
	var all []appsv1.Deployment
	for _, name := range manifeststest.Cases(t, stacks) {
		_, objects := manifeststest.Build(t, filepath.Join(stacks, name))
		for _, o := range objects {
			if d, ok := o.(*appsv1.Deployment); ok {
				all = append(all, *d)
			}
		}
	}
	return all
}
