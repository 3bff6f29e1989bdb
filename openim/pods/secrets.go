package pods

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	strict "sigs.k8s.io/json"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Named are the paths of fields by which specs name Secrets, by name of the Secret.
type Named map[string][]string

// Add adds what others name, each path once.
func (n Named) Add(others Named) {
	for name, paths := range others {
		for _, path := range paths {
			if !slices.Contains(n[name], path) {
				n[name] = append(n[name], path)
			}
		}
	}
}

// Elsewhere are the Secrets that are closed to the templates of a stack although the stack's present spec need not name them.
type Elsewhere struct {
	// Bound are those that resourceRefs of the present spec lead to: an object of another operator names them.
	Bound Named
	// Earlier are named by the specs of the run revisions that the stack keeps, or were bound then. Otherwise one edit could drop the field
	// that names a Secret and read the Secret by a template.
	Earlier Named
	// Others are named by the other stacks of the namespace, and named or bound in the run revisions that these keep.
	Others Named
}

// References returns the paths of the fields by which a spec names Secrets, by name of the Secret. The fields are found by their types, so
// that a new field is among them without being listed. Example: {"redis": ["spec.dependencies.redis.credentialsRef"]}
func References(spec *v1alpha1.OpenIMStackSpec) Named {
	found := Named{}
	collect(reflect.ValueOf(spec).Elem(), "spec", func(path, name string) {
		if name != "" && !slices.Contains(found[name], path) {
			found[name] = append(found[name], path)
		}
	})
	return found
}

// collect calls add for each reference below a value, in the order of the fields.
func collect(value reflect.Value, path string, add func(path, name string)) {
	switch value.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !value.IsNil() {
			collect(value.Elem(), path, add)
		}
	case reflect.Slice, reflect.Array:
		for i := range value.Len() {
			collect(value.Index(i), path, add)
		}
	case reflect.Map:
		for _, key := range value.MapKeys() {
			collect(value.MapIndex(key), path, add)
		}
	case reflect.Struct:
		switch ref := value.Interface().(type) {
		case v1alpha1.LocalReference:
			add(path, ref.Name)
			return
		case v1alpha1.KeyReference:
			add(path, ref.Name)
			return
		case v1alpha1.ResourceReference:
			// Whether it is of the stack's own namespace is not known here: a Secret too many is closed.
			if ref.Kind == "Secret" {
				add(path, ref.Name)
			}
			add(path, ref.User)
			return
		}
		for i := range value.NumField() {
			field := value.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			below := path
			if name != "" {
				below += "." + name
			}
			collect(value.Field(i), below, add)
		}
	}
}

// readers are the components whose own pods read the Secrets of the fields below a path. Of a field without a row, no template may read the
// Secret. A test compares the rows with what the operator builds.
var readers = []struct {
	path string
	are  func(component string) bool
}{
	{"spec.dependencies.kafka.", connects(openim.Kafka)},
	{"spec.dependencies.redis.", connects(openim.Redis)},
	{"spec.dependencies.mongodb.", connects(openim.MongoDB)},
	{"spec.dependencies.etcd.", connects(openim.Etcd)},
	{"spec.dependencies.objectStorage.", connects(openim.ObjectStorage)},
	{"spec.push.", only(string(openim.Push))},
	{"spec.wrapper.gateway.tls.", only(v1alpha1.ComponentGateway)},
	{"spec.wrapper.redis.", only(v1alpha1.ComponentGateway, v1alpha1.ComponentBackend)},
	{"spec.wrapper.mongodb.", only(v1alpha1.ComponentBackend)},
}

func connects(d openim.Dependency) func(string) bool {
	return func(component string) bool {
		process, ok := openim.Lookup(openim.Name(component))
		return ok && slices.Contains(process.Dependencies, d)
	}
}

func only(names ...string) func(string) bool {
	return func(component string) bool { return slices.Contains(names, component) }
}

// Reads reports whether the pods that the operator builds for a component read the Secret of a field.
func Reads(component, path string) bool {
	for _, r := range readers {
		if strings.HasPrefix(path, r.path) && r.are(component) {
			return true
		}
	}
	return false
}

// secrets judges which Secrets templates may read.
type secrets struct {
	fields Named
	Elsewhere
}

func secretsOf(stack *v1alpha1.OpenIMStack, elsewhere Elsewhere) secrets {
	fields := References(&stack.Spec)
	fields.Add(elsewhere.Bound)
	return secrets{fields, elsewhere}
}

// why returns why a template must not read a Secret, "" when it may: the Secret is none of a stack, or each component of the template reads
// the Secret of each field that names it. One Secret may hold the credentials of several stores. What only another stack names, no
// component reads.
func (s secrets) why(layer, name string) string {
	if v1alpha1.IsGenerated(name) {
		return fmt.Sprintf("Secret %s has the name of a key that the operator generates for a stack, which a component gets of the operator "+
			"alone: remove it, or use a Secret with another name", shorten(name))
	}
	if path, component := unread(layer, s.fields[name]); path != "" {
		return fmt.Sprintf("Secret %s is that of %s, which pods of %s do not read: remove it, or use another Secret",
			shorten(name), path, component)
	}
	if path, component := unread(layer, s.Earlier[name]); path != "" {
		return fmt.Sprintf("Secret %s is that of %s in a kept run revision, which pods of %s do not read: remove it, or use another Secret",
			shorten(name), path, component)
	}
	path, _ := unread(layer, s.Others[name])
	if path != "" || len(s.Others[name]) > 0 && len(s.fields[name]) == 0 {
		return fmt.Sprintf("Secret %s is that of another OpenIMStack of the namespace, which names it or has named it: remove it, or use "+
			"another Secret", shorten(name))
	}
	return ""
}

// unread returns the first of the fields whose Secret a component of a template does not read, and that component; "" when each reads all.
func unread(layer string, paths []string) (path, component string) {
	for _, path := range paths {
		for _, component := range componentsOf(layer) {
			if !Reads(component, path) {
				return path, component
			}
		}
	}
	return "", ""
}

// componentsOf returns the components that a template is merged into.
func componentsOf(layer string) []string {
	return slices.DeleteFunc(components(), func(component string) bool {
		return layer != all && !slices.Contains(Names(component), layer)
	})
}

// refusals returns what is refused of a template whose fields are all taken.
func (s secrets) refusals(layer Layer) []Refusal {
	var template corev1.PodTemplateSpec
	if strict.UnmarshalCaseSensitivePreserveInts(layer.raw, &template) != nil {
		return nil // decode refuses it
	}
	var found []Refusal
	for _, read := range secretsIn(&template.Spec) {
		if why := s.why(layer.Name, read.name); why != "" {
			found = append(found, Refusal{layer.Field + ".spec." + read.field, why})
		}
	}
	return found[:min(len(found), maxRefusals)]
}

// ReadSecrets reports whether a template reads a Secret, of whomever. Without one, nobody needs to know what is Elsewhere.
func ReadSecrets(spec *v1alpha1.Pods) bool {
	return slices.ContainsFunc(Layers(spec), func(layer Layer) bool {
		var template corev1.PodTemplateSpec
		return strict.UnmarshalCaseSensitivePreserveInts(layer.raw, &template) == nil && len(secretsIn(&template.Spec)) > 0
	})
}

type secretIn struct{ field, name string }

// secretsIn returns the Secrets that a pod reads by the fields which templates may set. A test compares it with the types of Kubernetes.
// What pulls images is not among them: only the kubelet reads that.
func secretsIn(pod *corev1.PodSpec) []secretIn {
	var found []secretIn
	add := func(name, format string, args ...any) {
		if name != "" {
			found = append(found, secretIn{fmt.Sprintf(format, args...), name})
		}
	}
	for _, v := range pod.Volumes {
		at := "volumes[" + shorten(v.Name) + "]"
		if v.Secret != nil {
			add(v.Secret.SecretName, "%s.secret.secretName", at)
		}
		if v.Projected != nil {
			for i, source := range v.Projected.Sources {
				if source.Secret != nil {
					add(source.Secret.Name, "%s.projected.sources[%d].secret.name", at, i)
				}
			}
		}
		if v.CSI != nil && v.CSI.NodePublishSecretRef != nil {
			add(v.CSI.NodePublishSecretRef.Name, "%s.csi.nodePublishSecretRef.name", at)
		}
	}
	for _, list := range []struct {
		field      string
		containers []corev1.Container
	}{{"initContainers", pod.InitContainers}, {"containers", pod.Containers}} {
		for _, c := range list.containers {
			at := list.field + "[" + shorten(c.Name) + "]"
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					add(e.ValueFrom.SecretKeyRef.Name, "%s.env[%s].valueFrom.secretKeyRef.name", at, shorten(e.Name))
				}
			}
			for i, e := range c.EnvFrom {
				if e.SecretRef != nil {
					add(e.SecretRef.Name, "%s.envFrom[%d].secretRef.name", at, i)
				}
			}
		}
	}
	return found
}
