package admission

import (
	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Who makes a stack's pods out of what the operator writes: the operator a Deployment, of which the one controller makes
// ReplicaSets, of which the other makes pods. An owner reference proves nothing, since whoever creates a pod may write one; who sent
// the request does.
var (
	podMakers        = []string{"system:kube-controller-manager", "system:serviceaccount:kube-system:replicaset-controller"}
	replicaSetMakers = []string{"system:kube-controller-manager", "system:serviceaccount:kube-system:deployment-controller"}
)

// pods keeps a stack's labels for the stack's pods. Whatever carries them is let in where a component is; one of the stack's pods
// that loses them is no longer sealed; and one that gains others may be selected by somebody else's policy.
//
// All ways to labels are watched: a pod's status takes them, too.
func pods() spec {
	return spec{
		name:      "pods",
		resources: []admissionv1.NamedRuleWithOperations{on("", []string{"pods", "pods/*"}, admissionv1.Create, admissionv1.Update)},
		// Before or after: all that is reserved names the stack.
		selector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelInstance, Operator: metav1.LabelSelectorOpExists}}},
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
				summary: "the Pod carries labels that an OpenIMStack keeps for its own pods",
				message: keptLabels("variables.it"),
			},
			{
				allowed: "oldObject == null || !variables.ours || variables.trusted || variables.labels == variables.before",
				summary: "the labels of an OpenIMStack's pod cannot be changed",
				message: `variables.it + ' is, or would be, a pod of OpenIMStack "' + variables.stack +
					'", and the stack\'s policies seal it by its labels: leave the labels as they are'`,
			},
			{
				allowed: "oldObject == null || !variables.ours || variables.trusted || variables.containers.map(c, c.?image.orValue('')) == variables.old.map(c, c.?image.orValue(''))",
				summary: "the images of an OpenIMStack's pod cannot be changed",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack +
					'", and would run another image with the rights of a component: change the image in the stack\'s spec'`,
			},
			{
				allowed: "request.?subResource.orValue('') != 'ephemeralcontainers' || !variables.ours || variables.trusted",
				summary: "an ephemeral container in an OpenIMStack's pod would speak as a component",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack +
					'": an ephemeral container in it would share its network and speak as a component. Look at its logs and metrics, or ask the cluster\'s admin for an exemption'`,
			},
			{
				allowed: `!variables.ours || variables.trusted || oldObject != null ||
					!object.spec.?hostNetwork.orValue(false) && variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0))`,
				summary: "an OpenIMStack's pod cannot use the node's network",
				message: `variables.it + ' is a pod of OpenIMStack "' + variables.stack +
					'" and would listen on its node, where no NetworkPolicy holds: take hostNetwork and hostPort out, and look at what mutates pods in this namespace'`,
			},
		},
	}
}

func keptLabels(what string) string {
	return fill(`<it> + ' carries labels that OpenIMStack "' + variables.stack +
		'" keeps for its own pods, and would be let in as one of them: write another value than "' + variables.stack + '" for <instance>, or leave that label out'`,
		"<it>", what, "<instance>", v1alpha1.LabelInstance)
}

// bindings watches the one way to relabel a pod that shows no pod: the labels of a Binding overwrite the pod's when a scheduler
// places it (https://kep.k8s.io/4742). Kubernetes' own scheduler brings along where the node is.
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
			summary: "the Binding would relabel a pod beside an OpenIMStack",
			message: fill(`variables.it + ' would overwrite labels by which OpenIMStack "' + variables.stack +
				'" tells its own pods from others: bind the pod without these labels: ' + object.metadata.labels.map(k, k).filter(k, !(k in <loose>)).join(', ')`, "<loose>", texts(unknownValueLabels)),
		}},
	}
}
