package audit_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// Each rule of each policy that the operator writes is removed, and then opened to anyone. Each time the audit names the policy, and says
// which connection is denied or which ports are open.
func TestEachRuleIsMissedAndEachWideningIsSeen(t *testing.T) {
	mutations := 0
	for _, wanted := range graph.Policies(clean(t).Graph) {
		for i := range wanted.Spec.Ingress {
			mutations++
			t.Run(fmt.Sprintf("%s/ingress-%d", wanted.Name, i), func(t *testing.T) {
				g := NewWithT(t)
				in := clean(t)
				p := policy(t, &in, wanted.Namespace, wanted.Name)
				p.Spec.Ingress = append(p.Spec.Ingress[:i:i], p.Spec.Ingress[i+1:]...)
				g.Expect(audit.Run(in).Findings).To(ConsistOf(ofPolicy(wanted.Name)))

				in = clean(t)
				policy(t, &in, wanted.Namespace, wanted.Name).Spec.Ingress[i].From = nil
				g.Expect(audit.Run(in).Findings).To(ConsistOf(And(ofPolicy(wanted.Name), HaveField("Ports", Not(BeEmpty())))))
			})
		}
		for i := range wanted.Spec.Egress {
			mutations++
			t.Run(fmt.Sprintf("%s/egress-%d", wanted.Name, i), func(t *testing.T) {
				g := NewWithT(t)
				in := clean(t)
				p := policy(t, &in, wanted.Namespace, wanted.Name)
				p.Spec.Egress = append(p.Spec.Egress[:i:i], p.Spec.Egress[i+1:]...)
				g.Expect(audit.Run(in).Findings).To(ConsistOf(ofPolicy(wanted.Name)))

				in = clean(t)
				policy(t, &in, wanted.Namespace, wanted.Name).Spec.Egress[i].To = nil
				g.Expect(audit.Run(in).Findings).To(ConsistOf(And(ofPolicy(wanted.Name), HaveField("Severity", audit.High))))
			})
		}
	}
	NewWithT(t).Expect(mutations).To(BeNumerically(">", 130))
}

func ofPolicy(name string) gomegatypes.GomegaMatcher {
	return And(HaveField("Kind", audit.OwnPolicyChanged), HaveField("Object.Name", name), HaveField("Lets", Not(BeEmpty())))
}
