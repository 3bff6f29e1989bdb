package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Mode says what becomes of an object that a guard finds wanting.
type Mode string

// Modes of the guards.
const (
	// Audit lets it pass, warns whoever sent it, and annotates the API server's audit log.
	Audit Mode = "Audit"
	// Enforce refuses it.
	Enforce Mode = "Enforce"
)

// Actions of a mode, as a binding has them.
func (m Mode) Actions() []admissionv1.ValidationAction {
	if m == Enforce {
		return []admissionv1.ValidationAction{admissionv1.Deny}
	}
	return []admissionv1.ValidationAction{admissionv1.Audit, admissionv1.Warn}
}

// Label of policies and bindings: the guard's short name.
const Label = "openimstack.dev/guard"

// prefix of the names of policies and bindings. The chart puts the release's name before "-guard-".
const prefix = "openim-operator-guard-"

// Guard is a ValidatingAdmissionPolicy with the binding that puts it in force for all stacks of the cluster: an object is judged
// once for each OpenIMStack of its namespace, and not at all where there is none.
type Guard struct {
	// Name is short: what is guarded.
	Name    string
	Policy  *admissionv1.ValidatingAdmissionPolicy
	Binding *admissionv1.ValidatingAdmissionPolicyBinding
}

// Guards returns all guards, with bindings of a mode.
func Guards(mode Mode) []Guard {
	var all []Guard
	for _, r := range []spec{
		networkPolicies(), ownPolicies(), pods(), bindings(), workloads(), services(), endpoints(), ingresses(), routes(),
	} {
		all = append(all, r.build(mode))
	}
	return all
}

// spec are what differs between the guards.
type spec struct {
	name       string
	resources  []admissionv1.NamedRuleWithOperations
	selector   *metav1.LabelSelector
	conditions []admissionv1.MatchCondition
	variables  []admissionv1.Variable
	refusals   []refusal
}

// refusal is a rule, with what is said to whoever breaks it.
type refusal struct {
	// allowed is an expression that is true for what may pass.
	allowed string
	// summary is the message when says itself cannot be worked out.
	summary string
	// message is an expression: the message, which names the object and the stack and says what to do.
	message string
}

func (r spec) build(mode Mode) Guard {
	meta := metav1.ObjectMeta{
		Name: prefix + r.name,
		Labels: map[string]string{
			v1alpha1.LabelName: v1alpha1.ManagedBy, v1alpha1.LabelComponent: "guard", Label: r.name,
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
	return Guard{
		Name: r.name,
		Policy: &admissionv1.ValidatingAdmissionPolicy{
			TypeMeta:   metav1.TypeMeta{APIVersion: version, Kind: "ValidatingAdmissionPolicy"},
			ObjectMeta: meta,
			Spec: admissionv1.ValidatingAdmissionPolicySpec{
				// What cannot be judged is refused: a rule that fails open is a way around it.
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
				// No namespace: the stacks of the object's own.
				ParamRef:          &admissionv1.ParamRef{Selector: &metav1.LabelSelector{}, ParameterNotFoundAction: ptr.To(admissionv1.AllowAction)},
				ValidationActions: mode.Actions(),
			},
		},
	}
}

// on names namespaced resources of a group, in all its versions: an object is judged by whichever path it comes.
func on(group string, resources []string, operations ...admissionv1.OperationType) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: operations,
		Rule: admissionv1.Rule{
			APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources, Scope: ptr.To(admissionv1.NamespacedScope),
		},
	}}
}
