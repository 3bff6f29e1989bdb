package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Users that create a stack's pods: the operator writes a Deployment, the Deployment controller creates ReplicaSets, and the ReplicaSet
// controller creates pods. Only the user of the request proves this. An owner reference proves nothing, because every client can write
// one.
var (
	podMakers        = []string{"system:kube-controller-manager", "system:serviceaccount:kube-system:replicaset-controller"}
	replicaSetMakers = []string{"system:kube-controller-manager", "system:serviceaccount:kube-system:deployment-controller"}
)

// pods reserves a stack's labels for the stack's pods. A pod with these labels has the access of a component. A pod of the stack that
// loses them is no longer protected, and a pod that gains other labels may be selected by another policy.
//
// All subresources are checked: pods/status also accepts labels.
func pods() spec {
	return spec{
		name:      "pods",
		resources: []admissionv1.NamedRuleWithOperations{on("", []string{"pods", "pods/*"}, admissionv1.Create, admissionv1.Update)},
		// The selector matches the old or the new object. All reserved sets of labels contain the instance label.
		selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: v1alpha1.LabelInstance, Operator: metav1.LabelSelectorOpExists},
		}},
		conditions: []admissionv1.MatchCondition{{
			Name: "pod", Expression: "request.kind.kind == 'Pod'",
		}},
		variables: []admissionv1.Variable{
			stackPods(),
			variable("labels", "object.metadata.?labels.orValue({})"),
			variable("before", "oldObject == null ? {} : oldObject.metadata.?labels.orValue({})"),
			variable("ours", reserved("variables.labels")+" || "+reserved("variables.before")),
			variable("containers", "object.spec.?containers.orValue([]) + object.spec.?initContainers.orValue([])"),
			variable("old", "oldObject == null ? [] : oldObject.spec.?containers.orValue([]) + oldObject.spec.?initContainers.orValue([])"),
		},
		refusals: []refusal{
			{
				allowed: "oldObject != null || !variables.ours || variables.trusted || request.userInfo.username in " + texts(podMakers),
				summary: "the Pod has labels that are reserved for the pods of an OpenIMStack",
				message: keptLabels("variables.it"),
			},
			{
				allowed: "oldObject == null || !variables.ours || variables.trusted || variables.labels == variables.before",
				summary: "the labels of an OpenIMStack's pod cannot be changed",
				message: `variables.it + ' is, or would become, a pod of OpenIMStack "' + variables.stack +
					'", and the stack\'s NetworkPolicies select it by its labels: do not change the labels'`,
			},
			{
				allowed: "oldObject == null || !variables.ours || variables.trusted || " +
					"variables.containers.map(c, c.?image.orValue('')) == variables.old.map(c, c.?image.orValue(''))",
				summary: "the images of an OpenIMStack's pod cannot be changed",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack +
					'", and another image would run with the access of a component: change the image in the stack\'s spec'`,
			},
			{
				allowed: "request.?subResource.orValue('') != 'ephemeralcontainers' || !variables.ours || variables.trusted",
				summary: "an ephemeral container in an OpenIMStack's pod would have the network access of a component",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack + '", and an ephemeral container would have the network ' +
					'access of a component: use logs and metrics, or ask the cluster\'s admin for an exemption'`,
			},
			{
				allowed: `!variables.ours || variables.trusted || oldObject != null ||
					!object.spec.?hostNetwork.orValue(false) && variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))`,
				summary: "an OpenIMStack's pod cannot use the node's network",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack +
					'", and NetworkPolicies do not apply on the node\'s network: remove hostNetwork and hostPort, ' +
					'and check the mutating webhooks of this namespace'`,
			},
		},
	}
}

func keptLabels(what string) string {
	return fill(`<it> + ' has labels that OpenIMStack "' + variables.stack +
		'" reserves for its own pods, and NetworkPolicies would treat it as one of them: write another value than "' + variables.stack +
		'" for <instance>, or remove this label'`,
		"<it>", what, "<instance>", v1alpha1.LabelInstance)
}

// bindings checks the labels of Bindings. They overwrite the pod's labels when a scheduler binds the pod (https://kep.k8s.io/4742), and
// the request contains no pod. Kubernetes' scheduler sets the node's region and zone.
func bindings() spec {
	return spec{
		name:      "bindings",
		resources: []admissionv1.NamedRuleWithOperations{on("", []string{"pods/binding", "bindings"}, admissionv1.Create)},
		conditions: []admissionv1.MatchCondition{{
			Name: "labels", Expression: "object.metadata.?labels.orValue({}).size() > 0",
		}},
		variables: []admissionv1.Variable{
			stackPods(),
			variable("relabels", "object.metadata.labels.exists(k, k in "+texts(selectorLabels)+")"),
			variable("adds", fill(`variables.pods.exists(p, object.metadata.?name.orValue('').startsWith(variables.stack + '-' + p['<component>'] + '-')) &&
				object.metadata.labels.exists(k, !(k in <loose>))`, "<component>", v1alpha1.LabelComponent, "<loose>", texts(unknownValueLabels))),
		},
		refusals: []refusal{{
			allowed: "variables.trusted || !variables.relabels && !variables.adds",
			summary: "the Binding would change labels of a pod in the namespace of an OpenIMStack",
			message: fill(`variables.it + ' would overwrite labels by which OpenIMStack "' + variables.stack +
				'" identifies its own pods: bind the pod without these labels: ' +
				object.metadata.labels.map(k, k).filter(k, !(k in <loose>)).join(', ')`, "<loose>", texts(unknownValueLabels)),
		}},
	}
}
