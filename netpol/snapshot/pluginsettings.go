package snapshot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// Network plugins are told by ConfigMaps, too, whether they enforce NetworkPolicies: by one of their own, or by one from which a variable
// or an argument is taken. Of these the switches are kept, and nothing else.

// pluginConfig is the ConfigMap of a network plugin's own, in the namespace of its pods.
type pluginConfig struct {
	// label of the plugin's pods.
	key, value string
	configMap  string
	// keys that are kept.
	keys []string
}

// Names of ConfigMaps of network plugins.
const (
	CiliumConfig = "cilium-config"
	VPCConfig    = "amazon-vpc-cni"
)

var pluginConfigs = []pluginConfig{
	{"k8s-app", "cilium", CiliumConfig, []string{"enable-policy", "policy-audit-mode", "enable-k8s-networkpolicy"}},
	{"k8s-app", "aws-node", VPCConfig, []string{"enable-network-policy-controller"}},
}

// PluginConfigMaps are the names of the ConfigMaps that Read gets, where a plugin of theirs runs: what an auditor needs the right to get.
// Those from which variables are taken may have any name.
func PluginConfigMaps() []string {
	var names []string
	for _, c := range pluginConfigs {
		names = append(names, c.configMap)
	}
	return names
}

// takesVariables are the labels of plugins that are switched by variables: from all that a ConfigMap holds, one may come.
var takesVariables = []struct{ key, value string }{{"k8s-app", "cilium"}, {"name", "weave-net"}}

// switchEnvFrom returns the ConfigMaps of which all keys become variables of a container. What comes from a Secret is kept without its
// name.
func switchEnvFrom(pod *corev1.Pod, c corev1.Container) []corev1.EnvFromSource {
	takes := slices.ContainsFunc(takesVariables, func(l struct{ key, value string }) bool { return pod.Labels[l.key] == l.value })
	if !takes {
		return nil
	}
	var found []corev1.EnvFromSource
	for _, source := range c.EnvFrom {
		kept := corev1.EnvFromSource{Prefix: source.Prefix, ConfigMapRef: source.ConfigMapRef}
		found = append(found, *kept.DeepCopy())
	}
	return found
}

// lookup gives what is in a ConfigMap. ok is false when it is not at hand.
type lookup func(types.NamespacedName) (data map[string]string, ok bool)

// resolveSettings puts what ConfigMaps say in its place. What is not at hand stays as a reference: nobody can tell what it says.
func (w *World) resolveSettings(configMap lookup) {
	for i := range w.Pods {
		pod := &w.Pods[i]
		if !pod.Spec.HostNetwork {
			continue
		}
		for j := range pod.Spec.Containers {
			resolveContainer(&pod.Spec.Containers[j], pod.Namespace, configMap)
		}
		for _, config := range pluginConfigs {
			name := types.NamespacedName{Namespace: pod.Namespace, Name: config.configMap}
			if _, known := w.Settings[name]; known || pod.Labels[config.key] != config.value {
				continue
			}
			if data, ok := configMap(name); ok {
				w.keepSettings(name, config.keys, data)
			}
		}
	}
}

// keepSettings keeps the switches of a ConfigMap.
func (w *World) keepSettings(name types.NamespacedName, keys []string, data map[string]string) {
	kept := map[string]string{}
	for _, key := range keys {
		if value, has := data[key]; has && len(value) <= maxSwitchValue {
			kept[key] = value
		}
	}
	if w.Settings == nil {
		w.Settings = map[types.NamespacedName]map[string]string{}
	}
	w.Settings[name] = kept
}

func resolveContainer(c *corev1.Container, namespace string, configMap lookup) {
	var all, own []corev1.EnvVar
	var left []corev1.EnvFromSource
	for _, source := range c.EnvFrom {
		variables, ok := variablesFrom(source, namespace, configMap)
		if !ok {
			left = append(left, source)
			continue
		}
		all = append(all, variables...)
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil || e.ValueFrom.ConfigMapKeyRef == nil {
			own = append(own, e)
			continue
		}
		ref := e.ValueFrom.ConfigMapKeyRef
		data, ok := configMap(types.NamespacedName{Namespace: namespace, Name: ref.Name})
		value, has := data[ref.Key]
		switch {
		case ok && has && len(value) <= maxSwitchValue:
			own = append(own, corev1.EnvVar{Name: e.Name, Value: value})
		case ok && !has && ptr.Deref(ref.Optional, false):
		default:
			own = append(own, e)
		}
	}
	c.EnvFrom, c.Env = left, slices.Concat(all, own) // a variable of its own counts before those of a ConfigMap
	for i, flag := range c.Args {
		c.Args[i] = resolveFlag(flag, c.Env)
	}
	c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return !slices.Contains(switchVariables, e.Name) })
}

// variablesFrom are the switches among all that a ConfigMap holds.
func variablesFrom(source corev1.EnvFromSource, namespace string, configMap lookup) (found []corev1.EnvVar, ok bool) {
	if source.ConfigMapRef == nil {
		return nil, false
	}
	data, ok := configMap(types.NamespacedName{Namespace: namespace, Name: source.ConfigMapRef.Name})
	if !ok {
		return nil, false
	}
	for _, name := range switchVariables {
		key, prefixed := strings.CutPrefix(name, source.Prefix)
		if value, has := data[key]; prefixed && has {
			if len(value) > maxSwitchValue {
				return nil, false
			}
			found = append(found, corev1.EnvVar{Name: name, Value: value})
		}
	}
	return found, true
}

// resolveFlag puts the value of a variable in its place; the last of several counts.
func resolveFlag(flag string, env []corev1.EnvVar) string {
	for _, e := range slices.Backward(env) {
		if !isVariable(flag, e.Name) {
			continue
		}
		name, _, _ := strings.Cut(flag, "=")
		if e.ValueFrom != nil {
			return name + "=" + Untold
		}
		return name + "=" + e.Value
	}
	return flag
}

// settings reads the ConfigMaps from which network plugins take their switches.
func (r *clusterReader) settings() error {
	type answer struct {
		data map[string]string
		ok   bool
	}
	asked := map[types.NamespacedName]answer{}
	var failed error
	r.snapshot.resolveSettings(func(name types.NamespacedName) (map[string]string, bool) {
		known, before := asked[name]
		if before || failed != nil {
			return known.data, known.ok
		}
		var got corev1.ConfigMap
		err := r.reader.Get(r.ctx, name, &got)
		if err != nil && !apierrors.IsForbidden(err) && r.unreachable(err) {
			failed = fmt.Errorf("reading ConfigMap %s: %w", name, err)
		}
		asked[name] = answer{got.Data, err == nil}
		return got.Data, err == nil
	})
	return failed
}

// configMap notes the short values of a ConfigMap of manifests, among which a plugin's switches may be. Two that differ are neither.
func (c *collection) configMap(object map[string]any) {
	metadata, _ := object["metadata"].(map[string]any)
	name := types.NamespacedName{Namespace: cmp.Or(text(metadata, "namespace"), c.namespace), Name: text(metadata, "name")}
	values, _ := object["data"].(map[string]any)
	data := map[string]string{}
	for key := range values {
		if value := text(values, key); len(value) <= maxSwitchValue {
			data[key] = value
		} else {
			data[key] = strings.Repeat("x", maxSwitchValue+1) // too long to be a switch, and perhaps a secret
		}
	}
	if before, again := c.configMaps[name]; again && !sameData(before, data) {
		data = nil
	}
	c.configMaps[name] = data
}

func sameData(a, b map[string]string) bool {
	if a == nil || len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, has := b[key]; !has || other != value {
			return false
		}
	}
	return true
}

// settings of manifests.
func (c *collection) settings() {
	c.snapshot.resolveSettings(func(name types.NamespacedName) (map[string]string, bool) {
		data := c.configMaps[name]
		return data, data != nil
	})
	c.configMaps = nil
}
