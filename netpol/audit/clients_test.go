package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

func TestClientsOfTheGatewayThatAreNobody(t *testing.T) {
	selects := func(app, namespace string) v1alpha1.Peer {
		p := v1alpha1.Peer{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": app}}}
		if namespace != "" {
			p.NamespaceSelector = &v1alpha1.Selector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}
		}
		return p
	}
	pod := func(name, app string, change ...func(*corev1.Pod)) corev1.Pod {
		p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "edge", Labels: map[string]string{"app": app}}}
		p.Status.Phase, p.Status.PodIP = corev1.PodRunning, "10.1.0.1"
		for _, c := range change {
			c(&p)
		}
		return p
	}
	onNode := func(p *corev1.Pod) { p.Spec.HostNetwork = true }
	ended := func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }
	const clients, admins = "spec.network.clients", "spec.network.admins"
	anyone, edge := v1alpha1.Peer{NamespaceSelector: &v1alpha1.Selector{}}, selects("ingress", "edge")
	for _, c := range []struct {
		name                   string
		network                *v1alpha1.Network
		pods                   []corev1.Pod
		read                   []string
		onHostNetwork, nothing []string
	}{
		{name: "no peers: anyone"},
		{name: "pods that are there", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}}, pods: []corev1.Pod{pod("a", "ingress")}},
		{name: "no such pods", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}}, pods: []corev1.Pod{pod("a", "other")},
			nothing: []string{clients}},
		{name: "pods of the name in another namespace", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{selects("ingress", "")}},
			pods: []corev1.Pod{pod("a", "ingress")}, nothing: []string{clients}},
		{name: "a pod that has ended", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}}, pods: []corev1.Pod{pod("a", "ingress", ended)},
			nothing: []string{clients}},
		{name: "pods on their nodes' network", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}},
			pods: []corev1.Pod{pod("a", "ingress", onNode)}, onHostNetwork: []string{clients}},
		{name: "some of them", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}},
			pods: []corev1.Pod{pod("a", "ingress", onNode), pod("b", "ingress")}},
		{name: "administrators", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{anyone}, Admins: []v1alpha1.Peer{edge}},
			nothing: []string{admins}},
		{name: "peers without labels of pods", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{anyone}}},
		{name: "addresses", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}}},
		{name: "a namespace that was not read", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}}, read: []string{"im"}},
		{name: "a namespace that was read", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge}}, read: []string{"im", "edge"},
			nothing: []string{clients}},
		{name: "both fields", network: &v1alpha1.Network{Clients: []v1alpha1.Peer{edge, edge}, Admins: []v1alpha1.Peer{selects("vpn", "edge")}},
			pods: []corev1.Pod{pod("a", "vpn", onNode)}, onHostNetwork: []string{admins}, nothing: []string{clients}},
	} {
		t.Run(c.name, func(t *testing.T) {
			stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
			stack.Spec.Network = c.network
			stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
			w := &snapshot.Snapshot{Pods: c.pods, OnlyNamespaces: c.read}
			onHostNetwork, nothing := audit.UnmatchedClients(graph.New(stack, openim.Facts{}), w)
			g := NewWithT(t)
			g.Expect(onHostNetwork).To(Equal(c.onHostNetwork))
			g.Expect(nothing).To(Equal(c.nothing))
		})
	}
}
