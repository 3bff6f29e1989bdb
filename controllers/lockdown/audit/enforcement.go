package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// enforcer is a network plugin, known by its pods, and what tells that it enforces no NetworkPolicies.
type enforcer struct {
	// name for people.
	name string
	// labels of its pods, any of which.
	labels []string
	// off says why a pod of it enforces nothing. Empty when it does. Of arguments and environment a snapshot holds the switches that
	// package world knows, each argument as --flag=value.
	off func(*corev1.Pod) string
}

// enforcers are the network plugins whose pods are known by their labels, as their own manifests set them. What a plugin keeps in a
// ConfigMap is not seen here.
var enforcers = []enforcer{
	{"Calico", []string{"k8s-app=calico-node"}, never},
	{"Canal", []string{"k8s-app=canal"}, withoutContainer("calico-node", "canal runs without calico-node, and flannel enforces no NetworkPolicies")},
	{"Cilium", []string{"k8s-app=cilium"}, firstOf(
		withFlag("enable-policy", "cilium", "never"), withFlag("policy-audit-mode", "cilium", "true"), withFlag("enable-k8s-networkpolicy", "cilium", "false"),
		withVariable("CILIUM_ENABLE_POLICY", "cilium", "never"), withVariable("CILIUM_POLICY_AUDIT_MODE", "cilium", "true"),
		withVariable("CILIUM_ENABLE_K8S_NETWORKPOLICY", "cilium", "false"),
	)},
	{"Antrea", []string{"app=antrea"}, never},
	{"kube-network-policies", []string{"app=kube-network-policies", "k8s-app=kube-network-policies"}, never},
	{"OVN-Kubernetes", []string{"app=ovnkube-node"}, never},
	{"Azure NPM", []string{"k8s-app=azure-npm"}, never},
	{"Kube-OVN", []string{"app=kube-ovn-controller"}, withFlag("enable-np", "kube-ovn-controller", "false")},
	{"kindnet", []string{"app=kindnet", "k8s-app=kindnet"}, firstOf(withFlag("network-policy", "kindnet", "false"), oldKindnet)},
	{"kube-router", []string{"k8s-app=kube-router"}, withFlag("run-firewall", "kube-router", "false")},
	{"Weave Net", []string{"name=weave-net"}, firstOf(
		withVariable("EXPECT_NPC", "weave-net", "0"), withoutContainer("weave-npc", "weave-net runs without weave-npc, which enforces NetworkPolicies"),
	)},
	{"VPC CNI", []string{"k8s-app=aws-node"}, withoutAgent},
	{"flannel", []string{"app=flannel", "k8s-app=flannel"}, withoutContainer("kube-network-policies", "flannel enforces no NetworkPolicies")},
}

func never(*corev1.Pod) string { return "" }

// firstOf returns the first reason that there is.
func firstOf(all ...func(*corev1.Pod) string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		for _, off := range all {
			if reason := off(pod); reason != "" {
				return reason
			}
		}
		return ""
	}
}

// withFlag gives a reason when a container is told --flag=value. The last of several counts.
func withFlag(flag, plugin, value string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		for _, c := range pod.Spec.Containers {
			if is, given := flagOf(c, flag); given && same(is, value) {
				return fmt.Sprintf("%s runs with --%s=%s", plugin, flag, is)
			}
		}
		return ""
	}
}

func flagOf(c corev1.Container, flag string) (value string, given bool) {
	for _, argument := range c.Args {
		if rest, is := strings.CutPrefix(argument, "--"+flag+"="); is {
			value, given = rest, true
		}
	}
	return value, given
}

// same compares values as the plugins do: what Go takes for true and false may be written in several ways.
func same(is, wanted string) bool {
	a, wrong := strconv.ParseBool(is)
	b, wrongToo := strconv.ParseBool(wanted)
	if wrong == nil && wrongToo == nil {
		return a == b
	}
	return strings.EqualFold(is, wanted)
}

func withVariable(name, plugin, value string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		for _, c := range pod.Spec.Containers {
			for _, e := range c.Env {
				if e.Name == name && same(e.Value, value) {
					return fmt.Sprintf("%s runs with %s=%s", plugin, name, e.Value)
				}
			}
		}
		return ""
	}
}

// withoutContainer gives a reason when no container of a pod is the one that enforces, by its name or its image.
func withoutContainer(name, reason string) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		if slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == name || strings.Contains(c.Image, name) }) {
			return ""
		}
		return reason
	}
}

// withoutAgent: on EKS, policies are enforced by a container of their own beside the plugin, and only when it is told to.
func withoutAgent(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		if !strings.Contains(c.Name, "eks-nodeagent") && !strings.Contains(c.Image, "network-policy-agent") {
			continue
		}
		if value, given := flagOf(c, "enable-network-policy"); given && same(value, "false") {
			return "the agent of the VPC CNI runs with --enable-network-policy=" + value
		}
		return ""
	}
	return "the VPC CNI runs without its agent for NetworkPolicies"
}

// kindnetEnforces is the date in the tag of the first image of kindnet that enforces NetworkPolicies (kind v0.24).
const kindnetEnforces = "v20240813"

// oldKindnet: the plugin of kind knows NetworkPolicies since an image whose tag begins with a date.
func oldKindnet(pod *corev1.Pod) string {
	for _, c := range pod.Spec.Containers {
		_, tag, tagged := strings.Cut(c.Image, "kindnetd:")
		if date, _, _ := strings.Cut(tag, "-"); tagged && len(date) == len(kindnetEnforces) && strings.HasPrefix(date, "v20") && date < kindnetEnforces {
			return "kindnet enforces NetworkPolicies from " + kindnetEnforces + " on, and this is " + tag
		}
	}
	return ""
}

// enforcement reports the signs that nobody enforces policies: what the operator's probes saw, and network plugins that do not.
func (s *scene) enforcement() []Finding {
	if s.Stack != nil {
		c := meta.FindStatusCondition(s.Stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		if c != nil && c.Reason == v1alpha1.ReasonNotEnforcedByCNI {
			return []Finding{s.notEnforced(s.stackObject(), "the operator's probes got through where policies deny: "+c.Message)}
		}
	}
	// By plugin: the first pod of each that enforces nothing, nil when all of them do.
	off := map[*enforcer]*corev1.Pod{}
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		e := enforcerOf(pod)
		if e == nil || !runs(pod) {
			continue
		}
		if first, seen := off[e]; !seen || first == nil {
			off[e] = nil
			if e.off(pod) != "" {
				off[e] = pod
			}
		}
	}
	var found []Finding
	for i := range enforcers {
		switch pod, seen := off[&enforcers[i]]; {
		case !seen:
		case pod == nil:
			return nil // one of several plugins enforces on all its nodes, as Calico beside flannel
		case len(found) == 0:
			found = []Finding{s.notEnforced(podObject(pod), enforcers[i].off(pod))}
		}
	}
	return found
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
