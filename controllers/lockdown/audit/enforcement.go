package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// enforcer is a network plugin, known by its pods, and what tells that it enforces no NetworkPolicies.
type enforcer struct {
	// labels of its pods, any of which.
	labels []string
	// off says why a pod of it enforces nothing. Empty when it does.
	off func(*corev1.Pod) string
}

// enforcers are the network plugins whose pods are known by their labels, as their own manifests set them. What a plugin keeps in a
// ConfigMap is not seen here.
var enforcers = []enforcer{
	{labels: []string{"k8s-app=calico-node", "k8s-app=cilium", "app=antrea", "app=kube-network-policies", "k8s-app=canal", "app=ovnkube-node", "app=kindnet", "k8s-app=kindnet"}, off: never},
	{labels: []string{"k8s-app=kube-router"}, off: withArgument("--run-firewall=false", "kube-router runs with --run-firewall=false")},
	{labels: []string{"name=weave-net"}, off: withEnvironment("EXPECT_NPC", "0", "weave-net runs with EXPECT_NPC=0")},
	{labels: []string{"k8s-app=aws-node"}, off: withoutAgent},
	{labels: []string{"app=flannel", "k8s-app=flannel"}, off: func(*corev1.Pod) string { return "flannel enforces no NetworkPolicies" }},
}

func never(*corev1.Pod) string { return "" }

func withArgument(argument, reason string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		for _, c := range pod.Spec.Containers {
			if slices.Contains(c.Args, argument) || slices.Contains(c.Command, argument) {
				return reason
			}
		}
		return ""
	}
}

func withEnvironment(name, value, reason string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		for _, c := range pod.Spec.Containers {
			if slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == name && e.Value == value }) {
				return reason
			}
		}
		return ""
	}
}

// withoutAgent: on EKS, policies are enforced by a container of their own beside the plugin, and only when it is told to.
func withoutAgent(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if strings.Contains(c.Name, "eks-nodeagent") {
			if slices.Contains(c.Args, "--enable-network-policy=false") {
				return "the agent of the VPC CNI runs with --enable-network-policy=false"
			}
			return ""
		}
	}
	return "the VPC CNI runs without its agent for NetworkPolicies"
}

// enforcement reports the signs that nobody enforces policies: what the operator's probes saw, and network plugins that do not.
func (s *scene) enforcement() []Finding {
	if s.Stack != nil {
		c := meta.FindStatusCondition(s.Stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		if c != nil && c.Reason == v1alpha1.ReasonNotEnforcedByCNI {
			return []Finding{s.notEnforced(s.stackObject(), "the operator's probes got through where policies deny: "+c.Message)}
		}
	}
	var sign string
	var at *corev1.Pod
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		e := enforcerOf(pod)
		if e == nil || !runs(pod) {
			continue
		}
		off := e.off(pod)
		if off == "" {
			return nil // one of several plugins enforces, as Calico beside flannel
		}
		if sign == "" {
			sign, at = off, pod
		}
	}
	if sign == "" {
		return nil
	}
	return []Finding{s.notEnforced(podObject(at), sign)}
}

// enforcerOf tells of which plugin a pod is. They run on their node's network.
func enforcerOf(pod *corev1.Pod) *enforcer {
	if !pod.Spec.HostNetwork {
		return nil
	}
	for i := range enforcers {
		for _, label := range enforcers[i].labels {
			key, value, _ := strings.Cut(label, "=")
			if pod.Labels[key] == value {
				return &enforcers[i]
			}
		}
	}
	return nil
}

func (s *scene) notEnforced(object Object, sign string) Finding {
	return Finding{
		Kind: NotEnforced, Severity: High, Object: object,
		Reason: "there is a sign that nobody enforces NetworkPolicies: " + sign,
		Lets:   "anyone in the cluster reaches every port of every component, if it is so",
		Fix:    fmt.Sprintf("install or turn on a network plugin that enforces NetworkPolicies; then kubectl -n %s annotate openimstack %s --overwrite %s=\"$(date -u +%%FT%%TZ)\" to have the lockdown tried", s.graph.Namespace, s.graph.Stack, v1alpha1.AnnotationProbeRequested),
	}
}
