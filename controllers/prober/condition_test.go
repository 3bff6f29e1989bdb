package prober

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func finding(kind string, severity audit.Severity, ports ...string) audit.Finding {
	return audit.Finding{
		Kind: kind, Severity: severity, Ports: ports, Reason: "it admits everybody", Lets: "any pod reaches it", Fix: "delete it",
		Object: audit.Object{Kind: "NetworkPolicy", Namespace: "im", Name: "debug"},
	}
}

func probed(outcome string, ago time.Duration) *v1alpha1.ProbeResult {
	return &v1alpha1.ProbeResult{Outcome: outcome, Message: "what the probe saw", Time: metav1.NewTime(noon.Add(-ago))}
}

// Each case is some evidence, and the condition that follows.
func TestTheConditionNetworkIsolated(t *testing.T) {
	hole := finding(audit.ForeignPolicyWidens, audit.Critical, "api:10002", "rpc-auth:10200")
	for _, c := range []struct {
		name string
		know func(*Evidence)
		want string // status/reason
		says string
	}{
		{"a fresh stack", func(*Evidence) {}, "Unknown/NotVerified", "has not been probed yet"},
		{"nothing runs yet", func(e *Evidence) { e.Waiting = "no pod of the stack is ready" }, "Unknown/NotVerified",
			"has not been probed: no pod of the stack is ready"},
		{"a probe found it sealed", func(e *Evidence) { e.Probe = probed("Enforced", time.Minute) }, "True/Enforced", "what the probe saw"},
		{"and findings that open nothing", func(e *Evidence) {
			e.Probe = probed("Enforced", time.Minute)
			e.Findings = []audit.Finding{
				finding(audit.StoreReachable, audit.Medium), finding(audit.ServiceSelects, audit.Low, "api:10002"),
				finding(audit.UnknownPolicyKind, audit.Low),
				finding(audit.EgressWidens, audit.Medium), finding(audit.DebugContainer, audit.Medium),
				finding(audit.ListenerExposed, audit.Medium, "gateway:8082"),
			}
		}, "True/Enforced", ""},
		{"a result of less than two intervals ago still counts", func(e *Evidence) {
			e.Probe = probed("Enforced", 10*time.Minute-time.Second)
		}, "True/Enforced", ""},
		{"an older one does not", func(e *Evidence) { e.Probe = probed("Enforced", 10*time.Minute) }, "Unknown/NotVerified",
			"older than 2 intervals of 5m0s"},
		{"the spec has changed since", func(e *Evidence) { e.Probe, e.Outdated = probed("Enforced", time.Minute), true }, "Unknown/NotVerified",
			"has not been probed yet since the spec changed them"},
		{"it has, and there are no probes any more", func(e *Evidence) {
			e.Probe, e.Outdated, e.Waiting = probed("Enforced", time.Minute), true, "no image"
		}, "Unknown/NotVerified", "has not been probed since the spec changed them: no image"},
		{"the spec has changed, and the network enforces nothing", func(e *Evidence) {
			e.Probe, e.Outdated = probed("NotEnforcedByCNI", time.Minute), true
		}, "False/NotEnforcedByCNI", "what the probe saw"},
		{"it has, and the control failed before", func(e *Evidence) {
			e.Probe, e.Outdated = probed("NotVerified", time.Minute), true
		}, "Unknown/NotVerified", "what the probe saw"},
		{"an object opens a port", func(e *Evidence) { e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{hole} },
			"False/Breached", "NetworkPolicy im/debug opens api:10002, rpc-auth:10200: it admits everybody"},
		{"a metrics port, too", func(e *Evidence) {
			e.Findings = []audit.Finding{finding(audit.MetricsUnsealed, audit.Medium, "api:20100")}
		}, "False/Breached", "api:20100"},
		{"the network enforces nothing, and an object opens a port", func(e *Evidence) {
			e.Probe, e.Findings = probed("NotEnforcedByCNI", time.Minute), []audit.Finding{hole}
		}, "False/Breached", "im/debug"},
		{"a packet got through", func(e *Evidence) { e.Probe = probed("Breached", time.Minute) }, "False/Breached", "what the probe saw"},
		{"packets pass that the policies forbid", func(e *Evidence) { e.Probe = probed("NotEnforcedByCNI", time.Minute) },
			"False/NotEnforcedByCNI", "what the probe saw"},
		{"they passed long ago", func(e *Evidence) { e.Probe = probed("NotEnforcedByCNI", time.Hour) }, "Unknown/NotVerified", "older than"},
		{"the control failed", func(e *Evidence) { e.Probe = probed("NotVerified", time.Minute) }, "Unknown/NotVerified", "what the probe saw"},
		{"policies are missing", func(e *Evidence) { e.PoliciesInPlace, e.Probe = false, probed("Enforced", time.Minute) },
			"False/PoliciesNotInPlace", "not all NetworkPolicies"},
		{"policies are pending", func(e *Evidence) {
			e.PoliciesInPlace, e.Missing = false, []string{"chat-push-ingress", "chat-api-ingress"}
		},
			"False/PoliciesNotInPlace", "in place: chat-api-ingress, chat-push-ingress"},
		{"they are missing, and the audit sees what follows", func(e *Evidence) {
			e.PoliciesInPlace, e.Findings = false, []audit.Finding{finding(audit.OwnPolicyMissing, audit.Critical, "api:10002")}
		}, "False/PoliciesNotInPlace", "in place: debug"},
		{"the audit alone sees that they are missing: the operator puts them back", func(e *Evidence) {
			e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{finding(audit.OwnPolicyMissing, audit.Critical, "api:10002")}
		}, "False/PoliciesNotInPlace", "in place: debug"},
		{"one was changed, and opens nothing yet", func(e *Evidence) {
			e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{finding(audit.OwnPolicyChanged, audit.Medium)}
		}, "False/PoliciesNotInPlace", "in place: debug"},
		{"something gets out", func(e *Evidence) {
			e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{finding(audit.EgressWidens, audit.High)}
		}, "False/Breached", "NetworkPolicy im/debug: it admits everybody: any pod reaches it"},
		{"a pod passes for a component, and no port is opened by it", func(e *Evidence) {
			e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{finding(audit.ReservedLabels, audit.Critical)}
		}, "False/Breached", "im/debug"},
		{"anybody reaches a store", func(e *Evidence) {
			e.Probe, e.Findings = probed("Enforced", time.Minute), []audit.Finding{finding(audit.StoreReachable, audit.High)}
		}, "False/Breached", "im/debug"},
		{"a kind could not be read", func(e *Evidence) {
			e.Probe, e.Unread = probed("Enforced", time.Minute), []string{"IngressRoute.traefik.io"}
		}, "True/Enforced", "what the probe saw; some kinds could not be read, because the operator lacks the right or the read failed: " +
			"IngressRoute.traefik.io"},
		{"a connection succeeded, and the audit knows the cause", func(e *Evidence) {
			e.Probe, e.Findings = probed("Breached", time.Minute), []audit.Finding{finding(audit.StrayPod, audit.Critical, "api:10002")}
		}, "False/Breached", "NetworkPolicy im/debug opens api:10002"},
		{"the plugin is told to enforce nothing, and a probe is running", func(e *Evidence) {
			e.Findings = []audit.Finding{finding(audit.NotEnforced, audit.High)}
		}, "Unknown/NotVerified", "has not been probed yet"},
		{"it is, and packets cannot be tried", func(e *Evidence) {
			e.Findings, e.Waiting = []audit.Finding{finding(audit.NotEnforced, audit.High)}, "no image"
		}, "False/NotEnforcedByCNI", "im/debug"},
		{"it is, and the last try proved nothing", func(e *Evidence) {
			e.Findings, e.Probe = []audit.Finding{finding(audit.NotEnforced, audit.High)}, probed("NotVerified", time.Minute)
		}, "False/NotEnforcedByCNI", "im/debug"},
		{"it is, and a probe found it enforced", func(e *Evidence) {
			e.Findings, e.Probe = []audit.Finding{finding(audit.NotEnforced, audit.High)}, probed("Enforced", time.Minute)
		}, "True/Enforced", "what the probe saw"},
		{"they are missing, and a foreign policy opens a port", func(e *Evidence) {
			e.PoliciesInPlace, e.Findings = false,
				[]audit.Finding{hole}
		}, "False/Breached", "im/debug"},
		{"they are missing, and packets came through", func(e *Evidence) { e.PoliciesInPlace, e.Probe = false, probed("Breached", time.Minute) },
			"False/Breached", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			e := Evidence{PoliciesInPlace: true, Interval: 5 * time.Minute, Now: noon}
			c.know(&e)
			got := Isolated(e)
			g.Expect(string(got.Status) + "/" + got.Reason).To(Equal(c.want))
			g.Expect(got.Message).To(ContainSubstring(c.says))
			g.Expect(got.Type).To(Equal(v1alpha1.ConditionNetworkIsolated))
		})
	}
}

func TestManyBreachesAreNamedBriefly(t *testing.T) {
	g := NewWithT(t)
	e := Evidence{PoliciesInPlace: true, Now: noon}
	for range 500 {
		e.Findings = append(e.Findings, finding(audit.ForeignPolicyWidens, audit.Critical, "api:10002"))
	}
	message := Isolated(e).Message
	g.Expect(message).To(HaveSuffix("; and 497 more"))
	e.Findings[0].Reason = strings.Repeat("é", 5000)
	message = Isolated(e).Message
	g.Expect(len(message)).To(BeNumerically("<=", maxMessage), "an event's note holds 1 kB")
	g.Expect(utf8.ValidString(message)).To(BeTrue())
}

func TestTheStatusHoldsTheWorstFindingsAndTheNumberOfAll(t *testing.T) {
	g := NewWithT(t)
	a := Assessment{Audited: true, Exceptions: []audit.Exception{{Name: "WebSocketDirect", Lets: "clients reach msggateway:10001",
		Risk: "No limit protects it"}}}
	for range 20 {
		a.Findings = append(a.Findings, finding(audit.ForeignPolicyWidens, audit.Critical, "api:10002"))
	}
	b := &v1alpha1.Boundary{Policies: ptr.To[int32](3), LastProbe: probed("Enforced", 0)}
	a.Fill(b)
	g.Expect(b.Findings).To(HaveLen(maxFindings))
	g.Expect(b.Findings[0]).To(Equal(v1alpha1.BoundaryFinding{
		Kind: "ForeignPolicyWidens", Severity: "Critical", Object: "NetworkPolicy im/debug", Message: "it admits everybody: any pod reaches it",
	}))
	g.Expect(b.FindingsTotal).To(HaveValue(Equal(int32(20))))
	g.Expect(b.Exceptions).To(ConsistOf("WebSocketDirect: clients reach msggateway:10001. No limit protects it"))
	g.Expect(b.Policies).To(HaveValue(Equal(int32(3))), "what the other loop knows stays")
	g.Expect(b.LastProbe).NotTo(BeNil(), "a result of an earlier process stays until there is another")
	Assessment{Audited: true}.Fill(b)
	g.Expect(b.Findings).To(BeEmpty())
	g.Expect(b.FindingsTotal).To(HaveValue(BeZero()))
}

func TestWhatHasNotBeenAuditedYetStaysAsItWas(t *testing.T) {
	b := &v1alpha1.Boundary{FindingsTotal: ptr.To[int32](1), Findings: []v1alpha1.BoundaryFinding{{Kind: "HostPort"}}}
	before := b.DeepCopy()
	Assessment{}.Fill(b)
	NewWithT(t).Expect(b).To(Equal(before))
}

func TestTheIntervalIsTheSpecs(t *testing.T) {
	stack := &v1alpha1.OpenIMStack{}
	NewWithT(t).Expect(Interval(stack)).To(Equal(5 * time.Minute))
	stack.Spec.Network = &v1alpha1.Network{}
	NewWithT(t).Expect(Interval(stack)).To(Equal(5 * time.Minute))
	stack.Spec.Network.Probe = &v1alpha1.Probe{IntervalSeconds: ptr.To[int32](30)}
	NewWithT(t).Expect(Interval(stack)).To(Equal(30 * time.Second))
}
