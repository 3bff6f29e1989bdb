package manifests

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// balanced are the components that clients call by the Service's name, with one address for all replicas. OpenIM finds the pods of the
// other components in etcd.
var balanced = map[string]bool{
	string(openim.API):        true,
	string(openim.MsgGateway): true,
	v1alpha1.ComponentGateway: true,
	v1alpha1.ComponentBackend: true,
}

func (b *builder) service(c graph.Component) *corev1.Service {
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: b.meta(b.child(c), c),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: c.Labels(b.stack.Name)},
	}
	if names := b.exceptions(c); len(names) > 0 {
		service.Annotations = map[string]string{v1alpha1.AnnotationExceptions: strings.Join(names, ", ")}
	}
	if !balanced[c.Name] {
		service.Spec.ClusterIP = corev1.ClusterIPNone
	}
	for _, p := range c.ServicePorts() {
		service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{
			Name: p.Name, Port: p.Number, TargetPort: intstr.FromString(p.Name), Protocol: p.Protocol,
		})
	}
	return service
}

// exceptions returns the names of the exceptions that open a component, each once.
func (b *builder) exceptions(c graph.Component) []string {
	var names []string
	for _, in := range b.graph.EdgesTo(c.Name) {
		if in.Exception != "" && !slices.Contains(names, in.Exception) {
			names = append(names, in.Exception)
		}
	}
	return names
}

// serviceAccount returns an account without token and rights: no component calls the API server.
func (b *builder) serviceAccount(c graph.Component) *corev1.ServiceAccount {
	account := &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   b.meta(b.child(c), c),
		AutomountServiceAccountToken: ptr.To(false),
	}
	for name, value := range ptr.Deref(b.stack.Spec.Pods, v1alpha1.Pods{}).ServiceAccountAnnotations {
		metav1.SetMetaDataAnnotation(&account.ObjectMeta, name, string(value))
	}
	return account
}
