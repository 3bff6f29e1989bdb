package audit_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// acceptAll accepts every finding that it is asked about.
func acceptAll(audit.Finding) *audit.Acceptance {
	return &audit.Acceptance{Reason: "reviewed", Expires: "2027-03-31"}
}

// An accepted opening is open: the verdict and the counts say what was found, and the outcome says what nobody has accepted.
func TestAcceptedFindingsStayInTheReport(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	policyBreaches[1].commit(t, &in)
	report := audit.Run(in)
	g.Expect(report.Outcome()).To(Equal(audit.VerdictFindings))
	report.Accept(acceptAll)
	g.Expect(report.Findings).To(ConsistOf(HaveField("Excepted", Equal(acceptAll(audit.Finding{})))))
	g.Expect(report.Counts.Excepted).To(Equal(1))
	g.Expect(report.Verdict).To(Equal(audit.VerdictFindings))
	g.Expect(report.Outcome()).To(Equal(audit.VerdictSealed))

	serviceBreaches[0].commit(t, &in)
	report = audit.Run(in)
	report.Accept(func(f audit.Finding) *audit.Acceptance {
		if f.Kind == audit.ServiceExposes {
			return nil
		}
		return acceptAll(f)
	})
	g.Expect(report.Counts.Excepted).To(Equal(1))
	g.Expect(report.Outcome()).To(Equal(audit.VerdictFindings), "the other finding counts")
}

// What could not be read is no finding, so nobody can accept it.
func TestWhatWasNotReadCannotBeAccepted(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	policyBreaches[1].commit(t, &in)
	in.Snapshot.Unread = []snapshot.Unread{{Kind: "Pod", Reason: "forbidden"}}
	report := audit.Run(in)
	report.Accept(acceptAll)
	g.Expect(report.Outcome()).To(Equal(audit.VerdictCouldNotTell))
}

func TestFindingsThatAreNeverExcepted(t *testing.T) {
	g := NewWithT(t)
	var never []string
	for _, k := range audit.Kinds() {
		if audit.NeverExcepted(k.Name) != "" {
			never = append(never, k.Name)
		}
	}
	g.Expect(never).To(ConsistOf(
		audit.OwnPolicyMissing, audit.OwnPolicyChanged, audit.NotEnforced, audit.InvalidPolicy, audit.Unexplained,
	))
	in := clean(t)
	withoutPolicy("im", "chat-api-ingress")(t, &in)
	report := audit.Run(in)
	report.Accept(acceptAll)
	g.Expect(report.Findings).To(ConsistOf(And(HaveField("Kind", audit.OwnPolicyMissing), HaveField("Excepted", BeNil()))))
	g.Expect(report.Outcome()).To(Equal(audit.VerdictFindings))
}

// A finding names the manifest of its object. An object that no manifest holds has the location of the stack's manifest, and in a cluster
// there are none.
func TestLocationsOfFindings(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	policyBreaches[1].commit(t, &in)
	g.Expect(audit.Run(in).Findings[0].Location).To(BeNil())

	object := audit.Run(in).Findings[0].Object
	stack := snapshot.ObjectKey{Namespace: "im", Name: "chat"}
	stack.Group, stack.Kind = "openimstack.dev", "OpenIMStack"
	policy := snapshot.ObjectKey{Namespace: object.Namespace, Name: object.Name}
	policy.Group, policy.Kind = "networking.k8s.io", "NetworkPolicy"
	in.Snapshot.Locations = map[snapshot.ObjectKey]snapshot.Location{stack: {File: "stack.yaml", Line: 3}}
	g.Expect(audit.Run(in).Findings[0].Location).To(Equal(&snapshot.Location{File: "stack.yaml", Line: 3}))
	in.Snapshot.Locations[policy] = snapshot.Location{File: "debug.yaml", Line: 7}
	g.Expect(audit.Run(in).Findings[0].Location).To(Equal(&snapshot.Location{File: "debug.yaml", Line: 7}))
}
