package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// The stack's policies name a store by addresses when its Service has no selector. Some networks never match an ipBlock against addresses
// of pods or nodes, so the audit reports such addresses.
func TestAStoreThatPoliciesNameByAddressesOfPodsOrNodes(t *testing.T) {
	for _, c := range []struct {
		name      string
		addresses []string
		// pod of the store, added to the snapshot.
		pod *corev1.Pod
		// object and reason of the finding. Empty when there is no finding.
		object, reason string
	}{
		{name: "outside the cluster", addresses: []string{"192.0.2.77"}},
		{
			name: "a pod's", addresses: []string{"10.1.0.20"}, pod: storePod("10.1.0.20"),
			object: "Pod/infra/database-0", reason: "10.1.0.20/32, which is an address of pod infra/database-0",
		},
		{
			name: "a pod's second address", addresses: []string{"fd00:1::20"}, pod: storePod("10.1.0.20", "fd00:1::20"),
			object: "Pod/infra/database-0", reason: "fd00:1::20/128, which is an address of pod infra/database-0",
		},
		{
			name: "one of several", addresses: []string{"192.0.2.77", "10.1.0.20"}, pod: storePod("10.1.0.20"),
			object: "Pod/infra/database-0", reason: "10.1.0.20/32",
		},
		{
			name: "a node's", addresses: []string{"172.20.0.9"}, pod: onNode(storePod("10.1.0.20"), "172.20.0.9"),
			object: "Pod/infra/database-0", reason: "172.20.0.9/32, which is an address of the node of pod infra/database-0",
		},
		{
			name: "a pod's on its node's network", addresses: []string{"172.20.0.9"}, pod: onHost(storePod("172.20.0.9"), "172.20.0.9"),
			object: "Pod/infra/database-0", reason: "the node of pod infra/database-0",
		},
		{name: "a pod's that has ended", addresses: []string{"10.1.0.20"}, pod: ended(storePod("10.1.0.20"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			objects := []client.Object{
				&corev1.Service{
					ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "database"},
					Spec:       corev1.ServiceSpec{ClusterIP: "10.96.0.77", Ports: []corev1.ServicePort{{Name: "db", Port: 27017}}},
				},
			}
			for _, address := range c.addresses {
				objects = append(objects, sliceOf(address))
			}
			if c.pod != nil {
				objects = append(objects, c.pod)
			}
			in := buildWith(t, objects, func(stack *v1alpha1.OpenIMStack) {
				stack.Spec.Dependencies.MongoDB.Addresses = []v1alpha1.Address{"database.infra.svc:27017"}
			})
			var found []audit.Finding
			for _, f := range audit.Run(in).Findings {
				if f.Kind == audit.PeerMatchesNothing {
					found = append(found, f)
				}
			}
			if c.object == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(HaveLen(1))
			g.Expect(objectName(found[0].Object)).To(Equal(c.object))
			g.Expect(found[0].Severity).To(Equal(audit.Low))
			g.Expect(found[0].Reason).To(And(ContainSubstring("mongodb:27017"), ContainSubstring(c.reason)))
			g.Expect(found[0].Fix).To(And(ContainSubstring("selector"), ContainSubstring("podSelector")))
		})
	}
}

// A wide block of the spec means a network, and not the pods in it.
func TestAWideBlockMeansANetwork(t *testing.T) {
	for cidr, found := range map[string]int{"10.1.0.0/16": 0, "10.1.0.0/24": 1} {
		in := clean(t, func(stack *v1alpha1.OpenIMStack) {
			stack.Spec.Dependencies.MongoDB.Peers = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: v1alpha1.CIDR(cidr)}}}
		})
		n := 0
		for _, f := range audit.Run(in).Findings {
			if f.Kind == audit.PeerMatchesNothing {
				n++
			}
		}
		NewWithT(t).Expect(n).To(Equal(found), cidr)
	}
}

func storePod(addresses ...string) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "infra", Name: "database-0"},
		Spec:       corev1.PodSpec{NodeName: "node-9", Containers: []corev1.Container{{Name: "db", Image: "db"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, PodIP: addresses[0]},
	}
	for _, address := range addresses {
		pod.Status.PodIPs = append(pod.Status.PodIPs, corev1.PodIP{IP: address})
	}
	return pod
}

func onNode(pod *corev1.Pod, address string) *corev1.Pod {
	pod.Status.HostIP, pod.Status.HostIPs = address, []corev1.HostIP{{IP: address}}
	return pod
}

func onHost(pod *corev1.Pod, address string) *corev1.Pod {
	pod.Spec.HostNetwork = true
	return onNode(pod, address)
}

func ended(pod *corev1.Pod) *corev1.Pod {
	pod.Status.Phase = corev1.PodSucceeded
	return pod
}

// sliceOf returns an EndpointSlice for the Service database that its controller did not write.
func sliceOf(address string) *discoveryv1.EndpointSlice {
	family := discoveryv1.AddressTypeIPv4
	name := "database-4"
	if len(address) > 4 && address[:4] == "fd00" {
		family, name = discoveryv1.AddressTypeIPv6, "database-6"
	}
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "infra", Name: name + "-" + address[len(address)-2:], Labels: map[string]string{discoveryv1.LabelServiceName: "database"},
		},
		AddressType: family,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{address}}},
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("db"), Port: ptr.To[int32](27017)}},
	}
}
