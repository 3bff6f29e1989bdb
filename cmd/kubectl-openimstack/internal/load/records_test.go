package load

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// moving returns a stack that has just moved from the Redis at 192.0.2.1 to the one at 192.0.2.2, and the operator's record of the move.
func moving(t *testing.T) (v1alpha1.OpenIMStack, *appsv1.ControllerRevision) {
	t.Helper()
	stack := v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", UID: "u1"}}
	stack.Spec.Version = "v3.8.3"
	stack.Spec.Dependencies.Redis.Addresses = []v1alpha1.Address{"192.0.2.2:6379"}
	var record seal.Record
	for _, address := range []string{"192.0.2.1", "192.0.2.2"} {
		endpoints := openim.NetworkPeers("im", []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: v1alpha1.CIDR(address + "/32")}}})
		record = seal.Next(record, []openim.Location{{Party: openim.PartyRedis, Addresses: []openim.Address{{
			Text: address + ":6379", Resolved: true, Endpoints: []openim.Endpoint{{Peers: endpoints, Port: 6379}},
		}}}})
	}
	common := manifests.CommonLabels(stack.Name)
	revision, err := seal.Revision(stack.Name, stack.Namespace, common, manifests.OwnerReference(&stack), record, 1)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return stack, revision
}

// redisOf returns the addresses at which rpc-auth reaches its Redis by a graph.
func redisOf(g graph.Graph) []string {
	var blocks []string
	for _, e := range g.EdgesFrom("rpc-auth") {
		for _, peer := range e.To.NetworkPeers {
			if e.To.Name == string(openim.Redis) {
				blocks = append(blocks, peer.IPBlock.CIDR)
			}
		}
	}
	return blocks
}

func TestThePluginAgreesWithTheOperatorDuringAMove(t *testing.T) {
	g := NewWithT(t)
	stack, revision := moving(t)
	refused := errors.New("forbidden")
	for name, c := range map[string]struct {
		client client.Client
		want   []string
	}{
		"with the operator's record": {fake.NewClientBuilder().WithObjects(revision).Build(), []string{"192.0.2.2/32", "192.0.2.1/32"}},
		"without a record":           {fake.NewClientBuilder().Build(), []string{"192.0.2.2/32"}},
		"without the right to read it": {fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
			List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return refused },
		}).Build(), []string{"192.0.2.2/32"}},
	} {
		records := (&Cluster{Client: c.client}).records(t.Context(), []v1alpha1.OpenIMStack{stack})
		resolved, err := resolve(t.Context(), &snapshot.Snapshot{Services: []corev1.Service{}}, &stack, records[stack.UID], &Flags{})
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(redisOf(resolved.Graph)).To(Equal(c.want), name)
	}
}
