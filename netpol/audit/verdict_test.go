package audit_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Objects that could not be read might open anything, so the verdict is not Sealed.
func TestUnreadObjectsAreNotSealed(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	in.Snapshot.Unread = []snapshot.Unread{{Kind: "HTTPRoute", Reason: "forbidden"}}
	report := audit.Run(in)
	g.Expect(report.Verdict).To(Equal(audit.VerdictCouldNotTell))
	g.Expect(report.Unread).To(HaveLen(1))

	policyBreaches[0].commit(t, &in)
	g.Expect(audit.Run(in).Verdict).To(Equal(audit.VerdictFindings), "findings count, even when something could not be read")
}

func TestReferencesThatDoNotResolveAreNotSealed(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	in.Problems = []string{"Service infra/kafka does not exist"}
	report := audit.Run(in)
	g.Expect(report.Verdict).To(Equal(audit.VerdictCouldNotTell))
	g.Expect(report.Unread).To(ConsistOf(HaveField("Reason", ContainSubstring("Service infra/kafka does not exist"))))
}

// While a store does not resolve, the graph lacks the connections to it, and the policies of the last good spec stay. They are not reported
// as changed.
func TestPoliciesOfTheLastGoodSpecAreNotReported(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	in.Graph.Edges = slices.DeleteFunc(slices.Clone(in.Graph.Edges), func(c graph.Edge) bool { return c.To.Name == "kafka" })
	in.Problems = []string{"Service infra/kafka does not exist"}
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Verdict).To(Equal(audit.VerdictCouldNotTell))
}

func TestAnEmptySnapshotDoesNotPanic(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	in.Snapshot = nil
	report := audit.Run(in)
	g.Expect(report.Verdict).To(Equal(audit.VerdictFindings))
	g.Expect(report.Findings).To(ConsistOf(HaveField("Kind", audit.OwnPolicyMissing)))
	g.Expect(audit.Run(audit.Input{}).Findings).NotTo(BeNil())
}

// Manifests of a repository hold the OpenIMStack and not the objects that the operator makes of it.
func TestManifestsWithoutTheOperatorsObjects(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	in.Snapshot.Origin = snapshot.Origin{Kind: snapshot.Files, Name: "deploy"}
	in.Snapshot.Policies = slices.DeleteFunc(in.Snapshot.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Namespace == "im" })
	in.Snapshot.Pods, in.Snapshot.EndpointSlices = nil, nil
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Verdict).To(Equal(audit.VerdictSealed))
	g.Expect(report.Notes).To(ContainElement(ContainSubstring("the audit assumes those that the operator writes")))

	policyBreaches[1].commit(t, &in)
	g.Expect(audit.Run(in).Findings).To(ConsistOf(HaveField("Kind", audit.ForeignPolicyWidens)))
	serviceBreaches[0].commit(t, &in)
	g.Expect(audit.Run(in).Findings).To(ContainElement(HaveField("Kind", audit.ServiceExposes)))
}

// When the manifests hold one of a stack's policies, all of them are expected.
func TestManifestsWithSomeOfTheOperatorsPolicies(t *testing.T) {
	in := clean(t)
	in.Snapshot.Origin = snapshot.Origin{Kind: snapshot.Files, Name: "rendered"}
	withoutPolicy("im", "chat-api-ingress")(t, &in)
	NewWithT(t).Expect(audit.Run(in).Findings).To(ConsistOf(HaveField("Kind", audit.OwnPolicyMissing)))
}

func TestASuspendedOperatorRestoresNothing(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	withoutPolicy("im", "chat-api-ingress")(t, &in)
	in.Stack.Spec.Suspend = ptr.To(true)
	g.Expect(audit.Run(in).Findings[0].Fix).To(ContainSubstring("patch openimstack chat"))
}

// Without the default denial, ports that no other policy denies are open.
func TestPortsThatTheDefaultDenialAloneDenies(t *testing.T) {
	g := NewWithT(t)
	in := clean(t, func(s *v1alpha1.OpenIMStack) { s.Spec.Network.Monitoring = nil })
	withoutPolicy("im", "chat-default-deny")(t, &in)
	g.Expect(audit.Run(in).Findings).To(ConsistOf(And(
		HaveField("Kind", audit.OwnPolicyMissing), HaveField("Severity", audit.Medium),
		HaveField("Ports", ConsistOf("msgtransfer:12020", "msgtransfer:12900", "crontask:12900")),
		HaveField("Lets", ContainSubstring("msgtransfer:12020")),
	)))

	in = clean(t)
	withoutPolicy("im", "chat-default-deny", "chat-api-ingress")(t, &in)
	report := audit.Run(in)
	g.Expect(report.Findings).To(HaveLen(2))
	g.Expect(report.Findings).To(HaveEach(And(HaveField("Severity", audit.Critical), HaveField("Ports", ContainElement("api:10002")))))
}

// Several faults are several findings, the worst first.
func TestFindingsAreInTheOrderOfTheirSeverity(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	for _, b := range []breach{serviceBreaches[5], policyBreaches[6], policyBreaches[1], storeBreaches[0]} {
		b.commit(t, &in)
	}
	report := audit.Run(in)
	var severities []audit.Severity
	for _, f := range report.Findings {
		severities = append(severities, f.Severity)
	}
	g.Expect(severities).To(Equal([]audit.Severity{audit.Critical, audit.High, audit.Medium, audit.Low}))
	g.Expect(report.Counts.Findings).To(Equal(map[audit.Severity]int{audit.Critical: 1, audit.High: 1, audit.Medium: 1, audit.Low: 1}))
}

// Openings that the spec requests are not findings: they are listed, with their risk.
func TestExceptionsAreListedAndDoNotChangeTheVerdict(t *testing.T) {
	g := NewWithT(t)
	in := clean(t, func(s *v1alpha1.OpenIMStack) {
		s.Spec.Network.WebSocket = v1alpha1.WebSocketDirect
		s.Spec.Network.WebSocketClients = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
		s.Spec.Network.ExtraEgress = []v1alpha1.ExtraEgress{{
			Name: "fcm", Components: []v1alpha1.ComponentName{"push"}, Reason: "notifications",
			Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.200/32"}}}, Ports: []v1alpha1.EgressPort{{Port: 443}},
		}}
	})
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Verdict).To(Equal(audit.VerdictSealed))
	g.Expect(report.Exceptions).To(ConsistOf(
		And(HaveField("Name", "WebSocketDirect"), HaveField("Lets", ContainSubstring("203.0.113.0/24")),
			HaveField("Risk", ContainSubstring("read others' chats"))),
		And(HaveField("Name", "ExtraEgress/fcm"), HaveField("Lets", ContainSubstring("push"))),
		HaveField("Name", "UnauthenticatedMetrics"),
	))

	// The exception opens the port to the sources that it names, and a load balancer may lead there. A policy for other sources is a finding.
	apply(t, &in, `
apiVersion: v1
kind: Service
metadata: {name: ws, namespace: im}
spec: {type: LoadBalancer, selector: {app.kubernetes.io/component: msggateway}, ports: [{port: 443, targetPort: websocket}]}`)
	g.Expect(audit.Run(in).Findings).To(BeEmpty())
	policyBreaches[3].commit(t, &in)
	g.Expect(audit.Run(in).Findings).To(ConsistOf(And(HaveField("Kind", audit.ForeignPolicyWidens),
		HaveField("Ports", ConsistOf("msggateway:10001")))))
}

// The listeners are open to anyone by default. A policy that denies everything does not close them: the stack's own policy still allows
// ingress, and the egress of pods that run now says nothing about other sources.
func TestADenialOfAllLeavesTheListenersOpen(t *testing.T) {
	g := NewWithT(t)
	in := clean(t, func(s *v1alpha1.OpenIMStack) { s.Spec.Network.Clients, s.Spec.Network.Admins = nil, nil })
	apply(t, &in, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-all, namespace: im}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}`)
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Counts.Unexpected).To(BeZero())
	g.Expect(report.Cells).To(ContainElement(And(HaveField("From", "intruder"), HaveField("Port.Name", "users"),
		HaveField("Evaluated", true))))
	g.Expect(report.Notes).To(ContainElement(ContainSubstring("gateway:8082 (clients)")))
}

// An external wrapper reaches the API, and nothing else does. The API is not a public port then.
func TestAnExternalWrapper(t *testing.T) {
	g := NewWithT(t)
	in := clean(t, func(s *v1alpha1.OpenIMStack) {
		pods := &v1alpha1.Selector{MatchLabels: map[string]string{"app": "my-wrapper"}}
		s.Spec.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: pods}}
		s.Spec.Network.Clients, s.Spec.Network.Admins = nil, nil
	})
	apply(t, &in, `
apiVersion: v1
kind: Pod
metadata: {name: mine, namespace: im, labels: {app: my-wrapper}}
spec: {containers: [{name: mine, image: mine}]}
status: {phase: Running, podIP: 10.4.0.1}`)
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Exceptions).To(ContainElement(HaveField("Name", "OwnWrapper")))
	g.Expect(report.Cells).To(ContainElement(And(HaveField("From", "own-wrapper"), HaveField("To", "api"),
		HaveField("Port.Number", int32(10002)), HaveField("Evaluated", true))))
	serviceBreaches[0].commit(t, &in)
	g.Expect(audit.Run(in).Findings).To(ConsistOf(HaveField("Kind", audit.ServiceExposes)))
}

// The spec may name every pod of the cluster for monitoring. Then no pod is an unexpected source of metrics.
func TestSourcesThatTheSpecNamesAreExpected(t *testing.T) {
	g := NewWithT(t)
	in := clean(t, func(s *v1alpha1.OpenIMStack) {
		s.Spec.Network.Monitoring = []v1alpha1.Peer{{NamespaceSelector: &v1alpha1.Selector{}}}
	})
	report := audit.Run(in)
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Counts.Unexpected).To(BeZero())
	g.Expect(report.Cells).To(ContainElement(And(HaveField("From", "intruder"), HaveField("To", "api"), HaveField("Port.Number", int32(12002)),
		HaveField("Evaluated", true))))
	g.Expect(report.Cells).To(ContainElement(And(HaveField("From", "outside-ipv4"), HaveField("To", "api"),
		HaveField("Port.Number", int32(12002)), HaveField("Evaluated", false))))
}

// The same snapshot has the same report, and fields that decide nothing are not part of the digest.
func TestTheDigestCoversWhatDecides(t *testing.T) {
	g := NewWithT(t)
	first, again := audit.Run(clean(t)), audit.Run(clean(t))
	g.Expect(again).To(Equal(first))

	in := clean(t)
	for i := range in.Snapshot.Pods {
		p := &in.Snapshot.Pods[i]
		p.ResourceVersion, p.ManagedFields = "9", []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
		p.Annotations = map[string]string{"touched": "yes"}
		p.Status.Message = "ready"
	}
	apply(t, &in, `
apiVersion: v1
kind: Pod
metadata: {name: openim-probe-1, namespace: im, labels: {app.kubernetes.io/name: openim-probe, app.kubernetes.io/managed-by: openim-operator}}
spec: {containers: [{name: probe, image: probe}]}
status: {phase: Running, podIP: 10.4.0.1}`)
	g.Expect(audit.Run(in).Digest).To(Equal(first.Digest))
	in.Snapshot.Namespaces[0].Labels["more"] = "labels"
	g.Expect(audit.Run(in).Digest).NotTo(Equal(first.Digest))
}
