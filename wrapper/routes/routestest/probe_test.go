package routestest_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

// TestEveryFieldOfEveryUserRouteIsTried: a field without a probe would not be tested at all.
func TestEveryFieldOfEveryUserRouteIsTried(t *testing.T) {
	g := NewWithT(t)
	attacker := routestest.Identities{Self: "alice", Peer: "bert", Group: "g1"}
	victim := routestest.Identities{Self: "bob", Peer: "carol", Group: "g2"}
	tried := map[string]map[string]map[routestest.Value]bool{}
	count := 0
	for p := range routestest.Probes(attacker, victim) {
		count++
		if tried[p.Route.Path] == nil {
			tried[p.Route.Path] = map[string]map[routestest.Value]bool{}
		}
		if tried[p.Route.Path][p.Field] == nil {
			tried[p.Route.Path][p.Field] = map[routestest.Value]bool{}
		}
		tried[p.Route.Path][p.Field][p.Value] = true
	}
	for i := range routes.Table {
		r := routes.Table[i]
		if !r.ForUsers() || r.Example == "" {
			continue
		}
		for field, scalar := range routes.FieldTypes(r) {
			want := []routestest.Value{routestest.Absent, routestest.Null}
			switch scalar {
			case "text":
				want = append(want, routestest.Empty, routestest.Prefix, routestest.Pattern, routestest.Foreign, routestest.Huge)
			case "bool":
			default:
				want = append(want, routestest.Negative, routestest.Huge)
			}
			for _, value := range want {
				g.Expect(tried[r.Path][field]).To(HaveKey(value), "%s %s", r.Path, field)
			}
		}
	}
	g.Expect(count).To(BeNumerically(">", 3000), "the protocol's bodies have hundreds of fields")
	t.Logf("%d calls", count)
}
