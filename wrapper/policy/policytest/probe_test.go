package policytest_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/policy/policytest"
)

// A field that no probe tries would be a field that no test has looked at.
func TestEveryFieldOfEveryUserRouteIsTried(t *testing.T) {
	g := NewWithT(t)
	attacker := policytest.World{Self: "alice", Peer: "bert", Group: "g1"}
	victim := policytest.World{Self: "bob", Peer: "carol", Group: "g2"}
	tried := map[string]map[string]map[policytest.Value]bool{}
	count := 0
	for p := range policytest.Probes(attacker, victim) {
		count++
		if tried[p.Route.Path] == nil {
			tried[p.Route.Path] = map[string]map[policytest.Value]bool{}
		}
		if tried[p.Route.Path][p.Field] == nil {
			tried[p.Route.Path][p.Field] = map[policytest.Value]bool{}
		}
		tried[p.Route.Path][p.Field][p.Value] = true
	}
	for i := range policy.Table {
		r := policy.Table[i]
		if !r.ForUsers() || r.Example == "" {
			continue
		}
		for field, scalar := range policy.FieldTypes(r) {
			want := []policytest.Value{policytest.Absent, policytest.Null}
			switch scalar {
			case "text":
				want = append(want, policytest.Empty, policytest.Prefix, policytest.Pattern, policytest.Foreign, policytest.Huge)
			case "bool":
			default:
				want = append(want, policytest.Negative, policytest.Huge)
			}
			for _, value := range want {
				g.Expect(tried[r.Path][field]).To(HaveKey(value), "%s %s", r.Path, field)
			}
		}
	}
	g.Expect(count).To(BeNumerically(">", 3000), "the protocol's bodies have hundreds of fields")
	t.Logf("%d calls", count)
}
