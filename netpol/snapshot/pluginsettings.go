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

// Some network plugins read from a ConfigMap whether they enforce NetworkPolicies: from the plugin's own ConfigMap, or through an
// environment variable or argument that refers to a ConfigMap. The snapshot keeps these settings and no other content of ConfigMaps.

// pluginConfig describes the ConfigMap of a network plugin, in the namespace of the plugin's pods.
type pluginConfig struct {
	// key and value are a label of the plugin's pods.
	key, value string
	configMap  string
	// keys that are kept.
	keys []string
}

// Names of the ConfigMaps of network plugins.
const (
	CiliumConfig    = "cilium-config"
	AmazonVPCConfig = "amazon-vpc-cni"
)

var pluginConfigs = []pluginConfig{
	{"k8s-app", "cilium", CiliumConfig, []string{"enable-policy", "policy-audit-mode", "enable-k8s-networkpolicy"}},
	{"k8s-app", "aws-node", AmazonVPCConfig, []string{"enable-network-policy-controller"}},
}

// PluginConfigMaps returns the names of the ConfigMaps that Read gets when it finds the plugin. A role for auditors needs the verb get on
// them. ConfigMaps to which environment variables refer may have any other name.
func PluginConfigMaps() []string {
	var names []string
	for _, c := range pluginConfigs {
		names = append(names, c.configMap)
	}
	return names
}

// takesVariables are the labels of plugins that are configured by environment variables, which envFrom may take from a ConfigMap.
var takesVariables = []struct{ key, value string }{{"k8s-app", "cilium"}, {"name", "weave-net"}}

// switchEnvFrom returns the envFrom sources of a container that may set a switch. The name of a Secret is removed.
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

// lookup returns the content of a ConfigMap. ok is false when the ConfigMap was not read.
type lookup func(types.NamespacedName) (data map[string]string, ok bool)

// resolveSettings replaces references to ConfigMaps by their values. A reference to a ConfigMap that was not read is kept: its value is
// unknown.
func (w *Snapshot) resolveSettings(configMap lookup) {
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

// keepSettings stores the switches of a ConfigMap.
func (w *Snapshot) keepSettings(name types.NamespacedName, keys []string, data map[string]string) {
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
	c.EnvFrom, c.Env = left, slices.Concat(all, own) // env overrides envFrom: later entries win
	for i, flag := range c.Args {
		c.Args[i] = resolveFlag(flag, c.Env)
	}
	c.Env = slices.DeleteFunc(c.Env, func(e corev1.EnvVar) bool { return !slices.Contains(switchVariables, e.Name) })
}

// variablesFrom returns the switches in a ConfigMap of envFrom.
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

// resolveFlag replaces a variable in a flag by its value. The last of several variables of one name counts.
func resolveFlag(flag string, env []corev1.EnvVar) string {
	for _, e := range slices.Backward(env) {
		if !isVariable(flag, e.Name) {
			continue
		}
		name, _, _ := strings.Cut(flag, "=")
		if e.ValueFrom != nil {
			return name + "=" + UnknownValue
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
	read := map[types.NamespacedName]answer{}
	var failed error
	r.snapshot.resolveSettings(func(name types.NamespacedName) (map[string]string, bool) {
		known, before := read[name]
		if before || failed != nil {
			return known.data, known.ok
		}
		var got corev1.ConfigMap
		err := r.reader.Get(r.ctx, name, &got)
		if err != nil && !apierrors.IsForbidden(err) && r.unreachable(err) {
			failed = fmt.Errorf("reading ConfigMap %s: %w", name, err)
		}
		read[name] = answer{got.Data, err == nil}
		return got.Data, err == nil
	})
	return failed
}

// configMap stores the short values of a ConfigMap of manifests, which may contain a plugin's switches. When two ConfigMaps of one name
// differ, the content is unknown.
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

// settings resolves references to ConfigMaps of the manifests.
func (c *collection) settings() {
	c.snapshot.resolveSettings(func(name types.NamespacedName) (map[string]string, bool) {
		data := c.configMaps[name]
		return data, data != nil
	})
	c.configMaps = nil
}
