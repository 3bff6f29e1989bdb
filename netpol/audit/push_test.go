package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// The way to the vendor that the spec declares is clean, for push alone. A wider one, or the same one for another component, is a finding.
func TestPushReachesItsVendorAndNothingElse(t *testing.T) {
	declared := func(t *testing.T) audit.Input {
		keys := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "jpush", Namespace: "im"}, Data: map[string][]byte{
			v1alpha1.KeyAppKey: []byte("a"), v1alpha1.KeyMasterSecret: []byte("m"),
		}}
		return buildWith(t, []client.Object{keys}, func(s *v1alpha1.OpenIMStack) {
			s.Spec.Push = &v1alpha1.Push{
				JPush: &v1alpha1.JPush{CredentialsRef: v1alpha1.LocalReference{Name: "jpush"}},
				Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}},
			}
		})
	}
	in := declared(t)
	report := audit.Run(in)
	g := NewWithT(t)
	g.Expect(report.Findings).To(BeEmpty())
	var to []string
	for _, c := range report.Connections {
		if c.To == "push-vendor" {
			to = append(to, c.From)
		}
	}
	g.Expect(to).To(Equal([]string{"push"}))
	for _, c := range report.Cells {
		if c.To == "push-vendor" {
			g.Expect(c.Expected).To(Equal(c.From == "push"), c.From)
			g.Expect(c.Evaluated).To(Equal(c.From == "push"), c.From)
		}
	}
	for name, egress := range map[string]string{
		"push":    "[{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}]",
		"rpc-msg": "[{to: [{ipBlock: {cidr: 203.0.113.0/24}}], ports: [{port: 443}]}]",
	} {
		in := declared(t)
		apply(t, &in, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: more, namespace: im}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: `+name+`}}
  policyTypes: [Egress]
  egress: `+egress)
		findings := audit.Run(in).Findings
		g.Expect(findings).To(HaveLen(1), name)
		g.Expect(findings[0].Kind).To(Equal(audit.EgressWidens))
		g.Expect(findings[0].Severity).To(Equal(audit.High))
	}
}
