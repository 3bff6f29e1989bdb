package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// The service of the webhooks is an exception for the callers of hooks, no finding. The same way out of another component is one.
func TestTheCallersOfHooksAreAnException(t *testing.T) {
	declared := func(t *testing.T) audit.Input {
		return build(t, func(s *v1alpha1.OpenIMStack) {
			s.Spec.Webhooks = &v1alpha1.Webhooks{
				URL: "https://203.0.113.9:8443/openim", Via: v1alpha1.WebhooksViaOpenIM, Hooks: []v1alpha1.Hook{{Name: "beforeSendSingleMsg"}},
			}
		})
	}
	g := NewWithT(t)
	report := audit.Run(declared(t))
	g.Expect(report.Findings).To(BeEmpty())
	g.Expect(report.Exceptions).To(ContainElement(And(HaveField("Name", "WebhookDirect"), HaveField("Field", "spec.webhooks"),
		HaveField("Lets", ContainSubstring("rpc-msg out to 203.0.113.9/32, port 8443")))))
	in := declared(t)
	apply(t, &in, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: rpc-user}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.9/32}}], ports: [{port: 8443}]}]`)
	findings := audit.Run(in).Findings
	g.Expect(findings).To(HaveLen(1))
	g.Expect(findings[0].Kind).To(Equal(audit.EgressWidens))
}
