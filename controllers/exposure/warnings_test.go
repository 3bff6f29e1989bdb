package exposure

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	users  = v1alpha1.ListenerUsers
	admins = v1alpha1.ListenerAdmins
)

func specOf(changes ...func(*v1alpha1.OpenIMStackSpec)) *v1alpha1.OpenIMStackSpec {
	s := &v1alpha1.OpenIMStackSpec{}
	s.Wrapper.Gateway = &v1alpha1.GatewaySpec{}
	s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	for _, change := range changes {
		change(s)
	}
	return s
}

func byService(l v1alpha1.Listener, policy v1alpha1.ExternalTrafficPolicy) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Gateway.Expose = append(s.Wrapper.Gateway.Expose, v1alpha1.Exposure{
			Listener: l, Service: &v1alpha1.ExposedService{Type: v1alpha1.ExposedLoadBalancer, ExternalTrafficPolicy: policy},
		})
	}
}

func byIngress(l v1alpha1.Listener, hosts ...v1alpha1.HostName) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Gateway.Expose = append(s.Wrapper.Gateway.Expose, v1alpha1.Exposure{
			Listener: l, Ingress: &v1alpha1.ExposedIngress{Hosts: hosts},
		})
	}
}

func byRoute(l v1alpha1.Listener, hostnames ...v1alpha1.HostName) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Gateway.Expose = append(s.Wrapper.Gateway.Expose, v1alpha1.Exposure{
			Listener: l, HTTPRoute: &v1alpha1.ExposedRoute{Hostnames: hostnames},
		})
	}
}

func trusting(s *v1alpha1.OpenIMStackSpec) {
	s.Wrapper.Auth.Users.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"}
}

func audience(url string) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Auth.Users.Audience = url }
}

func clients(peers ...v1alpha1.Peer) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Network = &v1alpha1.Network{Clients: peers} }
}

func administrators(peers ...v1alpha1.Peer) func(*v1alpha1.OpenIMStackSpec) {
	return func(s *v1alpha1.OpenIMStackSpec) { s.Network.Admins = peers }
}

func TestWarnings(t *testing.T) {
	block := v1alpha1.Peer{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}
	pods := v1alpha1.Peer{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "ingress"}}}
	const im = "im.example.com"
	for _, c := range []struct {
		name  string
		spec  *v1alpha1.OpenIMStackSpec
		peers Peers
		want  []string
	}{
		{"nothing is exposed", specOf(), Peers{OnHostNetwork: []string{"spec.network.clients"}}, nil},
		{"no gateway", &v1alpha1.OpenIMStackSpec{}, Peers{}, nil},
		{"an Ingress whose proxy is trusted", specOf(byIngress(users, im), trusting), Peers{}, nil},
		{"an Ingress whose proxy is not trusted", specOf(byIngress(users, im)), Peers{}, []string{"ClientAddressesHidden"}},
		{"administrators by an Ingress", specOf(byIngress(admins, "admin.example.com")), Peers{}, nil},
		{"administrators by an Ingress, and no users", specOf(byIngress(admins, im), func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Auth.Users = nil
		}), Peers{}, nil},

		{"users by a Service", specOf(byService(users, "")), Peers{}, nil},
		{"addresses, and nodes that hand on to their own pods", specOf(byService(users, ""), clients(block)), Peers{}, nil},
		{"addresses, and nodes that hand on to any pod",
			specOf(byService(users, "Cluster"), clients(pods, block)), Peers{}, []string{"SourceHidden"}},
		{"pods, and nodes that hand on to any pod", specOf(byService(users, "Cluster"), clients(pods)), Peers{}, nil},
		{"anyone, and nodes that hand on to any pod", specOf(byService(users, "Cluster")), Peers{}, nil},
		{"addresses of clients count for administrators",
			specOf(byService(admins, "Cluster"), clients(block)), Peers{}, []string{"SourceHidden"}},
		{"unless administrators have peers of their own",
			specOf(byService(admins, "Cluster"), clients(block), administrators(pods)), Peers{}, nil},
		{"addresses of administrators are nothing to users",
			specOf(byService(users, "Cluster"), clients(pods), administrators(block)), Peers{}, nil},
		{"addresses of administrators",
			specOf(byService(admins, "Cluster"), clients(pods), administrators(block)), Peers{}, []string{"SourceHidden"}},

		{"peers on their nodes' network", specOf(byService(users, ""), clients(pods)), Peers{OnHostNetwork: []string{"spec.network.clients"}},
			[]string{"PeersOnHostNetwork"}},
		{"peers that are nobody", specOf(byService(admins, ""), clients(block), administrators(pods)),
			Peers{Nothing: []string{"spec.network.admins"}}, []string{"PeersSelectNothing"}},
		{"peers of a listener that is not exposed", specOf(byService(users, ""), clients(block), administrators(pods)),
			Peers{Nothing: []string{"spec.network.admins"}, OnHostNetwork: []string{"spec.network.admins"}}, nil},
		{"clients count for administrators without peers of their own", specOf(byService(admins, ""), clients(pods)),
			Peers{Nothing: []string{"spec.network.clients"}}, []string{"PeersSelectNothing"}},
		{"clients do not count for administrators with peers", specOf(byService(admins, ""), clients(pods), administrators(block)),
			Peers{Nothing: []string{"spec.network.clients"}}, nil},

		{"the audience in upper case, with a port",
			specOf(byIngress(users, im), trusting, audience("https://IM.Example.com:8443")), Peers{}, nil},
		{"another host", specOf(byIngress(users, "chat.example.com"), trusting), Peers{}, []string{"AudienceNotExposed"}},
		{"a wildcard", specOf(byIngress(users, "*.example.com"), trusting), Peers{}, nil},
		{"a wildcard for two labels", specOf(byIngress(users, "*.com"), trusting), Peers{}, []string{"AudienceNotExposed"}},
		{"a wildcard for no label", specOf(byIngress(users, "*.im.example.com"), trusting), Peers{}, []string{"AudienceNotExposed"}},
		{"a wildcard for a part of a label", specOf(byIngress(users, "*.example.com"), trusting, audience("https://im.notexample.com")), Peers{},
			[]string{"AudienceNotExposed"}},
		{"the audience at the administrators' listener", specOf(byIngress(users, "x.example.com"), byIngress(admins, im), trusting), Peers{},
			[]string{"AudienceNotExposed"}},
		{"a Service beside the Ingress carries every host",
			specOf(byIngress(users, "x.example.com"), trusting, func(s *v1alpha1.OpenIMStackSpec) {
				s.Wrapper.Gateway.Expose[0].Service = &v1alpha1.ExposedService{Type: v1alpha1.ExposedNodePort}
			}), Peers{}, nil},
		{"a route, and no proxy that is trusted", specOf(byRoute(users, im)), Peers{}, []string{"ClientAddressesHidden"}},
		{"a route for administrators alone", specOf(byRoute(admins, im)), Peers{}, nil},
		{"a route of another host", specOf(byRoute(users, "x.example.com"), trusting), Peers{}, []string{"AudienceNotExposed"}},
		{"a route's wildcard", specOf(byRoute(users, "*.example.com"), trusting), Peers{}, nil},
		{"a route's wildcard is for several labels, unlike an Ingress's", specOf(byRoute(users, "*.com"), trusting), Peers{}, nil},
		{"a route's wildcard for no label", specOf(byRoute(users, "*.im.example.com"), trusting), Peers{}, []string{"AudienceNotExposed"}},
		{"a route's wildcard for a part of a label",
			specOf(byRoute(users, "*.example.com"), trusting, audience("https://im.notexample.com")), Peers{}, []string{"AudienceNotExposed"}},
		{"an audience that is no URL", specOf(byIngress(users, im), trusting, audience("https://%zz")), Peers{}, nil},

		{"all at once, the most harmful first", specOf(byIngress(users, "x.example.com"), byService(admins, "Cluster"), clients(block)),
			Peers{OnHostNetwork: []string{"spec.network.clients"}, Nothing: []string{"spec.network.clients"}},
			[]string{"ClientAddressesHidden", "SourceHidden", "PeersOnHostNetwork", "PeersSelectNothing", "AudienceNotExposed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var reasons []string
			for _, w := range Warnings(c.spec, c.peers) {
				reasons = append(reasons, w.Reason)
				NewWithT(t).Expect(w.Text).To(MatchRegexp(`: (write|add) `), "the remedy")
			}
			NewWithT(t).Expect(reasons).To(Equal(c.want))
		})
	}
}

// A process that has not audited yet knows the peers from what the condition says.
func TestPeersAreReadFromTheMessageThatWarnsOfThem(t *testing.T) {
	pods := v1alpha1.Peer{PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "ingress"}}}
	spec := specOf(byService(users, ""), byService(admins, ""), clients(pods), administrators(pods))
	const c, a = "spec.network.clients", "spec.network.admins"
	ways := []Way{{Listener: users, Object: "Service chat-users", Addresses: []string{c}}}
	for _, fields := range [][]string{nil, {c}, {a}, {c, a}, {a, c}} {
		for _, others := range [][]string{nil, {c}, {a}, {c, a}, {a, c}} {
			peers := Peers{OnHostNetwork: fields, Nothing: others}
			NewWithT(t).Expect(PeersIn(Condition(ways, Warnings(spec, peers)).Message)).To(Equal(peers))
		}
	}
	NewWithT(t).Expect(PeersIn("")).To(Equal(Peers{}))
	NewWithT(t).Expect(PeersIn("Users by Service chat-users: it has no address yet")).To(Equal(Peers{}))
}
