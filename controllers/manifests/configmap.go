package manifests

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// render stores a component's template and its configuration. The ConfigMap is named by its content: a changed configuration is another
// object, the pods that read it are rolled out one by one, and a pod that restarts meanwhile still finds the configuration that it was
// created with.
func (b *builder) render(c graph.Component, files map[string]string, template func(configMap string) corev1.PodTemplateSpec) {
	name := b.child(c) + "-" + openim.ConfigHash(files)
	b.rendered[c.Name] = Rendered{Template: template(name), ConfigMaps: map[string]map[string]string{name: files}}
}

// immutableConfigMap returns a content-named ConfigMap.
func (b *builder) immutableConfigMap(c graph.Component, name string, files map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: b.meta(name, c),
		Data:       files,
		Immutable:  ptr.To(true),
	}
}
