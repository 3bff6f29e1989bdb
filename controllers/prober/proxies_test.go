package prober

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// The second audit finds that the proxy is gone.
func TestAnAuditFindsTheProxyBeforeTheUsersPort(t *testing.T) {
	g := NewWithT(t)
	p, _ := prober(nil)
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: chat.Namespace, Name: chat.Name}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{}
	web := metav1.ObjectMeta{Namespace: chat.Namespace, Name: "web"}
	ingress := &networkingv1.Ingress{ObjectMeta: web, Spec: networkingv1.IngressSpec{DefaultBackend: &networkingv1.IngressBackend{
		Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}},
	}}}
	g.Expect(p.client.Create(t.Context(), ingress)).To(Succeed())
	g.Expect(p.client.Create(t.Context(), &corev1.Service{ObjectMeta: web, Spec: corev1.ServiceSpec{
		Selector: map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentGateway},
		Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromString(graph.UsersPort)}},
	}})).To(Succeed())
	proxies := func() []audit.Object {
		intended(p, graph.New(stack, openim.Facts{}))
		s, wanted, _ := p.take(chat)
		_, err := p.auditLive(t.Context(), stack, s, wanted)
		g.Expect(err).NotTo(HaveOccurred())
		return p.Latest(chat).Proxies
	}
	g.Expect(proxies()).To(ConsistOf(And(HaveField("Kind", "Ingress"), HaveField("Name", "web"))))
	g.Expect(p.Latest(chat).ProxiesText()).To(Equal("Ingress im/web"))
	g.Expect(p.client.Delete(t.Context(), ingress)).To(Succeed())
	g.Expect(proxies()).To(BeEmpty())
}
