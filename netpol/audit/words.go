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
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// Anyone is a rule's peer when it names none.
const anyone = "anyone"

// peersInWords says whom peers are, one sentence part each: "anyone", "pods k8s-app=kube-dns in namespaces
// kubernetes.io/metadata.name=kube-system".
func peersInWords(peers []networkingv1.NetworkPolicyPeer) []string {
	if len(peers) == 0 {
		return []string{anyone}
	}
	var words []string
	for _, p := range peers {
		words = append(words, peerInWords(p))
	}
	return words
}

func peerInWords(p networkingv1.NetworkPolicyPeer) string {
	return graph.Place(graph.Party{Peers: []networkingv1.NetworkPolicyPeer{p}})
}

func isEmpty(s *metav1.LabelSelector) bool {
	return s != nil && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// podsInWords names one pod and how many more there are.
func podsInWords(pods []*corev1.Pod) string {
	if len(pods) == 1 {
		return "pod " + pods[0].Namespace + "/" + pods[0].Name
	}
	return fmt.Sprintf("pod %s/%s and %d more like it", pods[0].Namespace, pods[0].Name, len(pods)-1)
}

// labelsInWords in the form of kubectl's -l.
func labelsInWords(labels map[string]string) string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, key+"="+labels[key])
	}
	return strings.Join(words, ",")
}

// place of a port: component:number.
func portPlace(component string, p graph.Port) string {
	return component + ":" + strconv.Itoa(int(p.Number))
}

// maxListed is how many of a list stand in a sentence.
const maxListed = 5

// list joins words, and counts those that would make a sentence too long.
func list(words []string) string {
	if len(words) <= maxListed {
		return strings.Join(words, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(words[:maxListed-1], ", "), len(words)-maxListed+1)
}

func port(p graph.Port) Port {
	return Port{Name: p.Name, Number: p.Number, Protocol: string(p.Protocol)}
}

func policyPort(p graph.Port) []networkingv1.NetworkPolicyPort {
	number, protocol := intstr.FromInt32(p.Number), p.Protocol
	return []networkingv1.NetworkPolicyPort{{Port: &number, Protocol: &protocol}}
}

// joinWords puts a subject before what is said of it, if there is one.
func joinWords(subject, words string) string {
	if subject == "" {
		return words
	}
	return subject + ": " + words
}

// split a policy's "namespace/name".
func split(policy string) (namespace, name string) {
	namespace, name, _ = strings.Cut(policy, "/")
	return namespace, name
}
