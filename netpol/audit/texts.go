package audit

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// anyone describes a rule that names no peers.
const anyone = "anyone"

// describePeers returns a description of each peer: "anyone", "pods k8s-app=kube-dns in namespaces
// kubernetes.io/metadata.name=kube-system".
func describePeers(peers []networkingv1.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{anyone}
	}
	var texts []string
	for _, p := range peers {
		texts = append(texts, describePeer(p))
	}
	return texts
}

func describePeer(p networkingv1.NetworkPolicyPeer) string {
	return graph.DescribePeer(graph.Peer{NetworkPeers: []networkingv1.NetworkPolicyPeer{p}})
}

// isEmpty reports whether a selector is present and matches everything. A nil selector is not empty: it is absent.
func isEmpty(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// describePods names the first pod and counts the others.
func describePods(pods []*corev1.Pod) string {
	if len(pods) == 1 {
		return "pod " + fullName(nameOf(pods[0]))
	}
	return fmt.Sprintf("pod %s and %d more like it", fullName(nameOf(pods[0])), len(pods)-1)
}

// formatLabels returns labels in the form that kubectl's option -l takes.
func formatLabels(labels map[string]string) string { return joinLabels(labels, "=", ",") }

func joinLabels(labels map[string]string, equals, separator string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+equals+labels[key])
	}
	return strings.Join(pairs, separator)
}

// portName returns the name of a port in findings: "api:10002", "kafka:9092".
func portName(owner string, p graph.Port) string {
	return owner + ":" + strconv.Itoa(int(p.Number))
}

// maxListed is the number of items that a sentence lists.
const maxListed = 5

// list joins items, and counts those that would make a sentence too long.
func list(items []string) string {
	if len(items) <= maxListed {
		return strings.Join(items, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(items[:maxListed-1], ", "), len(items)-maxListed+1)
}

// joined joins the parts of a sentence that are not empty.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
}

// prefixed returns "subject: text", or the text alone when the subject is empty.
func prefixed(subject, text string) string {
	if subject == "" {
		return text
	}
	return subject + ": " + text
}

// distinct returns texts sorted and each once.
func distinct(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts)
}

// distinctInOrder returns texts each once, in their order.
func distinctInOrder(texts []string) []string {
	var all []string
	for _, text := range texts {
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// fullName returns "namespace/name".
func fullName(name types.NamespacedName) string { return name.Namespace + "/" + name.Name }

// splitName is the reverse of fullName.
func splitName(full string) (namespace, name string) {
	namespace, name, _ = strings.Cut(full, "/")
	return namespace, name
}

func nameOf(o metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// deleteCommand returns the kubectl command that deletes an object.
func deleteCommand(o Object) string {
	if o.Namespace == "" {
		return fmt.Sprintf("kubectl delete %s %s", strings.ToLower(o.Kind), o.Name)
	}
	return fmt.Sprintf("kubectl -n %s delete %s %s", o.Namespace, strings.ToLower(o.Kind), o.Name)
}

func podObject(pod *corev1.Pod) Object {
	return Object{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
}

func serviceObject(service *corev1.Service) Object {
	return Object{APIVersion: "v1", Kind: "Service", Namespace: service.Namespace, Name: service.Name}
}

func policyObject(name types.NamespacedName) Object {
	return Object{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy", Namespace: name.Namespace, Name: name.Name}
}

func reportPort(p graph.Port) Port {
	return Port{Name: p.Name, Number: p.Number, Protocol: string(p.Protocol)}
}
