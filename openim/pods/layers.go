package pods

import (
	"fmt"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Own is the name by which a template of any component or group calls the component's own container.
const Own = "component"

// all is the name of the template for all components, in the names of exceptions.
const all = "all"

// reservedContainers are the containers that the operator adds: the init container of OpenIM's pods, and those of the check.
var reservedContainers = []string{Prepare, v1alpha1.ComponentCheck, "idle"}

// Layer is one template of the spec.
type Layer struct {
	// Name of the component or group that the template is for; all for the template of all components.
	Name string
	// Field of the spec.
	Field string
	raw   []byte
}

// Layers returns the templates of a spec: that of all components, then those of groups and components in the order of the spec.
func Layers(spec *v1alpha1.Pods) []Layer {
	if spec == nil {
		return nil
	}
	var layers []Layer
	if spec.Template != nil {
		layers = append(layers, Layer{Name: all, Field: "spec.pods.template", raw: spec.Template.Raw})
	}
	for _, c := range spec.Components {
		if c.Template != nil {
			field := fmt.Sprintf("spec.pods.components[%s].template", c.Name)
			layers = append(layers, Layer{Name: string(c.Name), Field: field, raw: c.Template.Raw})
		}
	}
	return layers
}

// layersOf returns the templates that a component has, in the order in which they are merged.
func layersOf(spec *v1alpha1.Pods, component string) []Layer {
	var layers []Layer
	every := Layers(spec)
	for _, name := range append([]string{all}, Names(component)...) {
		for _, l := range every {
			if l.Name == name {
				layers = append(layers, l)
			}
		}
	}
	return layers
}

// Names returns the names by which spec.pods.components speaks of a component: its groups, the widest first, and its own.
func Names(component string) []string {
	switch {
	case component == v1alpha1.ComponentCheck:
		return []string{string(v1alpha1.GroupWrapper)}
	case component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend:
		return []string{string(v1alpha1.GroupWrapper), component}
	case strings.HasPrefix(component, "rpc-"):
		return []string{string(v1alpha1.GroupOpenIM), string(v1alpha1.GroupRPC), component}
	default:
		return []string{string(v1alpha1.GroupOpenIM), component}
	}
}

// ContainerOf returns the name of a component's own container, "" for a name that is no component's.
func ContainerOf(component string) string {
	if component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend {
		return component
	}
	if process, ok := openim.Lookup(openim.Name(component)); ok {
		return process.Binary
	}
	return ""
}

// components returns the names of all components that always have pods.
func components() []string {
	var names []string
	for _, p := range openim.Processes() {
		names = append(names, string(p.Name))
	}
	return append(names, v1alpha1.ComponentGateway, v1alpha1.ComponentBackend)
}

// reservedContainer reports whether a container of this name is the operator's, and must not be described by a template.
func reservedContainer(name string) bool {
	return slices.Contains(reservedContainers, name) ||
		slices.ContainsFunc(components(), func(component string) bool { return ContainerOf(component) == name })
}
