package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

func TestRoutesLeadToTLSAsLongAsTheGatewayServesIt(t *testing.T) {
	const service, policy, route = "Service", "BackendTLSPolicy", "HTTPRoute"
	secret := func(name string) []corev1.Volume {
		return []corev1.Volume{{Name: "tls", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}}}}
	}
	gateway := func(volumes []corev1.Volume) *appsv1.Deployment {
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentGateway}}}
		d.Spec.Template.Spec.Volumes = volumes
		return d
	}
	for name, c := range map[string]struct {
		spec                    string // the Secret of spec.wrapper.gateway.tls
		live, assigned          *appsv1.Deployment
		undecided, policyIsHere bool
		written, mayStay        []string
		port                    int32
	}{
		"a new stack with a certificate": {
			spec: "tls", written: []string{service, policy, route}, mayStay: []string{service, policy, route}, port: 443,
		},
		"a new stack without": {written: []string{service, route}, mayStay: []string{service, route}, port: 80},
		"a certificate that no pod has": {
			spec: "tls", live: gateway(nil), written: []string{service, route}, mayStay: []string{service, route}, port: 80,
		},
		"a certificate that no pod has, and a policy from before": {
			spec: "tls", live: gateway(nil), policyIsHere: true, written: []string{service, route}, mayStay: []string{service, route}, port: 80,
		},
		"a certificate that the pods have": {
			spec: "tls", live: gateway(secret("tls")), policyIsHere: true,
			written: []string{service, policy, route}, mayStay: []string{service, policy, route}, port: 443,
		},
		"a certificate that the pods still have": {
			live: gateway(secret("tls")), policyIsHere: true,
			written: []string{service, route}, mayStay: []string{service, policy, route}, port: 443,
		},
		"another certificate": {
			spec: "new", live: gateway(secret("tls")), policyIsHere: true,
			written: []string{service, route}, mayStay: []string{service, policy, route}, port: 443,
		},
		"a certificate that the pods still have, and a route that is new": {
			live: gateway(secret("tls")), written: []string{service, policy, route}, mayStay: []string{service, policy, route}, port: 443,
		},
		"a Deployment that is made again as it was": {
			spec: "tls", assigned: gateway(nil), written: []string{service, route}, mayStay: []string{service, route}, port: 80,
		},
		"pods that are not read yet": {
			undecided: true, policyIsHere: true, written: []string{service, route}, mayStay: []string{service, policy, route}, port: 80,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"}}
			stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
			stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{Expose: []v1alpha1.Exposure{{
				Listener: v1alpha1.ListenerUsers, HTTPRoute: &v1alpha1.ExposedRoute{Hostnames: []v1alpha1.HostName{"im.example.com"}},
			}}}
			if c.spec != "" {
				stack.Spec.Wrapper.Gateway.TLS = &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: c.spec}}
			}
			s := &scope{stack: stack, routing: routing{ready: true}, planned: &rollout.Plan{}, deployments: map[string]*appsv1.Deployment{}}
			if c.live != nil {
				s.deployments[v1alpha1.ComponentGateway] = c.live
			}
			if c.undecided {
				s.planned, s.deployments = nil, nil
			}
			if c.policyIsHere {
				s.routePolicies = []string{"chat-users"}
			}
			if c.assigned != nil {
				s.workloads = []client.Object{c.assigned}
			}
			written := s.exposures(s.workloads)
			g.Expect(kindNames(written)).To(Equal(c.written))
			g.Expect(written[0].(*corev1.Service).Spec.Ports[0].Port).To(Equal(c.port))
			g.Expect(kindNames(s.wantedExposures())).To(Equal(c.mayStay))

			s.routing.ready = false
			g.Expect(kindNames(s.exposures(s.workloads))).To(Equal([]string{service}))
		})
	}
}
