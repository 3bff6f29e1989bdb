package manifests

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// SocketPath is the path of the WebSocket on the users' listener. test/contract compares it with the wrapper's.
const SocketPath = "/im/v1/ws"

// Kinds and values of the Gateway API that its types have no names for.
const (
	kindGateway   = "Gateway"
	kindService   = "Service"
	kindConfigMap = "ConfigMap"
	// withoutEnd is a timeout that never ends a request (Gateway API, HTTPRouteTimeouts).
	withoutEnd = "0s"
)

// listenerRoute returns an HTTPRoute whose hostnames lead to a listener's Service and nowhere else.
func (b *builder) listenerRoute(c graph.Component, service *corev1.Service, e v1alpha1.Exposure) *gatewayv1.HTTPRoute {
	wanted := e.HTTPRoute
	route := &gatewayv1.HTTPRoute{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "HTTPRoute"},
		ObjectMeta: b.meta(service.Name, c),
	}
	for _, parent := range wanted.ParentRefs {
		route.Spec.ParentRefs = append(route.Spec.ParentRefs, ParentReference(parent))
	}
	for _, host := range wanted.Hostnames {
		route.Spec.Hostnames = append(route.Spec.Hostnames, gatewayv1.Hostname(host))
	}
	rule := func(kind gatewayv1.PathMatchType, path string) gatewayv1.HTTPRouteRule {
		return gatewayv1.HTTPRouteRule{
			Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: &kind, Value: &path}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{{BackendRef: gatewayv1.BackendRef{
				BackendObjectReference: gatewayv1.BackendObjectReference{
					Group: ptr.To(gatewayv1.Group("")), Kind: ptr.To(gatewayv1.Kind(kindService)),
					Name: gatewayv1.ObjectName(service.Name), Port: ptr.To(service.Spec.Ports[0].Port),
				},
				Weight: ptr.To(int32(1)),
			}}},
		}
	}
	if e.Listener == v1alpha1.ListenerUsers {
		// Some implementations end every request after 15 seconds or a minute, WebSockets too.
		socket := rule(gatewayv1.PathMatchExact, SocketPath)
		socket.Timeouts = &gatewayv1.HTTPRouteTimeouts{Request: ptr.To(gatewayv1.Duration(withoutEnd))}
		route.Spec.Rules = append(route.Spec.Rules, socket)
	}
	route.Spec.Rules = append(route.Spec.Rules, rule(gatewayv1.PathMatchPathPrefix, "/"))
	return route
}

// ParentReference returns a reference to a Gateway as the operator writes it, and implementations repeat it in the route's status.
func ParentReference(to v1alpha1.GatewayReference) gatewayv1.ParentReference {
	parent := gatewayv1.ParentReference{
		Group: ptr.To(gatewayv1.Group(gatewayv1.GroupName)), Kind: ptr.To(gatewayv1.Kind(kindGateway)), Name: gatewayv1.ObjectName(to.Name),
	}
	if to.Namespace != "" {
		parent.Namespace = ptr.To(gatewayv1.Namespace(to.Namespace))
	}
	if to.SectionName != "" {
		parent.SectionName = ptr.To(gatewayv1.SectionName(to.SectionName))
	}
	return parent
}

// listenerTLS returns a BackendTLSPolicy: implementations of the Gateway API speak TLS to the listener's Service, and check the gateway's
// certificate.
func (b *builder) listenerTLS(c graph.Component, service *corev1.Service, wanted *v1alpha1.ExposedRoute) *gatewayv1.BackendTLSPolicy {
	policy := &gatewayv1.BackendTLSPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "BackendTLSPolicy"},
		ObjectMeta: b.meta(service.Name, c),
		Spec: gatewayv1.BackendTLSPolicySpec{
			TargetRefs: []gatewayv1.LocalPolicyTargetReferenceWithSectionName{{
				LocalPolicyTargetReference: gatewayv1.LocalPolicyTargetReference{Kind: kindService, Name: gatewayv1.ObjectName(service.Name)},
				SectionName:                ptr.To(gatewayv1.SectionName(service.Spec.Ports[0].Name)),
			}},
			Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: gatewayv1.PreciseHostname(backendHostname(wanted))},
		},
	}
	if ca := wanted.BackendCARef; ca != nil {
		policy.Spec.Validation.CACertificateRefs = []gatewayv1.LocalObjectReference{{Kind: kindConfigMap, Name: gatewayv1.ObjectName(ca.Name)}}
	} else {
		policy.Spec.Validation.WellKnownCACertificates = ptr.To(gatewayv1.WellKnownCACertificatesSystem)
	}
	return policy
}

// backendHostname returns the name that the gateway's certificate must have. The API server refuses a spec in which it has a wildcard.
func backendHostname(wanted *v1alpha1.ExposedRoute) string {
	if wanted.BackendHostname != "" || len(wanted.Hostnames) == 0 {
		return wanted.BackendHostname
	}
	return string(wanted.Hostnames[0])
}
