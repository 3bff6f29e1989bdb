package dependencies_test

import (
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

func asking(ref *v1alpha1.ServiceReference, url string, hooks ...v1alpha1.HookName) func(*spec) {
	return func(s *spec) {
		s.Webhooks = &v1alpha1.Webhooks{ServiceRef: ref, URL: url, Via: v1alpha1.WebhooksViaOpenIM}
		for _, name := range hooks {
			s.Webhooks.Hooks = append(s.Webhooks.Hooks, v1alpha1.Hook{Name: name})
		}
	}
}

var moderation = &v1alpha1.ServiceReference{Name: "moderation", Namespace: "infra", Port: 80}

// The service is placed as stores are, for the callers of the hooks alone.
func TestWebhooksArePlacedForTheirCallersAlone(t *testing.T) {
	g := NewWithT(t)
	objects := objectsInCluster(service("moderation", 80, intstr.FromInt32(8080)))
	facts, problems := resolve(t, stack(asking(moderation, "", "beforeSendSingleMsg", "afterSendGroupMsg", "beforeOfflinePush")), objects...)
	g.Expect(problems).To(BeEmpty())
	at := []openim.Endpoint{{Port: 8080, Peers: []networkingv1.NetworkPolicyPeer{{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app": "moderation"}},
	}}}}
	g.Expect(facts.Webhooks).To(Equal(map[openim.Name][]openim.Endpoint{openim.RPCMsg: at, openim.Push: at}))
	g.Expect(facts.ForTemplates().Webhooks).To(BeNil(), "a place restarts no pod")
	facts, problems = resolve(t, stack(), objects...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Webhooks).To(BeEmpty())
}

func TestProblemsOfWebhooksNameTheFieldAndTheRemedy(t *testing.T) {
	extra := func(components ...v1alpha1.ComponentName) func(*spec) {
		return func(s *spec) {
			s.Network = &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
				Name: "hooks", Components: components, Peers: vendorBlock, Ports: []v1alpha1.EgressPort{{Port: 443}},
			}}}
		}
	}
	placed := func(port *int32) func(*spec) {
		return func(s *spec) { s.Webhooks.Peers, s.Webhooks.PeerPort = vendorBlock, port }
	}
	const outside = "https://hooks.example.com/openim"
	for _, c := range []struct {
		name       string
		changes    []func(*spec)
		reason     string
		says       []string
		components []string
		ports      []int32
	}{
		{"no such Service", []func(*spec){asking(moderation, "", "afterUserOnline")}, v1alpha1.ReasonServiceNotFound,
			[]string{"spec.webhooks.serviceRef", "infra/moderation does not exist"}, []string{"msggateway"}, nil},
		{"no such port", []func(*spec){asking(&v1alpha1.ServiceReference{Name: "redis", Namespace: "infra", Port: 1}, "", "afterUserOnline")},
			v1alpha1.ReasonServiceNotFound, []string{"has no port 1: write one of 6379"}, []string{"msggateway"}, nil},
		{"the stack's own namespace", []func(*spec){asking(&v1alpha1.ServiceReference{Name: "moderation", Port: 80}, "", "beforeAddFriend")},
			v1alpha1.ReasonServiceNotFound, []string{"im/moderation"}, []string{"rpc-friend"}, nil},
		{"a host outside", []func(*spec){asking(nil, outside, "beforeSendSingleMsg", "beforeAddFriend")}, v1alpha1.ReasonPeersNeeded,
			[]string{`spec.webhooks.peers: a NetworkPolicy cannot name the host "hooks.example.com"`, "webhooks.peers", "network.extraEgress"},
			[]string{"rpc-friend", "rpc-msg"}, nil},
		{"a host that one of two callers reaches",
			[]func(*spec){asking(nil, outside, "beforeSendSingleMsg", "beforeAddFriend"), extra("rpc-msg")},
			v1alpha1.ReasonPeersNeeded, []string{"spec.webhooks.peers"}, []string{"rpc-friend"}, nil},
		{"a host that both reach",
			[]func(*spec){asking(nil, outside, "beforeSendSingleMsg", "beforeAddFriend"), extra("rpc-msg", "rpc-friend")},
			"", nil, nil, nil},
		{"a host with peers", []func(*spec){asking(nil, outside, "beforeSendSingleMsg"), placed(nil)}, "", nil, nil, []int32{443}},
		{"a host behind a proxy", []func(*spec){asking(nil, outside, "beforeSendSingleMsg"), placed(ptr.To[int32](3128))}, "", nil, nil,
			[]int32{3128}},
		{"an address", []func(*spec){asking(nil, "https://192.0.2.7:8443/openim", "beforeSendSingleMsg")}, "", nil, nil, []int32{8443}},
		{"a port that does not exist", []func(*spec){asking(nil, "https://192.0.2.7:70000/openim", "beforeSendSingleMsg")},
			v1alpha1.ReasonInvalidSpec, []string{"spec.webhooks.url", "1 to 65535"}, []string{"rpc-msg"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			facts, problems := resolve(t, stack(c.changes...), objectsInCluster()...)
			g.Expect(portsOf(facts.Webhooks[openim.RPCMsg])).To(Equal(c.ports))
			if c.reason == "" {
				g.Expect(problems).To(BeEmpty())
				return
			}
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(c.reason))
			g.Expect(problems[0].Components).To(Equal(c.components), "the others are built")
			for _, text := range c.says {
				g.Expect(problems[0].String()).To(ContainSubstring(text))
			}
		})
	}
}
