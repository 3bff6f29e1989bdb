package pods

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// errUnmergeable says nothing of the cause, which may repeat values of the template.
var errUnmergeable = errors.New("it cannot be merged with what the operator builds: compare it with a PodTemplateSpec")

// Merge returns a component's pod template with the templates of the spec merged into it, in the order all, groups, component. It keeps
// the order of the operator's containers and puts others after them, and hardens these where they say nothing. Templates that Refusals
// refuses are an error.
//
// The pod of the check is no component's: it gets what says where a pod runs, and nothing else.
func Merge(spec *v1alpha1.Pods, component string, base corev1.PodTemplateSpec) (corev1.PodTemplateSpec, error) {
	layers := layersOf(spec, component)
	if len(layers) == 0 {
		return base, nil
	}
	text, err := json.Marshal(base)
	if err != nil {
		return base, fmt.Errorf("merging templates of pods: %w", err)
	}
	var fields map[string]any
	if err := utiljson.Unmarshal(text, &fields); err != nil {
		return base, fmt.Errorf("merging templates of pods: %w", err)
	}
	for _, layer := range layers {
		if fields, err = mergeLayer(fields, layer, component); err != nil {
			return base, fmt.Errorf("merging %s: %w", layer.Field, err)
		}
	}
	text, err = json.Marshal(fields)
	if err != nil {
		return base, errUnmergeable
	}
	var merged corev1.PodTemplateSpec
	if err := json.Unmarshal(text, &merged); err != nil {
		return base, errUnmergeable
	}
	merged.Spec.Containers = ordered(base.Spec.Containers, merged.Spec.Containers, false)
	merged.Spec.InitContainers = ordered(base.Spec.InitContainers, merged.Spec.InitContainers, true)
	if err := keeps(base, merged); err != nil {
		return merged, err
	}
	addProxies(&merged.Spec, ContainerOf(component))
	return merged, nil
}

// Prepare is the name of the operator's init container, which checks the stores.
const Prepare = "prepare"

// addProxies gives the init container the proxies of the component's own container: OpenIM's clients of object stores use them, and a store
// that only a proxy reaches must be checked through it.
func addProxies(pod *corev1.PodSpec, own string) {
	checks := slices.IndexFunc(pod.InitContainers, func(c corev1.Container) bool { return c.Name == Prepare })
	component := slices.IndexFunc(pod.Containers, func(c corev1.Container) bool { return c.Name == own })
	if checks < 0 || component < 0 {
		return
	}
	for _, v := range pod.Containers[component].Env {
		if name := strings.ToUpper(v.Name); slices.Contains(proxyNames, name) || name == noProxy {
			pod.InitContainers[checks].Env = append(pod.InitContainers[checks].Env, v)
		}
	}
}

// mergeLayer merges one template, by the rules of a strategic merge patch.
func mergeLayer(fields map[string]any, layer Layer, component string) (map[string]any, error) {
	patch, err := decode(layer.raw)
	if err != nil {
		return nil, err
	}
	spec, _ := patch["spec"].(map[string]any)
	if component == v1alpha1.ComponentCheck {
		for _, field := range []string{"containers", "initContainers", "volumes"} {
			delete(spec, field)
		}
	}
	containers, _ := spec["containers"].([]any)
	for _, c := range containers {
		if container, ok := c.(map[string]any); ok && container["name"] == Own {
			container["name"] = ContainerOf(component)
		}
	}
	merged, err := strategicpatch.StrategicMergeMapPatch(fields, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return nil, errUnmergeable
	}
	return merged, nil
}

// ordered returns the operator's containers in their order, and the others hardened and in the order of the templates: after the
// operator's containers, but before its init container, which checks the stores just before the component starts.
func ordered(base, merged []corev1.Container, first bool) []corev1.Container {
	var own, others []corev1.Container
	for _, b := range base {
		for _, c := range merged {
			if c.Name == b.Name {
				own = append(own, c)
			}
		}
	}
	for _, c := range merged {
		if !slices.ContainsFunc(base, func(b corev1.Container) bool { return b.Name == c.Name }) {
			Harden(&c)
			others = append(others, c)
		}
	}
	if first {
		return append(others, own...)
	}
	return append(own, others...)
}

// keeps returns an error when a merged template lacks what the operator wrote and no template may change. Refusals has refused whatever
// would do that; this is a second look, at the result.
func keeps(base, merged corev1.PodTemplateSpec) error {
	lost := func(what string) error {
		return fmt.Errorf("the merged template has other %s than the operator writes: remove it", what)
	}
	for key, value := range base.Labels {
		if merged.Labels[key] != value {
			return lost("labels")
		}
	}
	for key, value := range base.Annotations {
		if merged.Annotations[key] != value {
			return lost("annotations")
		}
	}
	a, b := merged.Spec, base.Spec
	same := []struct {
		what string
		are  bool
	}{
		{"service accounts", a.ServiceAccountName == b.ServiceAccountName && a.DeprecatedServiceAccount == b.DeprecatedServiceAccount &&
			equality.Semantic.DeepEqual(a.AutomountServiceAccountToken, b.AutomountServiceAccountToken)},
		{"namespaces of the node", !a.HostNetwork && !a.HostPID && !a.HostIPC && a.NodeName == "" && a.ShareProcessNamespace == nil},
		{"privileges", !slices.ContainsFunc(slices.Concat(a.InitContainers, a.Containers), privileged)},
		{"environments", equality.Semantic.DeepEqual(a.EnableServiceLinks, b.EnableServiceLinks)},
		{"ephemeral containers", len(a.EphemeralContainers) == 0},
		{"containers", containersKept(b.Containers, a.Containers) && containersKept(b.InitContainers, a.InitContainers)},
		{"volumes", volumesKept(b.Volumes, a.Volumes)},
	}
	for _, s := range same {
		if !s.are {
			return lost(s.what)
		}
	}
	return nil
}

func containersKept(base, merged []corev1.Container) bool {
	for _, b := range base {
		i := slices.IndexFunc(merged, func(c corev1.Container) bool { return c.Name == b.Name })
		if i < 0 {
			return false
		}
		c := merged[i]
		kept := c.Image == b.Image && slices.Equal(c.Command, b.Command) && slices.Equal(c.Args, b.Args) && slices.Equal(c.Ports, b.Ports) &&
			equality.Semantic.DeepEqual(c.StartupProbe, b.StartupProbe) && equality.Semantic.DeepEqual(c.ReadinessProbe, b.ReadinessProbe) &&
			equality.Semantic.DeepEqual(c.LivenessProbe, b.LivenessProbe) && includes(c.Env, b.Env) && includes(c.VolumeMounts, b.VolumeMounts)
		if !kept {
			return false
		}
	}
	return true
}

func volumesKept(base, merged []corev1.Volume) bool {
	host := func(v corev1.Volume) bool { return v.HostPath != nil }
	return includes(merged, base) && !slices.ContainsFunc(merged, host)
}

// includes reports whether a list has each entry of another.
func includes[T any](list, others []T) bool {
	for _, other := range others {
		if !slices.ContainsFunc(list, func(entry T) bool { return equality.Semantic.DeepEqual(entry, other) }) {
			return false
		}
	}
	return true
}

// skeleton returns what the operator builds for a component, as far as a template can change it.
func skeleton(component string) corev1.PodTemplateSpec {
	container := corev1.Container{Name: ContainerOf(component), Image: "example"}
	Harden(&container)
	base := corev1.PodTemplateSpec{}
	base.Labels = map[string]string{v1alpha1.LabelComponent: component}
	base.Spec.SecurityContext = SecurityContext(v1alpha1.UserIDsFixed)
	base.Spec.Containers = []corev1.Container{container}
	return base
}
