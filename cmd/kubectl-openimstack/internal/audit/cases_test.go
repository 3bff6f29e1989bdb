package audit_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// caseOf is testdata/deploy with one more file, as found in real clusters.
type caseOf struct {
	// file of testdata/cases, or text of a manifest.
	file, text string
	// exit code, and the finding that must be reported, as kind, severity and object; empty for no finding.
	exit    int
	finding string
	says    string
}

// cases are by name. Each case bypasses the policies or keeps them from working, and none is a NetworkPolicy.
var cases = map[string]caseOf{
	"an Ingress": {
		file: "ingress.yaml", exit: cli.ExitFindings, finding: "IngressExposes High Ingress im/api",
	},
	"a Deployment with labels of ours": {
		file: "deployment-reserved-labels.yaml", exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/fake",
	},

	"kube-router without its firewall": {
		file: "kube-router-without-firewall.yaml", exit: cli.ExitFindings,
		finding: "NotEnforced High Pod kube-system/kube-router", says: "--run-firewall=false",
	},
	"the agent of the VPC CNI is off": {
		file: "vpc-cni-agent-off.yaml", exit: cli.ExitFindings,
		finding: "NotEnforced High Pod kube-system/aws-node", says: "--enable-network-policy=false",
	},

	"an OpenShift Route": {
		file: "openshift-route.yaml", exit: cli.ExitFindings, finding: "RouteExposes High Route im/api", says: "api:10002",
	},
	"a Traefik IngressRoute": {
		file: "traefik-ingressroute.yaml", exit: cli.ExitFindings, finding: "RouteExposes High IngressRoute im/api", says: "api:10002",
	},
	"a Traefik TCP route": {
		text: plugintest.Manifest("traefik.io/v1alpha1", "IngressRouteTCP", "im",
			`{routes: [{match: "HostSNI(`+"`*`"+`)", services: [{name: chat-rpc-user, port: 10320}]}]}`),
		exit: cli.ExitFindings, finding: "RouteExposes High IngressRouteTCP im/x",
	},
	"a Traefik mirror": {
		text: plugintest.Manifest("traefik.io/v1alpha1", "TraefikService", "im",
			`{mirroring: {name: chat-gateway, port: 8082, mirrors: [{name: chat-api, port: http}]}}`),
		exit: cli.ExitFindings, finding: "RouteExposes High TraefikService im/x",
	},
	"a Contour HTTPProxy": {
		text: plugintest.Manifest("projectcontour.io/v1", "HTTPProxy", "im",
			`{routes: [{services: [{name: chat-backend, port: 8080}]}]}`),
		exit: cli.ExitFindings, finding: "RouteExposes High HTTPProxy im/x",
	},
	"a TCPIngress of Kong": {
		text: plugintest.Manifest("configuration.konghq.com/v1beta1", "TCPIngress", "im",
			`{rules: [{port: 9000, backend: {serviceName: chat-api, servicePort: 10002}}]}`),
		exit: cli.ExitFindings, finding: "RouteExposes High TCPIngress im/x",
	},
	"an ApisixRoute": {
		text: plugintest.Manifest("apisix.apache.org/v2", "ApisixRoute", "im",
			`{http: [{name: a, backends: [{serviceName: chat-api, servicePort: http}]}]}`),
		exit: cli.ExitFindings, finding: "RouteExposes High ApisixRoute im/x",
	},
	"a Mapping of Ambassador": {
		text: plugintest.Manifest("getambassador.io/v3alpha1", "Mapping", "edge", `{prefix: /, service: "http://chat-api.im:10002"}`),
		exit: cli.ExitFindings, finding: "RouteExposes High Mapping edge/x",
	},
	"an Istio VirtualService": {
		text: plugintest.Manifest("networking.istio.io/v1", "VirtualService", "edge",
			`{hosts: [api.example.com], gateways: [edge/gw],
  http: [{route: [{destination: {host: chat-api.im.svc.cluster.local, port: {number: 10002}}}]}]}`),
		exit: cli.ExitFindings, finding: "RouteExposes High VirtualService edge/x",
	},
	"an export to other clusters": {
		text: strings.Replace(plugintest.Manifest("multicluster.x-k8s.io/v1alpha1", "ServiceExport", "im",
			`{}`), "name: x", "name: chat-api", 1),
		exit: cli.ExitFindings, finding: "RouteExposes High ServiceExport im/chat-api",
	},
	"a load balancer's binding": {
		text: plugintest.Manifest("elbv2.k8s.aws/v1beta1", "TargetGroupBinding", "im",
			`{serviceRef: {name: chat-msggateway, port: 10001}}`),
		exit: cli.ExitFindings, finding: "RouteExposes High TargetGroupBinding im/x",
	},
	"a route to a store": {
		text: plugintest.Manifest("route.openshift.io/v1", "Route", "infra", `{to: {kind: Service, name: mongodb}}`),
		exit: cli.ExitFindings, finding: "StoreExposed High Route infra/x",
	},

	"a Route to the users' listener": {
		text: plugintest.Manifest("route.openshift.io/v1", "Route", "im",
			`{to: {kind: Service, name: chat-gateway}, port: {targetPort: users}}`),
		exit: cli.ExitSealed,
	},
	"an IngressRoute to the users' listener": {
		text: plugintest.Manifest("traefik.io/v1alpha1", "IngressRoute", "im",
			`{routes: [{services: [{name: chat-gateway, port: 8082}]}]}`),
		exit: cli.ExitSealed,
	},
	"retries within the mesh": {
		text: plugintest.Manifest("networking.istio.io/v1", "VirtualService", "im",
			`{hosts: [chat-api], http: [{route: [{destination: {host: chat-api}}]}]}`),
		exit: cli.ExitUnknown, finding: "UnknownReference Low VirtualService im/x",
	},

	"Cilium redirects the gateway": {
		file: "cilium-local-redirect.yaml", exit: cli.ExitFindings, finding: "TrafficDiverted High CiliumLocalRedirectPolicy im/lrp",
	},
	"Cilium sends a store's traffic to Envoy": {
		text: plugintest.Manifest("cilium.io/v2", "CiliumEnvoyConfig", "infra", `{services: [{name: redis, namespace: infra}]}`),
		exit: cli.ExitFindings, finding: "TrafficDiverted High CiliumEnvoyConfig infra/x",
	},
	"the mesh sends the backend's calls elsewhere": {
		text: plugintest.Manifest("networking.istio.io/v1", "VirtualService", "im",
			`{hosts: [chat-backend], http: [{route: [{destination: {host: evil.tools.svc.cluster.local}}]}]}`),
		exit: cli.ExitFindings, finding: "TrafficDiverted High VirtualService im/x",
	},
	"a redirect of names": {
		text: plugintest.Manifest("cilium.io/v2", "CiliumLocalRedirectPolicy", "kube-system",
			`{redirectFrontend: {serviceMatcher: {serviceName: kube-dns, namespace: kube-system}}}`),
		exit: cli.ExitSealed,
	},

	"an Argo Rollout with labels of ours": {
		file: "rollout-reserved-labels.yaml", exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/fake",
	},
	"a DeploymentConfig with labels of ours": {
		text: maker("apps.openshift.io/v1", "DeploymentConfig", "template"),
		exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/x",
	},
	"a CloneSet with labels of ours": {
		text: maker("apps.kruise.io/v1alpha1", "CloneSet", "template"),
		exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/x",
	},
	"a virtual machine with labels of ours": {
		text: maker("kubevirt.io/v1", "VirtualMachine", "template"),
		exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/x",
	},
	"a Knative Service with labels of ours": {
		text: maker("serving.knative.dev/v1", "Service", "template"),
		exit: cli.ExitFindings, finding: "ReservedLabels Critical Pod im/x",
	},
	"an unknown kind, with labels of ours": {
		text: maker("example.com/v1", "Runner", "workload"),
		exit: cli.ExitUnknown, finding: "UnknownReference Low Runner im/x", says: "carries the labels of backend",
	},
	"an unknown kind names a Service": {
		text: plugintest.Manifest("example.com/v1", "Tunnel", "tools", `{to: "tcp://chat-api.im.svc:10002"}`),
		exit: cli.ExitUnknown, finding: "UnknownReference Low Tunnel tools/x", says: "names Service im/chat-api",
	},
	"one names it by two fields": {
		text: plugintest.Manifest("example.com/v1", "Tunnel", "tools", `{target: {name: chat-rpc-auth, namespace: im}}`),
		exit: cli.ExitUnknown, finding: "UnknownReference Low Tunnel tools/x",
	},
	"one leads to the users' listener": {
		text: plugintest.Manifest("example.com/v1", "Tunnel", "im", `{to: "http://chat-gateway.im:8082"}`),
		exit: cli.ExitSealed,
	},
	"one means another namespace's": {
		text: plugintest.Manifest("example.com/v1", "Tunnel", "tools", `{to: chat-api}`),
		exit: cli.ExitSealed,
	},
	"metrics are scraped": {
		text: plugintest.Manifest("monitoring.coreos.com/v1", "ServiceMonitor", "im",
			`{selector: {matchLabels: {app.kubernetes.io/name: openim, app.kubernetes.io/instance: chat, app.kubernetes.io/component: api}}}`),
		exit: cli.ExitSealed,
	},

	"a policy for other interfaces": {
		text: plugintest.Manifest("k8s.cni.cncf.io/v1beta1", "MultiNetworkPolicy", "im", `{podSelector: {}}`),
		exit: cli.ExitUnknown, finding: "UnknownPolicyKind Low MultiNetworkPolicy im/x",
	},

	"DNS has other labels": {
		file: "dns-other-labels.yaml", exit: cli.ExitSealed,
		finding: "PeerMatchesNothing Low Service kube-system/kube-dns", says: "k8s-app: coredns",
	},
	"DNS listens at another port": {
		text: strings.ReplaceAll(plugintest.Case("dns-other-labels.yaml"), "k8s-app: coredns", "k8s-app: kube-dns"),
		exit: cli.ExitSealed, finding: "PeerMatchesNothing Low Service kube-system/kube-dns", says: "port: 1053",
	},
	"DNS as it is in most clusters": {
		text: strings.NewReplacer("k8s-app: coredns", "k8s-app: kube-dns", "1053", "53").Replace(plugintest.Case("dns-other-labels.yaml")),
		exit: cli.ExitSealed,
	},
}

// maker returns the manifest of an object that makes pods with the labels of the backend.
func maker(apiVersion, kind, field string) string {
	return plugintest.Manifest(apiVersion, kind, "im", "{"+field+`: {
  metadata: {labels: {app.kubernetes.io/name: openim-wrapper, app.kubernetes.io/instance: chat, app.kubernetes.io/component: backend}},
  spec: {domain: {devices: {}}, containers: [{name: x, image: x}]}}}`)
}

// folder returns a copy of testdata/deploy with the case in it.
func (c caseOf) folder(t *testing.T) string {
	t.Helper()
	dir := plugintest.Copies(t, "deploy")
	text := c.text
	if c.file != "" {
		text = plugintest.Case(c.file)
	}
	plugintest.Write(t, filepath.Join(dir, "case.yaml"), text)
	return dir
}

func TestObjectsThatBypassThePolicies(t *testing.T) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			code, out, errs := invoke(t, "audit", "--from-files", c.folder(t), "-o", "json")
			r := plugintest.Reports(t, out)[0]
			g.Expect(code).To(Equal(c.exit), "%v %s", r.Findings, errs)
			if c.finding == "" {
				g.Expect(r.Findings).To(BeEmpty())
				return
			}
			i := slices.IndexFunc(r.Findings, func(f audit.Finding) bool { return worded(f) == c.finding })
			g.Expect(i).To(BeNumerically(">=", 0), "%v", r.Findings)
			f := r.Findings[i]
			g.Expect(f.Reason + f.Lets + f.Fix).To(ContainSubstring(c.says))
			g.Expect(f.Fix).NotTo(BeEmpty())
			g.Expect(r.Findings).To(HaveLen(1), "%v", r.Findings)
		})
	}
}

func worded(f audit.Finding) string {
	return f.Kind + " " + string(f.Severity) + " " + f.Object.Kind + " " + f.Object.Namespace + "/" + f.Object.Name
}

// A second network interface is not the operator's: here a webhook or a user added the annotation to the operator's Deployment.
func TestASecondNetworkInterface(t *testing.T) {
	for _, annotation := range []string{
		"k8s.v1.cni.cncf.io/networks: macvlan-conf", "v1.multus-cni.io/default-network: other", `cni: "calico,weave"`,
	} {
		t.Run(annotation, func(t *testing.T) {
			g := NewWithT(t)
			dir := plugintest.Copies(t, "deploy")
			code, out, errs := invoke(t, "render", "--from-files", dir, "chat")
			g.Expect(code).To(Equal(cli.ExitSealed), errs)
			documents := strings.Split(out, "\n---\n")
			i := slices.IndexFunc(documents, func(d string) bool {
				return strings.Contains(d, "kind: Deployment") && strings.Contains(d, "name: chat-api\n")
			})
			g.Expect(i).To(BeNumerically(">=", 0))
			const metadata = "  template:\n    metadata:\n"
			documents[i] = strings.Replace(documents[i], metadata, metadata+"      annotations:\n        "+annotation+"\n", 1)
			plugintest.Write(t, filepath.Join(dir, "children.yaml"), strings.Join(documents, "\n---\n"))
			code, out, _ = invoke(t, "audit", "--from-files", dir, "-o", "json")
			g.Expect(code).To(Equal(cli.ExitFindings))
			g.Expect(plugintest.Reports(t, out)[0].Findings).To(ConsistOf(And(
				HaveField("Kind", audit.SecondInterface), HaveField("Severity", audit.High), HaveField("Object.Name", "chat-api"),
				HaveField("Ports", ContainElement("api:10002")))))
		})
	}
}

// A client of the spec is on the host network, where no selector matches: audit and explain agree, and warn.
func TestClientsOnTheHostNetwork(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	plugintest.Write(t, filepath.Join(dir, "case.yaml"), plugintest.Case("clients-on-host-network.yaml"))
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), "  wrapper:\n", `  network:
    clients:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {app.kubernetes.io/name: rke2-ingress-nginx}}
  wrapper:
`)
	code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(cli.ExitSealed))
	g.Expect(plugintest.Reports(t, out)[0].Findings).To(ConsistOf(And(
		HaveField("Kind", audit.PeerMatchesNothing), HaveField("Reason", ContainSubstring("spec.network.clients")),
		HaveField("Fix", ContainSubstring("ipBlock")))))
	code, out, errs := invoke(t, "explain", "--from-files", dir, "kube-system/rke2-ingress-nginx-controller", "gateway", "users")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(ContainSubstring("warning: pod kube-system/rke2-ingress-nginx-controller is on its node's network"))
}
