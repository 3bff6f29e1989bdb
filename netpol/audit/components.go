package audit

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// component is a component of the stack, with its pods.
type component struct {
	graph.Component
	// pods run and are the stack's own.
	pods []*corev1.Pod
	// classes of the pods under the live policies; when no pod runs, the class of the pod that the Deployment would make.
	classes []*evaluate.Class
	// external and intended are the class of the component's pods for the evaluators of the same names.
	external, intended *evaluate.Class
}

// findComponents returns the components of the graph with their pods and classes.
func findComponents(m *Model) []*component {
	own := map[string][]*corev1.Pod{}
	for pod := range m.runningPods() {
		if name, owned := OwnedBy(m.graph, m.snapshot.Origin.Kind, pod); owned {
			own[name] = append(own[name], pod)
		}
	}
	var all []*component
	for _, c := range m.graph.Components {
		k := &component{Component: c, pods: own[c.Name]}
		template := PodOf(m.graph, c)
		if len(k.pods) > 0 {
			pods := addressed(k.pods)
			k.classes = m.live.Classes(pods, nil)
			template.Status = pods[0].Status
		} else {
			k.classes = []*evaluate.Class{m.live.ClassOf(evaluate.End{Pod: template})}
		}
		k.external, k.intended = m.external.ClassOf(evaluate.End{Pod: template}), m.intended.ClassOf(evaluate.End{Pod: template})
		all = append(all, k)
	}
	return all
}

// addressed returns the pods that have an address. A pod that is starting has none: nothing reaches it, and it must not be evaluated as if
// it had an address of each family beside pods that have one family. When no pod has an address, as in manifests, all are returned.
func addressed(pods []*corev1.Pod) []corev1.Pod {
	var all, found []corev1.Pod
	for _, p := range pods {
		all = append(all, *p)
		if p.Status.PodIP != "" || len(p.Status.PodIPs) > 0 {
			found = append(found, *p)
		}
	}
	if len(found) > 0 {
		return found
	}
	return all
}

// ComponentOf returns the component of a graph whose labels a pod carries, all of them. Policies and Services select the pod as that
// component, whichever workload made it: see OwnedBy.
func ComponentOf(g graph.Graph, pod *corev1.Pod) (component string, labelled bool) {
	if pod.Namespace != g.Namespace || pod.Labels[v1alpha1.LabelInstance] != g.Stack {
		return "", false
	}
	for _, c := range g.Components {
		if carries(pod.Labels, c.Labels(g.Stack)) {
			return c.Name, true
		}
	}
	return "", false
}

// carries reports whether labels include all of some others.
func carries(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if v, has := labels[key]; !has || v != value {
			return false
		}
	}
	return true
}

// OwnedBy returns the component of a graph that a pod is a replica of: the pod carries the component's labels and was made by its
// Deployment. Other pods that carry the labels are owned by no component.
func OwnedBy(g graph.Graph, source snapshot.OriginKind, pod *corev1.Pod) (component string, owned bool) {
	name, labelled := ComponentOf(g, pod)
	if !labelled || !MadeBy(pod, g.Stack, name, source) {
		return "", false
	}
	return name, true
}

// MadeBy reports whether a pod was made by the Deployment of a stack's component. A snapshot holds no ReplicaSets, so the pod's own
// metadata decides: its controller is a ReplicaSet named after the Deployment and the hash of the template, or, in files, the Deployment
// itself. For example, pod chat-api-5d9c7b6f4-x2x7k is controlled by ReplicaSet chat-api-5d9c7b6f4.
func MadeBy(pod *corev1.Pod, stack, component string, source snapshot.OriginKind) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return false
	}
	deployment := v1alpha1.ChildName(stack, component)
	if pod.Spec.ServiceAccountName != "" && pod.Spec.ServiceAccountName != deployment {
		return false
	}
	switch owner.Kind {
	case "ReplicaSet":
		hash := pod.Labels["pod-template-hash"]
		return hash != "" && owner.Name == deployment+"-"+hash
	case "Deployment":
		return source == snapshot.Files && owner.Name == deployment
	}
	return false
}

// runs reports whether a pod has a network: it has not finished.
func runs(pod *corev1.Pod) bool {
	return pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// isProbe reports whether a pod is one of the operator's probes. Probes come and go, so they are not part of the digest.
func isProbe(pod *corev1.Pod) bool {
	return pod.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe && pod.Labels[v1alpha1.LabelManagedBy] == v1alpha1.ManagedBy
}

// PodOf returns a component's pod as its Deployment makes it, with what policies can select: namespace, labels and named ports.
func PodOf(g graph.Graph, c graph.Component) *corev1.Pod {
	labels := c.Labels(g.Stack)
	labels[v1alpha1.LabelPartOf], labels[v1alpha1.LabelManagedBy] = v1alpha1.PartOf, v1alpha1.ManagedBy
	container := corev1.Container{Name: c.Name}
	for _, p := range c.Ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Number, Protocol: p.Protocol})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.ChildName(g.Stack, c.Name), Namespace: g.Namespace, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
	}
}
