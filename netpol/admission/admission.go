package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Mode selects what the API server does with an object that violates an admission policy.
type Mode string

// Modes of the admission policies.
const (
	// Audit admits the object, returns a warning to the client, and annotates the API server's audit log.
	Audit Mode = "Audit"
	// Enforce refuses the object.
	Enforce Mode = "Enforce"
)

// Actions returns the validationActions of a binding.
func (m Mode) Actions() []admissionv1.ValidationAction {
	if m == Enforce {
		return []admissionv1.ValidationAction{admissionv1.Deny}
	}
	return []admissionv1.ValidationAction{admissionv1.Audit, admissionv1.Warn}
}

// LabelPolicy of policies and bindings. Its value is the short name of the admission policy.
const LabelPolicy = "openimstack.dev/guard"

// prefix of the names of policies and bindings. The chart replaces the text before "-guard-" by the release's name.
const prefix = "openim-operator-guard-"

// Policy is a ValidatingAdmissionPolicy with the binding that applies it to all stacks of the cluster. The API server evaluates
// an object once for each OpenIMStack in the object's namespace, and not at all in a namespace without a stack.
type Policy struct {
	// Name is the short name, after the kinds that the policy checks.
	Name    string
	Policy  *admissionv1.ValidatingAdmissionPolicy
	Binding *admissionv1.ValidatingAdmissionPolicyBinding
}

// Policies returns all admission policies, with bindings of a mode.
func Policies(mode Mode) []Policy {
	var all []Policy
	for _, r := range []spec{
		networkPolicies(), ownPolicies(), pods(), bindings(), workloads(), services(), endpoints(), ingresses(), routes(),
	} {
		all = append(all, r.build(mode))
	}
	return all
}

// spec holds what differs between the admission policies.
type spec struct {
	name       string
	resources  []admissionv1.NamedRuleWithOperations
	selector   *metav1.LabelSelector
	conditions []admissionv1.MatchCondition
	variables  []admissionv1.Variable
	refusals   []refusal
}

// refusal is one rule of an admission policy, with its messages.
type refusal struct {
	// allowed is a CEL expression that is true for an object that the rule admits.
	allowed string
	// summary is the message when the expression of message fails.
	summary string
	// message is a CEL expression. Its result names the object, the stack and the remedy.
	message string
}

func (r spec) build(mode Mode) Policy {
	meta := metav1.ObjectMeta{
		Name: prefix + r.name,
		Labels: map[string]string{
			v1alpha1.LabelName: v1alpha1.ManagedBy, v1alpha1.LabelComponent: "guard", LabelPolicy: r.name,
		},
	}
	var validations []admissionv1.Validation
	for _, refusal := range r.refusals {
		validations = append(validations, admissionv1.Validation{
			Expression: fill(refusal.allowed), Message: refusal.summary, MessageExpression: fill(refusal.message),
			Reason: ptr.To(metav1.StatusReasonForbidden),
		})
	}
	version := admissionv1.SchemeGroupVersion.String()
	return Policy{
		Name: r.name,
		Policy: &admissionv1.ValidatingAdmissionPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: version, Kind: "ValidatingAdmissionPolicy"},
			ObjectMeta: meta,
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				// An object for which an expression fails is refused. Otherwise a failure would bypass the rule.
				FailurePolicy:    ptr.To(admissionv1.Fail),
				ParamKind:        &admissionv1.ParamKind{APIVersion: v1alpha1.GroupVersion.String(), Kind: "OpenIMStack"},
				MatchConstraints: &admissionv1.MatchResources{ResourceRules: r.resources, ObjectSelector: r.selector},
				MatchConditions:  r.conditions,
				Variables:        append(identities(), r.variables...),
				Validations:      validations,
			},
		},
		Binding: &admissionv1.ValidatingAdmissionPolicyBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: version, Kind: "ValidatingAdmissionPolicyBinding"},
			ObjectMeta: *meta.DeepCopy(),
			Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
				PolicyName: meta.Name,
				// Without a namespace, the parameters are the stacks in the object's namespace.
				ParamRef: &admissionv1.ParamRef{
					Selector: &metav1.LabelSelector{}, ParameterNotFoundAction: ptr.To(admissionv1.AllowAction),
				},
				ValidationActions: mode.Actions(),
			},
		},
	}
}

// on matches namespaced resources of a group in all versions, so that no version bypasses the rules.
func on(group string, resources []string, operations ...admissionv1.OperationType) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: operations,
		Rule: admissionv1.Rule{
			APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources, Scope: ptr.To(admissionv1.NamespacedScope),
		},
	}}
}
