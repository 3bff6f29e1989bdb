package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// restarted is the annotation that `kubectl rollout restart` sets. The operator keeps it.
const restarted = "kubectl.kubernetes.io/restartedAt"

// workloads reserves a stack's labels in pod templates for the operator. With it, the ReplicaSet controller creates pods with these labels
// only for a ReplicaSet that the Deployment controller created for a Deployment of the operator.
func workloads() spec {
	return spec{
		name: "workloads",
		resources: []admissionv1.NamedRuleWithOperations{
			on("apps", []string{"deployments", "replicasets", "statefulsets", "daemonsets"}, admissionv1.Create, admissionv1.Update),
			on("batch", []string{"jobs", "cronjobs"}, admissionv1.Create, admissionv1.Update),
			on("", []string{"replicationcontrollers", "podtemplates"}, admissionv1.Create, admissionv1.Update),
		},
		conditions: []admissionv1.MatchCondition{{
			Name: "labels",
			Expression: fill("[object, oldObject].exists(o, o != null && <template>.?metadata.?labels[?'<instance>'].hasValue())",
				"<template>", template("o"), "<instance>", v1alpha1.LabelInstance),
		}},
		variables: []admissionv1.Variable{
			stackPods(),
			variable("template", template("object")),
			variable("old", "oldObject == null ? {} : "+template("oldObject")),
			variable("labels", "variables.template.?metadata.?labels.orValue({})"),
			variable("before", "variables.old.?metadata.?labels.orValue({})"),
			variable("notes", "variables.template.?metadata.?annotations.orValue({})"),
			variable("oldNotes", "variables.old.?metadata.?annotations.orValue({})"),
			variable("kept", `oldObject != null && variables.labels == variables.before && variables.template.?spec == variables.old.?spec &&
				variables.notes.all(k, k == '<restarted>' || variables.oldNotes[?k] == variables.notes[?k]) &&
				variables.oldNotes.all(k, k == '<restarted>' || k in variables.notes)`, "<restarted>", restarted),
			variable("ours", reserved("variables.labels")+" || "+reserved("variables.before")),
		},
		refusals: []refusal{
			{
				allowed: "oldObject != null && " + reserved("variables.before") + " || !variables.ours || variables.trusted || " + fromDeployment(),
				summary: "the pod template has labels that are reserved for the pods of an OpenIMStack",
				message: keptLabels("'The pod template of ' + variables.it"),
			},
			{
				allowed: "oldObject == null || !" + reserved("variables.before") + " || variables.trusted || variables.kept || " + fromDeployment(),
				summary: "the pod template belongs to an OpenIMStack",
				message: `'The pod template of ' + variables.it + ' belongs to OpenIMStack "' + variables.stack +
					'", and only the operator may change it: change the stack\'s spec'`,
			},
		},
	}
}

func fromDeployment() string {
	return "request.resource.resource == 'replicasets' && request.userInfo.username in " + texts(replicaSetMakers)
}

// template returns an expression for the pod template of any workload: a CronJob has it deeper, a PodTemplate at the top.
func template(object string) string {
	return fill("<o>.?spec.?jobTemplate.?spec.?template.or(<o>.?spec.?template).or(<o>.?template).orValue({})", "<o>", object)
}
