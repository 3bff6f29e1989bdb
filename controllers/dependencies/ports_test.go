package dependencies_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/openim"
)

// A NetworkPolicy is applied after a Service's port has been translated, so the number at the endpoints counts.

// slice returns an EndpointSlice of Redis's Service. No ports mean all ports.
func slice(name string, addresses []string, ports ...discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "infra", Labels: map[string]string{discoveryv1.LabelServiceName: "redis"}},
		Endpoints:  []discoveryv1.Endpoint{{Addresses: addresses}}, Ports: ports,
	}
}

func named(name string, number int32) discoveryv1.EndpointPort {
	return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: ptr.To(corev1.ProtocolTCP)}
}

func withoutSelector(s *corev1.Service) { s.Spec.Selector = nil }

func portsOf(places []openim.Endpoint) []int32 {
	var ports []int32
	for _, e := range places {
		ports = append(ports, e.Port)
	}
	return ports
}

func TestAPortIsWhatTheEndpointsServe(t *testing.T) {
	for _, c := range []struct {
		name    string
		service client.Object
		slices  []*discoveryv1.EndpointSlice
		ports   []int32
		blocks  []string // none: the Service's pods
	}{
		{
			"pods that give a name different numbers", service("redis", 6379, intstr.FromString("redis")),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"10.0.0.1"}, named("main", 7000)),
				slice("b", []string{"10.0.0.2"}, named("main", 7001))},
			[]int32{7000, 7001},
			nil,
		},
		{
			"endpoints that serve another of the Service's ports", service("redis", 6379, intstr.FromString("redis")),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"10.0.0.1"}, named("other", 26379)),
				slice("b", []string{"10.0.0.2"}, named("main", 7001))},
			[]int32{7001},
			nil,
		},
		{
			"the same name for UDP", service("redis", 6379, intstr.FromString("redis")),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"10.0.0.1"}, discoveryv1.EndpointPort{Name: ptr.To("main"), Port: ptr.To[int32](99),
				Protocol: ptr.To(corev1.ProtocolUDP)}, named("main", 7001))},
			[]int32{7001},
			nil,
		},
		{
			"addresses of both families, written by a user", service("redis", 6379, intstr.FromInt32(1), withoutSelector),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"192.0.2.9"}, named("main", 16379)),
				slice("b", []string{"2001:db8::9"}, named("main", 16379))},
			[]int32{16379},
			[]string{"192.0.2.9/32", "2001:db8::9/128"},
		},
		{
			"addresses that serve all ports", service("redis", 6379, intstr.FromInt32(1), withoutSelector),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"192.0.2.9"})},
			[]int32{6379},
			[]string{"192.0.2.9/32"},
		},
		{
			"addresses behind a name, which translates no port", service("redis", 6379, intstr.FromInt32(1), withoutSelector,
				func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }),
			[]*discoveryv1.EndpointSlice{slice("a", []string{"192.0.2.9"}, named("main", 16379))},
			[]int32{6379},
			[]string{"192.0.2.9/32"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			objects := objectsInCluster(c.service)
			for _, s := range c.slices {
				objects = append(objects, s)
			}
			facts, problems := resolve(t, stack(), objects...)
			g.Expect(problems).To(BeEmpty())
			places := facts.Endpoints[openim.Redis]
			g.Expect(portsOf(places)).To(Equal(c.ports))
			for _, place := range places {
				var blocks []string
				for _, peer := range place.Peers {
					if peer.IPBlock != nil {
						blocks = append(blocks, peer.IPBlock.CIDR)
					}
				}
				g.Expect(blocks).To(Equal(c.blocks))
			}
		})
	}
}

// A port that does not resolve is a problem, never a rule for all ports.
func TestAPortThatNobodyServesIsAProblem(t *testing.T) {
	facts, problems := resolve(t, stack(), append(objectsInCluster(service("redis", 6379, intstr.FromString("redis"))),
		slice("a", []string{"10.0.0.1"}, named("other", 1)))...)
	NewWithT(t).Expect(problems).To(HaveLen(1))
	NewWithT(t).Expect(problems[0].String()).To(ContainSubstring("Service infra/redis has no endpoints yet"))
	NewWithT(t).Expect(facts.Endpoints[openim.Redis]).To(BeEmpty())
}

// Policies are copied to each component that uses a store: EndpointSlices that users write must not make them unbounded.
func TestAServiceOfTooManyAddressesNeedsPeers(t *testing.T) {
	g := NewWithT(t)
	var many []string
	for i := range 257 {
		many = append(many, fmt.Sprintf("192.0.%d.%d", i/256, i%256))
	}
	within := append(objectsInCluster(service("redis", 6379, intstr.FromInt32(6379), withoutSelector)),
		slice("a", many[:200], named("main", 6379)), slice("b", many[100:256], named("main", 6379)))
	facts, problems := resolve(t, stack(), within...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.Redis][0].Peers).To(HaveLen(256), "an address of two slices counts once")

	beyond := append(slices.Clone(within), slice("c", many[256:], named("main", 6379)))
	facts, problems = resolve(t, stack(), beyond...)
	g.Expect(facts.Endpoints[openim.Redis]).To(BeEmpty())
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Stalled).To(BeTrue())
	g.Expect(problems[0].String()).To(And(ContainSubstring("spec.dependencies.redis.peers"), ContainSubstring("257 addresses"),
		ContainSubstring("add peers")))

	facts, problems = resolve(t, stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Dependencies.Redis.Peers = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.0.0/23"}}}
	}), beyond...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Endpoints[openim.Redis]).To(HaveLen(1))
}

// A new release of Redis may have another number for the port of the same name.
func TestAPortThatChangesBehindItsNameIsFollowed(t *testing.T) {
	g := NewWithT(t)
	endpoints := slice("a", []string{"10.0.0.1"}, named("main", 7000))
	cluster := fake.NewClientBuilder().WithObjects(append(objectsInCluster(service("redis", 6379, intstr.FromString("redis"))),
		endpoints)...).Build()
	for _, want := range []int32{7000, 7100} {
		var live discoveryv1.EndpointSlice
		g.Expect(cluster.Get(context.Background(), client.ObjectKeyFromObject(endpoints), &live)).To(Succeed())
		live.Ports = []discoveryv1.EndpointPort{named("main", want)}
		g.Expect(cluster.Update(context.Background(), &live)).To(Succeed())
		facts, problems, err := dependencies.Resolve(context.Background(), cluster, stack())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(problems).To(BeEmpty())
		g.Expect(portsOf(facts.Endpoints[openim.Redis])).To(Equal([]int32{want}))
		g.Expect(facts.Services).To(ContainElement(HaveField("Name", "redis")), "so that a change of its endpoints requeues the stack")
	}
}

func TestAWrapperOfOnesOwnNeedsNothingOfTheOperators(t *testing.T) {
	s := stack(func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper = v1alpha1.Wrapper{
			ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "bridge"}}},
		}
	})
	var objects []client.Object
	for _, o := range objectsInCluster() {
		if o.GetName() != "chat-assertion" && o.GetName() != "jwks" {
			objects = append(objects, o)
		}
	}
	facts, problems := resolve(t, s, objects...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Wrapper).To(Equal(openim.WrapperFacts{}))
}
