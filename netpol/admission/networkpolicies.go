package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// networkPolicies refuses NetworkPolicies with rules that select a stack's pods, because the rules of all policies add up. A policy without
// rules only denies, and may select any pod. Rules count regardless of policyTypes, which some networks ignore.
func networkPolicies() spec {
	return spec{
		name: "network-policies",
		resources: []admissionv1.NamedRuleWithOperations{
			on("networking.k8s.io", []string{"networkpolicies"}, admissionv1.Create, admissionv1.Update),
		},
		variables: []admissionv1.Variable{
			stackPods(),
			variable("opens", "object.spec.?ingress.orValue([]).size() + object.spec.?egress.orValue([]).size() > 0"),
			variable("labels", "object.spec.?podSelector.?matchLabels.orValue({})"),
			variable("expressions", "object.spec.?podSelector.?matchExpressions.orValue([])"),
			variable("selected", `variables.pods.filter(p,
				variables.labels.all(k, k in <loose> || p[?k].orValue('') == variables.labels[k]) &&
				variables.expressions.all(e, e.key in <loose> ||
					(e.operator == 'In' ? e.key in p && p[e.key] in e.values :
					e.operator == 'NotIn' ? !(e.key in p) || !(p[e.key] in e.values) :
					e.operator == 'Exists' ? e.key in p : !(e.key in p)))
				).map(p, p['<component>'])`, "<loose>", texts(unknownValueLabels), "<component>", v1alpha1.LabelComponent),
		},
		refusals: []refusal{{
			allowed: "variables.trusted || !variables.opens || variables.selected.size() == 0 || " + unchanged("spec"),
			summary: "the NetworkPolicy allows traffic of pods of an OpenIMStack",
			message: fill(`variables.it + ' allows traffic of pods of OpenIMStack "' + variables.stack + '" (' +
				(variables.selected.size() == variables.pods.size() ? 'all of its pods' : variables.selected.join(', ')) +
				'), which only the operator may do: request the connection in the stack\'s spec.network, or exclude these pods by adding to ' +
				'podSelector.matchExpressions {key: <key>, operator: NotIn, values: [<value>]}'`,
				"<key>", v1alpha1.LabelPartOf, "<value>", v1alpha1.PartOf),
		}},
	}
}

// deleters are users that delete objects whose owner or namespace was deleted.
var deleters = []string{
	"system:kube-controller-manager", // a controller manager whose controllers have no accounts of their own
	"system:serviceaccount:kube-system:generic-garbage-collector",
	"system:serviceaccount:kube-system:namespace-controller",
}

// ownPolicies refuses changes and deletions of the stack's own NetworkPolicies by other users than the operator.
func ownPolicies() spec {
	return spec{
		name: "own-policies",
		resources: []admissionv1.NamedRuleWithOperations{
			on("networking.k8s.io", []string{"networkpolicies"}, admissionv1.Update, admissionv1.Delete),
		},
		conditions: []admissionv1.MatchCondition{{
			Name: "owned", Expression: "oldObject.metadata.?ownerReferences.hasValue()",
		}},
		variables: []admissionv1.Variable{
			variable("own", "oldObject.metadata.ownerReferences.exists(r, r.uid == params.metadata.uid && r.?controller.orValue(false))"),
			variable("kept", fill(`object != null && <spec> && <labels> && <owners> &&
				object.metadata.?annotations[?'<reason>'] == oldObject.metadata.?annotations[?'<reason>']`,
				"<spec>", unchanged("spec"), "<labels>", unchanged("metadata.?labels"),
				"<owners>", unchanged("metadata.?ownerReferences"), "<reason>", v1alpha1.AnnotationReason)),
		},
		refusals: []refusal{{
			allowed: "!variables.own || variables.trusted || request.userInfo.username in " + texts(deleters) + " || variables.kept",
			summary: "the NetworkPolicy belongs to an OpenIMStack",
			message: `variables.it + ' belongs to OpenIMStack "' + variables.stack +
				'", and only the operator may change or delete it: change the stack\'s spec.network'`,
		}},
	}
}
