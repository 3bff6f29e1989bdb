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

// enforcer is a network plugin whose pods show whether it enforces NetworkPolicies.
type enforcer struct {
	// name for people.
	name string
	// labels of its pods. One of them is enough.
	labels []string
	// read returns the sign that a pod shows. A snapshot holds of arguments, environment and ConfigMaps the switches that package snapshot
	// knows, each argument in the form --flag=value.
	read reader
}

// sign is what a pod of a network plugin shows. It is empty when nothing speaks against enforcement.
type sign struct {
	// off is the reason why the plugin enforces nothing.
	off string
	// unknown names the setting that decides whether the plugin enforces NetworkPolicies. It is empty when the snapshot holds the setting.
	unknown string
}

type reader func(*snapshot.Snapshot, *corev1.Pod) sign

// enforcers are the network plugins that the audit knows, with the labels that their own manifests give their pods.
var enforcers = []enforcer{
	{"Calico", []string{"k8s-app=calico-node"}, always},
	{"Canal", []string{"k8s-app=canal"}, withoutContainer("calico-node", "canal runs without calico-node, and flannel enforces no "+
		"NetworkPolicies")},
	{"Cilium", []string{"k8s-app=cilium"}, firstOf(
		cilium("enable-policy", "never"), cilium("policy-audit-mode", "true"), cilium("enable-k8s-networkpolicy", "false"),
	)},
	{"Antrea", []string{"app=antrea"}, always},
	{"kube-network-policies", []string{"app=kube-network-policies", "k8s-app=kube-network-policies"}, always},
	{"OVN-Kubernetes", []string{"app=ovnkube-node"}, always},
	{"Azure NPM", []string{"k8s-app=azure-npm"}, always},
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

// always returns an empty sign: the plugin has no setting that disables NetworkPolicies.
func always(*snapshot.Snapshot, *corev1.Pod) sign { return sign{} }

// firstOf returns the first reason for "off", or else the first unknown setting.
func firstOf(all ...reader) reader {
	return func(w *snapshot.Snapshot, pod *corev1.Pod) sign {
		var unknown sign
		for _, read := range all {
			s := read(w, pod)
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

// withFlag reports "off" when a container has the argument --flag=value. The last of several counts.
func withFlag(flag, plugin, value string) reader {
	return func(_ *snapshot.Snapshot, pod *corev1.Pod) sign {
		s, _ := flagSign(pod, flag, plugin, value)
		return s
	}
}

// flagSign reads a flag of all containers of a pod. It also reports whether the flag is given at all: if not, other sources of the setting
// count.
func flagSign(pod *corev1.Pod, flag, plugin, value string) (s sign, given bool) {
	for _, c := range pod.Spec.Containers {
		is, here := flagOf(c, flag)
		given = given || here
		switch {
		case !here:
		case strings.HasPrefix(is, snapshot.UnknownValue):
			s.unknown = fmt.Sprintf("the value of --%s, which comes from a variable", flag)
		case same(is, value):
			return sign{off: fmt.Sprintf("%s runs with --%s=%s", plugin, flag, is)}, true
		}
	}
	return s, given
}

// flagOf returns the last value of a flag among the arguments of a container, as the flag packages of the plugins do.
func flagOf(c corev1.Container, flag string) (value string, given bool) {
	for _, argument := range c.Args {
		if rest, is := strings.CutPrefix(argument, "--"+flag+"="); is {
			value, given = rest, true
		}
	}
	return value, given
}

// same compares values as the plugins do: by the boolean when both are one ("t", "True", "1"), else without regard to case.
func same(is, wanted string) bool {
	a, wrong := strconv.ParseBool(is)
	b, wrongToo := strconv.ParseBool(wanted)
	if wrong == nil && wrongToo == nil {
		return a == b
	}
	return strings.EqualFold(is, wanted)
}

// withVariable reports "off" when a container has an environment variable with a value.
func withVariable(name, plugin, value string) reader {
	return func(_ *snapshot.Snapshot, pod *corev1.Pod) sign {
		s, _ := variableSign(pod, name, plugin, value)
		return s
	}
}

// variableSign reads an environment variable. The last of several counts. A value from a ConfigMap or Secret that the snapshot does not
// hold is unknown.
func variableSign(pod *corev1.Pod, name, plugin, value string) (s sign, given bool) {
	for _, c := range pod.Spec.Containers {
		i := len(c.Env) - 1
		for i >= 0 && c.Env[i].Name != name {
			i--
		}
		switch {
		case i >= 0 && c.Env[i].ValueFrom != nil:
			s.unknown, given = "the variable "+name+originOf(c.Env[i].ValueFrom.ConfigMapKeyRef), true
		case i >= 0 && same(c.Env[i].Value, value):
			return sign{off: fmt.Sprintf("%s runs with %s=%s", plugin, name, c.Env[i].Value)}, true
		case i >= 0:
			given = true
		case slices.ContainsFunc(c.EnvFrom, func(f corev1.EnvFromSource) bool { return strings.HasPrefix(name, f.Prefix) }):
			s.unknown = "whether a ConfigMap or Secret that sets the environment holds " + name
		}
	}
	return s, given
}

// originOf says where the value of a variable comes from. The snapshot does not hold that object, or not that key.
func originOf(ref *corev1.ConfigMapKeySelector) string {
	if ref == nil {
		return ", which does not come from a ConfigMap"
	}
	return fmt.Sprintf(", which is the key %s of ConfigMap %s", ref.Key, ref.Name)
}

// cilium reports "off" when a setting of Cilium has a value. An argument takes precedence over the environment, and both over the
// ConfigMap.
func cilium(setting, value string) reader {
	const plugin = "cilium"
	variable := "CILIUM_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
	return func(w *snapshot.Snapshot, pod *corev1.Pod) sign {
		if s, given := flagSign(pod, setting, plugin, value); given {
			return s
		}
		if s, given := variableSign(pod, variable, plugin, value); given || s.unknown != "" {
			return s
		}
		config, ok := w.Settings[types.NamespacedName{Namespace: pod.Namespace, Name: snapshot.CiliumConfig}]
		if !ok {
			return missingConfigMap(pod, snapshot.CiliumConfig)
		}
		if is, has := config[setting]; has && same(is, value) {
			return sign{off: fmt.Sprintf("%s runs with %s: %s in ConfigMap %s/%s", plugin, setting, is, pod.Namespace, snapshot.CiliumConfig)}
		}
		return sign{}
	}
}

// missingConfigMap is the sign of a plugin whose ConfigMap the snapshot does not hold: the setting in it may turn policies off.
func missingConfigMap(pod *corev1.Pod, configMap string) sign {
	return sign{unknown: fmt.Sprintf("ConfigMap %s/%s", pod.Namespace, configMap)}
}

// withoutContainer reports "off" when no container of a pod has the name, or the image, of the enforcing one.
func withoutContainer(name, reason string) reader {
	return func(_ *snapshot.Snapshot, pod *corev1.Pod) sign {
		enforces := func(c corev1.Container) bool { return c.Name == name || strings.Contains(c.Image, name) }
		if slices.ContainsFunc(pod.Spec.Containers, enforces) {
			return sign{}
		}
		return sign{off: reason}
	}
}

// withoutAgent reports "off" on EKS when the agent that enforces policies, a container beside the plugin, is missing or switched off.
func withoutAgent(_ *snapshot.Snapshot, pod *corev1.Pod) sign {
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

// withoutController reports "off" on EKS when a ConfigMap does not switch on the controller that gives policies to the agent.
func withoutController(w *snapshot.Snapshot, pod *corev1.Pod) sign {
	const setting = "enable-network-policy-controller"
	switch is, has := w.Settings[types.NamespacedName{Namespace: pod.Namespace, Name: snapshot.AmazonVPCConfig}][setting]; {
	case !has:
		s := missingConfigMap(pod, snapshot.AmazonVPCConfig)
		s.unknown += " with the key " + setting
		return s
	case !same(is, "true"):
		return sign{off: fmt.Sprintf("the VPC CNI runs with %s: %s in ConfigMap %s/%s", setting, is, pod.Namespace, snapshot.AmazonVPCConfig)}
	}
	return sign{}
}

// kindnetEnforces is the date in the tag of the first image of kindnet that enforces NetworkPolicies (kind v0.24).
const kindnetEnforces = "v20240813"

// oldKindnet reports "off" for images of kindnet that are older than kindnetEnforces. Their tags begin with a date.
func oldKindnet(_ *snapshot.Snapshot, pod *corev1.Pod) sign {
	for _, c := range pod.Spec.Containers {
		_, tag, tagged := strings.Cut(c.Image, "kindnetd:")
		date, _, _ := strings.Cut(tag, "-")
		if tagged && len(date) == len(kindnetEnforces) && strings.HasPrefix(date, "v20") && date < kindnetEnforces {
			return sign{off: "kindnet enforces NetworkPolicies since " + kindnetEnforces + ", and this is " + tag}
		}
	}
	return sign{}
}

// pluginSigns is what the pods of all network plugins show.
type pluginSigns struct {
	// off is a pod of a plugin that enforces nothing, with the reason, or nil.
	off    *corev1.Pod
	reason string
	// unknown says which setting of a plugin decides and is missing.
	unknown string
}

// checkEnforcement finds the signs that NetworkPolicies are not enforced: what the operator's probes saw, and plugins that are switched
// off.
func checkEnforcement(m *Model) []Finding {
	if probesGotThrough(m.stack) {
		c := meta.FindStatusCondition(m.stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		return []Finding{notEnforced(m, m.stackObject(), "the operator's probes got through where policies deny: "+c.Message)}
	}
	if m.plugins.off == nil || m.plugins.unknown != "" {
		return nil
	}
	return []Finding{notEnforced(m, podObject(m.plugins.off), m.plugins.reason)}
}

// probesGotThrough reports whether the stack's own condition says that the network does not enforce policies.
func probesGotThrough(stack *v1alpha1.OpenIMStack) bool {
	if stack == nil {
		return false
	}
	c := meta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
	return c != nil && c.Reason == v1alpha1.ReasonNotEnforcedByCNI
}

// findPlugins reads the pods of all network plugins. The result is empty when one of several plugins enforces policies on all its nodes, as
// Calico does beside flannel.
func findPlugins(w *snapshot.Snapshot) pluginSigns {
	type podSign struct {
		pod *corev1.Pod
		sign
	}
	byPlugin := map[*enforcer]podSign{}
	for i := range w.Pods {
		pod := &w.Pods[i]
		e := enforcerOf(pod)
		if e == nil || !runs(pod) {
			continue
		}
		before, seen := byPlugin[e]
		now := podSign{pod, e.read(w, pod)}
		if !seen || before.off == "" && (now.off != "" || before.unknown == "" && now.unknown != "") {
			byPlugin[e] = now
		}
	}
	var signs pluginSigns
	for i := range enforcers {
		e := &enforcers[i]
		shown, seen := byPlugin[e]
		switch {
		case !seen:
		case shown.off == "" && shown.unknown == "":
			return pluginSigns{}
		case shown.off != "" && signs.off == nil:
			signs.off, signs.reason = shown.pod, shown.off
		case shown.off == "" && signs.unknown == "":
			signs.unknown = fmt.Sprintf("whether %s enforces NetworkPolicies depends on %s, which the audit could not read: add it to the "+
				"manifests, or give the auditor the permission to get it", e.name, shown.unknown)
		}
	}
	return signs
}

// enforcerOf returns the network plugin of a pod, or nil. Plugins run on their node's network.
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

func notEnforced(m *Model, object Object, reason string) Finding {
	return Finding{
		Kind: NotEnforced, Severity: High, Object: object,
		Reason: "there is a sign that NetworkPolicies are not enforced: " + reason,
		Lets:   "without enforcement, anyone in the cluster reaches every port of every component",
		Fix: fmt.Sprintf("install or turn on a network plugin that enforces NetworkPolicies; then kubectl -n %s annotate openimstack %s "+
			"--overwrite %s=\"$(date -u +%%FT%%TZ)\" to request a probe of the lockdown",
			m.graph.Namespace, m.graph.Stack, v1alpha1.AnnotationProbeRequested),
	}
}
