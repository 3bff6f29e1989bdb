package snapshot

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Arguments and environment variables are dropped from pods because they may contain secrets. The switches that decide whether a
// network plugin enforces NetworkPolicies are kept with their values: package audit reads them.

// switchFlags are flags of network plugins, without their dashes.
var switchFlags = []string{
	"run-firewall",             // kube-router
	"enable-network-policy",    // the agent of the VPC CNI
	"enable-policy",            // Cilium: default, always, never
	"policy-audit-mode",        // Cilium
	"enable-k8s-networkpolicy", // Cilium
	"enable-np",                // Kube-OVN
	"network-policy",           // kindnet
}

// switchVariables are environment variables of network plugins.
var switchVariables = []string{
	"EXPECT_NPC", // Weave Net
	"CILIUM_ENABLE_POLICY", "CILIUM_POLICY_AUDIT_MODE", "CILIUM_ENABLE_K8S_NETWORKPOLICY",
}

// maxSwitchValue is the maximum length of a switch's value: the values are words such as false, 0 or never.
const maxSwitchValue = 16

// UnknownValue is the value of a flag whose value comes from a variable that could not be resolved.
const UnknownValue = "$"

// switches returns the flags of a container that decide about enforcement, each as --flag=value, in their order. A flag may be an
// argument or a word of a shell's command line. Its value follows "=" or is the next word, and may refer to a variable.
func switches(c corev1.Container) []string {
	var words []string
	for _, argument := range slices.Concat(c.Command, c.Args) {
		words = append(words, strings.FieldsFunc(argument, func(r rune) bool { return strings.ContainsRune(" \t\r\n;&|\"'", r) })...)
	}
	var found []string
	for i, word := range words {
		flag, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !strings.HasPrefix(word, "-") || !slices.Contains(switchFlags, flag) {
			continue
		}
		if !given {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
		}
		if strings.Contains(value, "$") {
			value = UnknownValue + variableIn(value)
		}
		if len(value) <= maxSwitchValue || strings.HasPrefix(value, UnknownValue) {
			found = append(found, "--"+flag+"="+value)
		}
	}
	return found
}

// variableIn returns the name of the variable in a value: $(NAME) in Kubernetes, $NAME and ${NAME} in a shell. It returns an empty name
// when the value contains anything else.
func variableIn(value string) string {
	name := strings.Trim(strings.TrimPrefix(value, "$"), "(){}")
	for _, r := range name {
		if r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return ""
		}
	}
	return name
}

// switchEnv returns the environment variables of a container that decide about enforcement, including those to which a flag refers. For
// a variable without a literal value, only a reference to a ConfigMap is kept.
func switchEnv(c corev1.Container, flags []string) []corev1.EnvVar {
	var found []corev1.EnvVar
	for _, e := range c.Env {
		decides := slices.Contains(switchVariables, e.Name) || slices.ContainsFunc(flags, func(f string) bool { return isVariable(f, e.Name) })
		switch {
		case !decides:
		case e.ValueFrom == nil && len(e.Value) <= maxSwitchValue:
			found = append(found, corev1.EnvVar{Name: e.Name, Value: e.Value})
		case e.ValueFrom != nil:
			kept := corev1.EnvVar{Name: e.Name, ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: e.ValueFrom.ConfigMapKeyRef}}
			found = append(found, *kept.DeepCopy())
		}
	}
	return found
}

// isVariable reports whether a flag takes its value from a variable.
func isVariable(flag, name string) bool { return strings.HasSuffix(flag, "="+UnknownValue+name) }
