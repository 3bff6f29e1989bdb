package exposure

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func balanced(addresses ...corev1.LoadBalancerIngress) *corev1.Service {
	return &corev1.Service{
		Spec:   corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
		Status: corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: addresses}},
	}
}

func TestAWayIsOpenWhenItHasAnAddress(t *testing.T) {
	many := []corev1.LoadBalancerIngress{}
	for i := range 7 {
		many = append(many, corev1.LoadBalancerIngress{IP: fmt.Sprintf("192.0.2.%d", 9-i)})
	}
	ingress := func(addresses ...networkingv1.IngressLoadBalancerIngress) *networkingv1.Ingress {
		return &networkingv1.Ingress{Status: networkingv1.IngressStatus{
			LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: addresses},
		}}
	}
	nodePort := &corev1.Service{Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}},
	}}
	local := nodePort.DeepCopy()
	local.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	service := func(s *corev1.Service) Way { return ByService(v1alpha1.ListenerUsers, "chat-users", s) }
	byIngress := func(in *networkingv1.Ingress) Way { return ByIngress(v1alpha1.ListenerAdmins, "chat-admins", in) }
	for _, c := range []struct {
		name   string
		way    Way
		reason string
		text   string
	}{
		{"a Service that is not made yet", service(nil), v1alpha1.ReasonWaitingForAddress, "Users by Service chat-users: it is not made yet"},
		{"a load balancer without an address", service(balanced()), v1alpha1.ReasonWaitingForAddress, "wait for its load balancer"},
		{"an empty address", service(balanced(corev1.LoadBalancerIngress{})), v1alpha1.ReasonWaitingForAddress, "no address yet"},
		{"an address", service(balanced(corev1.LoadBalancerIngress{IP: "192.0.2.7"})), "", "Users by Service chat-users at 192.0.2.7"},
		{"a name", service(balanced(corev1.LoadBalancerIngress{Hostname: "lb.example.com"})), "", "at lb.example.com"},
		{"seven addresses, in any order", service(balanced(many...)), "", "at 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6 and 3 more"},
		{"an address twice", service(balanced(many[0], many[0])), "", "Users by Service chat-users at 192.0.2.9"},
		{"a port of the nodes", service(nodePort), "", "at port 30080 of every node"},
		{"a port of the nodes, with the addresses of clients", service(local), "", "at port 30080 of each node that has a pod of the gateway"},
		{"an Ingress that is not made yet", byIngress(nil), v1alpha1.ReasonWaitingForAddress,
			"Admins by Ingress chat-admins: it is not made yet"},
		{"an Ingress that nobody serves", byIngress(ingress()), v1alpha1.ReasonWaitingForAddress, "a controller serves the class"},
		{"an Ingress", byIngress(ingress(networkingv1.IngressLoadBalancerIngress{IP: "2001:db8::1"})), "", "at 2001:db8::1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(c.way.Reason).To(Equal(c.reason))
			g.Expect(c.way.String()).To(ContainSubstring(c.text))
			if c.reason == "" {
				g.Expect(c.way.String()).To(HaveSuffix(c.text))
			}
		})
	}
}

// Whoever may write the status of a Service chooses the text.
func TestAnAddressIsOneShortLine(t *testing.T) {
	g := NewWithT(t)
	w := ByService(v1alpha1.ListenerUsers, "chat-users", balanced(
		corev1.LoadBalancerIngress{Hostname: "a\x1b[2J\nb\u009b" + strings.Repeat("x", 1<<16)}, corev1.LoadBalancerIngress{Hostname: "\n"},
	))
	g.Expect(w.Addresses).To(HaveLen(1))
	g.Expect(w.String()).To(HavePrefix("Users by Service chat-users at a[2Jbxxx"))
	g.Expect(len(w.String())).To(BeNumerically("<", 300))
}

func TestTheConditionNamesWhatIsMissingFirst(t *testing.T) {
	open := ByService(v1alpha1.ListenerUsers, "chat-users", balanced(corev1.LoadBalancerIngress{IP: "192.0.2.7"}))
	waits := ByIngress(v1alpha1.ListenerAdmins, "chat-admins", nil)
	warning := Warning{v1alpha1.ReasonSourceHidden, "the source is hidden"}
	for _, c := range []struct {
		name           string
		ways           []Way
		warnings       []Warning
		status, reason string
		message        string
	}{
		{"open", []Way{open}, nil, "True", "Exposed", "Users by Service chat-users at 192.0.2.7"},
		{"open, with a warning", []Way{open}, []Warning{warning, {"AudienceNotExposed", "b"}}, "True", "SourceHidden",
			"the source is hidden; b; Users by Service chat-users at 192.0.2.7"},
		{"one of two waits", []Way{open, waits}, nil, "False", "WaitingForAddress",
			"Admins by Ingress chat-admins: it is not made yet; Users by Service chat-users at 192.0.2.7"},
		{"one of two waits, with a warning", []Way{open, waits}, []Warning{warning}, "False", "WaitingForAddress",
			"Admins by Ingress chat-admins: it is not made yet; the source is hidden; Users by Service chat-users at 192.0.2.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got := Condition(c.ways, c.warnings)
			g.Expect(string(got.Status) + "/" + got.Reason).To(Equal(c.status + "/" + c.reason))
			g.Expect(got.Message).To(Equal(c.message))
			g.Expect(got.Type).To(Equal(v1alpha1.ConditionExposed))
		})
	}
}
