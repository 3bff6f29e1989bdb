package manifests

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// Ports of a listener's Service when the spec names none.
const (
	portHTTP  = 80
	portHTTPS = 443
)

// Exposures returns the objects that bring listeners of the gateway out of the cluster: none for a listener that
// spec.wrapper.gateway.expose does not name. They follow the newest spec and restart no pod. Only tls does not: it is true when the
// gateway's pods have a certificate now, so that what leads to them must speak TLS.
func Exposures(stack *v1alpha1.OpenIMStack, tls bool) []client.Object {
	gateway := stack.Spec.Wrapper.Gateway
	if gateway == nil {
		return nil
	}
	b := builder{stack: stack}
	for _, e := range gateway.Expose {
		c := b.component(v1alpha1.ComponentGateway)
		port := c.Port(graph.ListenerPort(e.Listener))
		if port.Number == 0 {
			continue // a stack without users, or with a wrapper of its own
		}
		service := b.listenerService(c, port, e, tls)
		b.add(service)
		if e.Ingress != nil {
			b.add(b.listenerIngress(c, service, *e.Ingress))
		}
		if e.HTTPRoute != nil {
			if tls {
				b.add(b.listenerTLS(c, service, e.HTTPRoute)) // first, so that nothing speaks plain HTTP to the listener
			}
			b.add(b.listenerRoute(c, service, e))
		}
	}
	return b.objects
}

// Certificate returns the name of the Secret with the certificate that the spec gives the gateway, "" for none.
func Certificate(stack *v1alpha1.OpenIMStack) string {
	if gateway := stack.Spec.Wrapper.Gateway; gateway != nil && gateway.TLS != nil {
		return gateway.TLS.SecretRef.Name
	}
	return ""
}

// listenerService returns the Service of one listener. It never has the port for metrics, which have no authentication.
func (b *builder) listenerService(c graph.Component, listener graph.Port, e v1alpha1.Exposure, tls bool) *corev1.Service {
	port := corev1.ServicePort{
		Name: listener.Name, Port: portHTTP, TargetPort: intstr.FromString(listener.Name), Protocol: listener.Protocol,
	}
	if tls {
		port.Port = portHTTPS
	}
	service := &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: b.meta(v1alpha1.ListenerName(b.stack.Name, e.Listener), c),
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Selector: c.Labels(b.stack.Name)},
	}
	if wanted := e.Service; wanted != nil {
		service.Annotations = annotations(wanted.Annotations)
		service.Spec.Type = corev1.ServiceType(wanted.Type)
		service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
		if wanted.ExternalTrafficPolicy == v1alpha1.TrafficCluster {
			service.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		}
		port.Port, port.NodePort = ptr.Deref(wanted.Port, port.Port), ptr.Deref(wanted.NodePort, 0)
		if wanted.LoadBalancerClass != "" {
			service.Spec.LoadBalancerClass = ptr.To(wanted.LoadBalancerClass)
		}
		for _, block := range wanted.LoadBalancerSourceRanges {
			service.Spec.LoadBalancerSourceRanges = append(service.Spec.LoadBalancerSourceRanges, string(block))
		}
	}
	service.Spec.Ports = []corev1.ServicePort{port}
	return service
}

// listenerIngress returns an Ingress whose hosts lead to a listener's Service and nowhere else.
func (b *builder) listenerIngress(c graph.Component, service *corev1.Service, wanted v1alpha1.ExposedIngress) *networkingv1.Ingress {
	ingress := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress"},
		ObjectMeta: b.meta(service.Name, c),
	}
	ingress.Annotations = annotations(wanted.Annotations)
	if wanted.ClassName != "" {
		ingress.Spec.IngressClassName = ptr.To(wanted.ClassName)
	}
	backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
		Name: service.Name, Port: networkingv1.ServiceBackendPort{Name: service.Spec.Ports[0].Name},
	}}
	hosts := texts(wanted.Hosts)
	for _, host := range hosts {
		ingress.Spec.Rules = append(ingress.Spec.Rules, networkingv1.IngressRule{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: ptr.To(networkingv1.PathTypePrefix), Backend: backend,
			}}},
		}})
	}
	if secret := wanted.TLSSecretRef; secret != nil {
		ingress.Spec.TLS = []networkingv1.IngressTLS{{Hosts: hosts, SecretName: secret.Name}}
	}
	return ingress
}

func annotations(wanted map[string]v1alpha1.AnnotationValue) map[string]string {
	if len(wanted) == 0 {
		return nil
	}
	all := make(map[string]string, len(wanted))
	for name, value := range wanted {
		all[name] = string(value)
	}
	return all
}

func texts[T ~string](values []T) []string {
	all := make([]string, 0, len(values))
	for _, value := range values {
		all = append(all, string(value))
	}
	return all
}
