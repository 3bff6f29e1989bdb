package audit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// enforcer is a network plugin, known by its pods, and what tells that it enforces no NetworkPolicies.
type enforcer struct {
	// name for people.
	name string
	// labels of its pods, any of which.
	labels []string
	// look reads a pod of it. Of arguments, environment and ConfigMaps a snapshot holds the switches that package world knows, each
	// argument as --flag=value.
	look look
}

// sign is what a pod of a network plugin tells. Empty when it enforces NetworkPolicies, as far as it tells.
type sign struct {
	// off says why it enforces nothing.
	off string
	// unknown is what decides about it and is not at hand.
	unknown string
}

type look func(*snapshot.World, *corev1.Pod) sign

// enforcers are the network plugins whose pods are known by their labels, as their own manifests set them.
var enforcers = []enforcer{
	{"Calico", []string{"k8s-app=calico-node"}, never},
	{"Canal", []string{"k8s-app=canal"}, withoutContainer("calico-node", "canal runs without calico-node, and flannel enforces no "+
		"NetworkPolicies")},
	{"Cilium", []string{"k8s-app=cilium"}, firstOf(
		cilium("enable-policy", "never"), cilium("policy-audit-mode", "true"), cilium("enable-k8s-networkpolicy", "false"),
	)},
	{"Antrea", []string{"app=antrea"}, never},
	{"kube-network-policies", []string{"app=kube-network-policies", "k8s-app=kube-network-policies"}, never},
	{"OVN-Kubernetes", []string{"app=ovnkube-node"}, never},
	{"Azure NPM", []string{"k8s-app=azure-npm"}, never},
	{"Kube-OVN", []string{"app=kube-ovn-controller"}, withFlag("enable-np", "kube-ovn-controller", "false")},
	{"kindnet", []string{"app=kindnet", "k8s-app=kindnet"}, firstOf(withFlag("network-policy", "kindnet", "false"), oldKindnet)},
	{"kube-router", []string{"k8s-app=kube-router"}, withFlag("run-firewall", "kube-router", "false")},
	{"Weave Net", []string{"name=weave-net"}, firstOf(
		withVariable("EXPECT_NPC", "weave-net", "0"), withoutContainer("weave-npc", "weave-net runs without weave-npc, which enforces "+
			"NetworkPolicies"),
	)},
	{"VPC CNI", []string{"k8s-app=aws-node"}, firstOf(withoutAgent, withoutController)},
	{"flannel", []string{"app=flannel", "k8s-app=flannel"}, withoutContainer("kube-network-policies", "flannel enforces no NetworkPolicies")},
}

func never(*snapshot.World, *corev1.Pod) sign { return sign{} }

// firstOf returns the first reason that there is, or else the first that is not known.
func firstOf(all ...look) look {
	return func(w *snapshot.World, pod *corev1.Pod) sign {
		var unknown sign
		for _, one := range all {
			s := one(w, pod)
			if s.off != "" {
				return s
			}
			if unknown.unknown == "" {
				unknown = s
			}
		}
		return unknown
	}
}

// withFlag gives a reason when a container is told --flag=value. The last of several counts.
func withFlag(flag, plugin, value string) look {
	return func(_ *snapshot.World, pod *corev1.Pod) sign {
		s, _ := flagSign(pod, flag, plugin, value)
		return s
	}
}

func flagSign(pod *corev1.Pod, flag, plugin, value string) (s sign, given bool) {
	for _, c := range pod.Spec.Containers {
		is, here := flagOf(c, flag)
		given = given || here
		switch {
		case !here:
		case strings.HasPrefix(is, snapshot.Untold):
			s.unknown = fmt.Sprintf("the value of --%s, which is a variable's", flag)
		case same(is, value):
			return sign{off: fmt.Sprintf("%s runs with --%s=%s", plugin, flag, is)}, true
		}
	}
	return s, given
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

func withVariable(name, plugin, value string) look {
	return func(_ *snapshot.World, pod *corev1.Pod) sign {
		s, _ := variableSign(pod, name, plugin, value)
		return s
	}
}

// variableSign reads an environment variable; the last of several counts. What is taken from elsewhere, and was not found there, is not
// known.
func variableSign(pod *corev1.Pod, name, plugin, value string) (s sign, given bool) {
	for _, c := range pod.Spec.Containers {
		i := len(c.Env) - 1
		for i >= 0 && c.Env[i].Name != name {
			i--
		}
		switch {
		case i >= 0 && c.Env[i].ValueFrom != nil:
			s.unknown, given = "the variable "+name+placeOf(c.Env[i].ValueFrom.ConfigMapKeyRef), true
		case i >= 0 && same(c.Env[i].Value, value):
			return sign{off: fmt.Sprintf("%s runs with %s=%s", plugin, name, c.Env[i].Value)}, true
		case i >= 0:
			given = true
		case slices.ContainsFunc(c.EnvFrom, func(f corev1.EnvFromSource) bool { return strings.HasPrefix(name, f.Prefix) }):
			s.unknown = "whether a ConfigMap or Secret from which variables are taken holds " + name
		}
	}
	return s, given
}

func placeOf(ref *corev1.ConfigMapKeySelector) string {
	if ref == nil {
		return ", which comes from no ConfigMap"
	}
	return fmt.Sprintf(", which is the key %s of ConfigMap %s", ref.Key, ref.Name)
}

// cilium gives a reason when Cilium's setting has a value. An argument counts before the environment, and both before its ConfigMap.
func cilium(setting, value string) look {
	const plugin = "cilium"
	variable := "CILIUM_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
	return func(w *snapshot.World, pod *corev1.Pod) sign {
		if s, given := flagSign(pod, setting, plugin, value); given {
			return s
		}
		if s, given := variableSign(pod, variable, plugin, value); given || s.unknown != "" {
			return s
		}
		config, ok := w.Settings[types.NamespacedName{Namespace: pod.Namespace, Name: snapshot.CiliumConfig}]
		if !ok {
			return notAtHand(pod, snapshot.CiliumConfig)
		}
		if is, has := config[setting]; has && same(is, value) {
			return sign{off: fmt.Sprintf("%s runs with %s: %s in ConfigMap %s/%s", plugin, setting, is, pod.Namespace, snapshot.CiliumConfig)}
		}
		return sign{}
	}
}

func notAtHand(pod *corev1.Pod, configMap string) sign {
	return sign{unknown: fmt.Sprintf("ConfigMap %s/%s", pod.Namespace, configMap)}
}

// withoutContainer gives a reason when no container of a pod is the one that enforces, by its name or its image.
func withoutContainer(name, reason string) look {
	return func(_ *snapshot.World, pod *corev1.Pod) sign {
		enforces := func(c corev1.Container) bool { return c.Name == name || strings.Contains(c.Image, name) }
		if slices.ContainsFunc(pod.Spec.Containers, enforces) {
			return sign{}
		}
		return sign{off: reason}
	}
}

// withoutAgent: on EKS, policies are enforced by a container of their own beside the plugin, and only when it is told to.
func withoutAgent(_ *snapshot.World, pod *corev1.Pod) sign {
	for _, c := range pod.Spec.Containers {
		if !strings.Contains(c.Name, "eks-nodeagent") && !strings.Contains(c.Image, "network-policy-agent") {
			continue
		}
		agent := &corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}
		s, _ := flagSign(agent, "enable-network-policy", "the agent of the VPC CNI", "false")
		return s
	}
	return sign{off: "the VPC CNI runs without its agent for NetworkPolicies"}
}

// withoutController: the agent is told of policies by a controller, which works when a ConfigMap says so.
func withoutController(w *snapshot.World, pod *corev1.Pod) sign {
	const setting = "enable-network-policy-controller"
	switch is, has := w.Settings[types.NamespacedName{Namespace: pod.Namespace, Name: snapshot.VPCConfig}][setting]; {
	case !has:
		s := notAtHand(pod, snapshot.VPCConfig)
		s.unknown += " with the key " + setting
		return s
	case !same(is, "true"):
		return sign{off: fmt.Sprintf("the VPC CNI runs with %s: %s in ConfigMap %s/%s", setting, is, pod.Namespace, snapshot.VPCConfig)}
	}
	return sign{}
}

// kindnetEnforces is the date in the tag of the first image of kindnet that enforces NetworkPolicies (kind v0.24).
const kindnetEnforces = "v20240813"

// oldKindnet: the plugin of kind knows NetworkPolicies since an image whose tag begins with a date.
func oldKindnet(_ *snapshot.World, pod *corev1.Pod) sign {
	for _, c := range pod.Spec.Containers {
		_, tag, tagged := strings.Cut(c.Image, "kindnetd:")
		date, _, _ := strings.Cut(tag, "-")
		if tagged && len(date) == len(kindnetEnforces) && strings.HasPrefix(date, "v20") && date < kindnetEnforces {
			return sign{off: "kindnet enforces NetworkPolicies from " + kindnetEnforces + " on, and this is " + tag}
		}
	}
	return sign{}
}

// enforcement reports the signs that nobody enforces policies: what the operator's probes saw, and network plugins that do not.
func (s *scene) enforcement() []Finding {
	if s.Stack != nil {
		c := meta.FindStatusCondition(s.Stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		if c != nil && c.Reason == v1alpha1.ReasonNotEnforcedByCNI {
			return []Finding{s.notEnforced(s.stackObject(), "the operator's probes got through where policies deny: "+c.Message)}
		}
	}
	worst, unknown := s.plugins()
	if worst == nil || unknown != "" {
		return nil
	}
	return []Finding{s.notEnforced(podObject(worst.pod), worst.off)}
}

// untold says why nobody can tell whether NetworkPolicies are enforced. Empty when there is nothing to say.
func (s *scene) untold() []snapshot.Unread {
	_, unknown := s.plugins()
	if unknown == "" {
		return nil
	}
	return []snapshot.Unread{{Kind: "ConfigMap", Reason: unknown}}
}

// podSign is what a pod of a network plugin tells.
type podSign struct {
	pod *corev1.Pod
	sign
}

// plugins looks at the pods of all network plugins: worst is one that enforces nothing, and unknown says what is not known of another. Both
// are empty when one of several plugins enforces on all its nodes, as Calico does beside flannel.
func (s *scene) plugins() (worst *podSign, unknown string) {
	byPlugin := map[*enforcer]podSign{}
	for i := range s.World.Pods {
		pod := &s.World.Pods[i]
		e := enforcerOf(pod)
		if e == nil || !runs(pod) {
			continue
		}
		before, seen := byPlugin[e]
		now := podSign{pod, e.look(s.World, pod)}
		if !seen || before.off == "" && (now.off != "" || before.unknown == "" && now.unknown != "") {
			byPlugin[e] = now
		}
	}
	for i := range enforcers {
		e := &enforcers[i]
		told, seen := byPlugin[e]
		switch {
		case !seen:
		case told.off == "" && told.unknown == "":
			return nil, ""
		case told.off != "" && worst == nil:
			worst = &told
		case told.off == "" && unknown == "":
			unknown = fmt.Sprintf("whether %s enforces NetworkPolicies depends on %s, and that is not at hand: give it with the manifests, or "+
				"let the "+
				"auditor get it", e.name, told.unknown)
		}
	}
	return worst, unknown
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
		Fix: fmt.Sprintf("install or turn on a network plugin that enforces NetworkPolicies; then kubectl -n %s annotate openimstack %s "+
			"--overwrite "+
			"%s=\"$(date -u +%%FT%%TZ)\" to have the lockdown tried", s.graph.Namespace, s.graph.Stack, v1alpha1.AnnotationProbeRequested),
	}
}
