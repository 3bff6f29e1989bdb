package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// exposeAdmins begins a list of exposures with one that is valid.
const exposeAdmins = "gateway: {expose: [{listener: Admins, service: {type: LoadBalancer}}"

// exposeRoute begins an exposure by a route, up to its Gateways.
const exposeRoute = "gateway: {expose: [{listener: Admins, httpRoute: {parentRefs: "

var _ = Describe("The API server, of the exposures of the gateway", func() {
	DescribeTable(
		"refuses",
		refused,
		Entry("an exposed listener that does not exist", withGuard+"gateway: {expose: [{listener: Telemetry, service: {type: NodePort}}]}",
			"expose[0].listener", "Users"),
		Entry("a listener twice", withGuard+exposeAdmins+", {listener: Admins, service: {type: NodePort}}]}", "expose[1]", "Duplicate"),
		Entry("the users' listener, and no users", withGuard+"gateway: {expose: [{listener: Users, service: {type: NodePort}}]}",
			"spec.wrapper", "there is none: write auth.users"),
		Entry("an exposure by nothing", withGuard+"gateway: {expose: [{listener: Admins}]}", "expose[0]", "write service, ingress or httpRoute"),
		Entry("a Service that is not exposed", withGuard+"gateway: {expose: [{listener: Admins, service: {type: ClusterIP}}]}",
			"service.type", "LoadBalancer"),
		Entry("an exposed Service of no type", withGuard+"gateway: {expose: [{listener: Admins, service: {}}]}", "service.type", "Required"),
		Entry("a load balancer's class at a NodePort",
			withGuard+"gateway: {expose: [{listener: Admins, service: {type: NodePort, loadBalancerClass: a.example.com/b}}]}",
			"expose[0].service", "belong to type LoadBalancer: remove them"),
		Entry("source ranges at a NodePort",
			withGuard+"gateway: {expose: [{listener: Admins, service: {type: NodePort, loadBalancerSourceRanges: [192.0.2.0/24]}}]}",
			"belong to type LoadBalancer"),
		Entry("a source range that is no CIDR",
			withGuard+"gateway: {expose: [{listener: Admins, service: {type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.1]}}]}",
			"loadBalancerSourceRanges", "address and a prefix length"),
		Entry("a class that no load balancer has",
			withGuard+"gateway: {expose: [{listener: Admins, service: {type: LoadBalancer, loadBalancerClass: 'a b'}}]}",
			"loadBalancerClass", "example.com/internal"),
		Entry("a policy for traffic that does not exist",
			withGuard+"gateway: {expose: [{listener: Admins, service: {type: NodePort, externalTrafficPolicy: Any}}]}",
			"externalTrafficPolicy", "Local"),
		Entry("a port of 0", withGuard+"gateway: {expose: [{listener: Admins, service: {type: NodePort, port: 0}}]}", "service.port",
			"greater than or equal to 1"),
		Entry("an annotation without end", withGuard+"gateway: {expose: [{listener: Admins, service: {type: NodePort, annotations: {a: '"+
			strings.Repeat("x", 4097)+"'}}}]}", "annotations.a", "4096"),
		Entry("an Ingress for every host of the cluster", withGuard+"gateway: {expose: [{listener: Admins, ingress: {}}]}",
			"ingress.hosts", "Required"),
		Entry("an Ingress of no host", withGuard+"gateway: {expose: [{listener: Admins, ingress: {hosts: []}}]}", "ingress.hosts", "at least 1"),
		Entry("a host with a port", withGuard+"gateway: {expose: [{listener: Admins, ingress: {hosts: ['im.example.com:443']}}]}",
			"ingress.hosts[0]", "without port, for example im.example.com"),
		Entry("a host that is every host", withGuard+"gateway: {expose: [{listener: Admins, ingress: {hosts: ['*']}}]}",
			"ingress.hosts[0]", "DNS name"),
		Entry("a host that is an address", withGuard+"gateway: {expose: [{listener: Admins, ingress: {hosts: [192.0.2.1]}}]}",
			"ingress.hosts[0]", "DNS name"),
		Entry("a host in upper case", withGuard+"gateway: {expose: [{listener: Admins, ingress: {hosts: [IM.example.com]}}]}",
			"ingress.hosts[0]", "lower case"),
		Entry("a class of Ingress with a slash",
			withGuard+"gateway: {expose: [{listener: Admins, ingress: {className: a/b, hosts: [a.example.com]}}]}",
			"ingress.className", "IngressClass"),
		Entry("a route to no Gateway", withGuard+"gateway: {expose: [{listener: Admins, httpRoute: {hostnames: [a.example.com]}}]}",
			"httpRoute.parentRefs", "Required"),
		Entry("a route to an empty list of Gateways",
			withGuard+"gateway: {expose: [{listener: Admins, httpRoute: {parentRefs: [], hostnames: [a.example.com]}}]}",
			"httpRoute.parentRefs", "at least 1"),
		Entry("a route for every host of a Gateway", withGuard+exposeRoute+"[{name: public}]}}]}", "httpRoute.hostnames", "Required"),
		Entry("a Gateway twice", withGuard+exposeRoute+"[{name: public}, {name: public}], hostnames: [a.example.com]}}]}",
			"httpRoute.parentRefs", "names a Gateway twice: write a different sectionName"),
		Entry("a listener of a Gateway twice", withGuard+exposeRoute+
			"[{name: public, namespace: a, sectionName: x}, {name: public, namespace: a, sectionName: x}], hostnames: [a.example.com]}}]}",
			"names a Gateway twice"),
		Entry("a Gateway and one of its listeners", withGuard+exposeRoute+
			"[{name: public, sectionName: x}, {name: public}], hostnames: [a.example.com]}}]}", "names a Gateway twice"),
		Entry("a Gateway's name with a slash", withGuard+exposeRoute+"[{name: a/b}], hostnames: [a.example.com]}}]}",
			"parentRefs[0].name", "for example public"),
		Entry("a Gateway in no namespace", withGuard+exposeRoute+"[{name: a, namespace: A_b}], hostnames: [a.example.com]}}]}",
			"parentRefs[0].namespace", "for example gateways"),
		Entry("a listener of a Gateway with a space", withGuard+exposeRoute+"[{name: a, sectionName: 'a b'}], hostnames: [a.example.com]}}]}",
			"parentRefs[0].sectionName", "for example https"),
		Entry("a hostname that is every host", withGuard+exposeRoute+"[{name: a}], hostnames: ['*']}}]}", "hostnames[0]", "DNS name"),
		Entry("an authority of a certificate that is not there", withGuard+exposeRoute+
			"[{name: a}], hostnames: [a.example.com], backendCARef: {name: ca}}}]}", "spec.wrapper.gateway", "write gateway.tls, or remove them"),
		Entry("a name of a certificate that is not there", withGuard+exposeRoute+
			"[{name: a}], hostnames: [a.example.com], backendHostname: a.example.com}}]}", "spec.wrapper.gateway", "write gateway.tls"),
		Entry("a certificate for a wildcard", withGuard+strings.Replace(exposeRoute, "{expose", "{tls: {secretRef: {name: tls}}, expose", 1)+
			"[{name: a}], hostnames: ['*.example.com', a.example.com]}}]}", "spec.wrapper.gateway", "write httpRoute.backendHostname"),
		Entry("a backend's name with a wildcard", withGuard+strings.Replace(exposeRoute, "{expose", "{tls: {secretRef: {name: tls}}, expose", 1)+
			"[{name: a}], hostnames: [a.example.com], backendHostname: '*.example.com'}}]}", "backendHostname", "for example im.example.com"),
	)

	It("accepts all ways out of the cluster", func(ctx context.Context) {
		Expect(try(ctx, strings.Split(withUsers+"{audience: 'https://im.example.com'}"+" ;; "+withGuard+exposeAdmins+
			", {listener: Users, service: {type: LoadBalancer, annotations: {a.example.com/b: c}, port: 443, nodePort: 30443, "+
			"loadBalancerClass: example.com/internal, loadBalancerSourceRanges: ['2001:db8::/32'], externalTrafficPolicy: Cluster}, "+
			"ingress: {className: nginx, hosts: [im.example.com, '*.example.com', localhost, 1.example.com], annotations: {a: b}, "+
			"tlsSecretRef: {name: im}}}]}", " ;; ")...)).To(Succeed())
		Expect(try(ctx, withGuard+"gateway: {tls: {secretRef: {name: tls}}, expose: [{listener: Admins, httpRoute: {parentRefs: "+
			"[{name: a, namespace: b, sectionName: x}, {name: a, namespace: b, sectionName: z}, {name: a}, {name: a.example, namespace: c}], "+
			"hostnames: ['*.example.com', a.example.com], backendHostname: im.example.com, backendCARef: {name: company-ca}}}]}")).To(Succeed())
	})
})
