package crossuser

import (
	"fmt"
	"os"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

// maxGrowth bounds the growth of one OpenIM process's memory during the run, in bytes. One pull of 40 million numbers took 1.3 GiB.
const maxGrowth = 200 << 20

// told is a call with which OpenIM alone, with the attacker's own token, returns data of the victim.
type told struct{ target, field, value string }

// valuesEnv, when set, runs all values, which takes longer than all other tests together.
const valuesEnv = "CROSSUSER_VALUES"

func TestNoValueOfAnyFieldTellsWhatIsAnothers(t *testing.T) {
	if os.Getenv(valuesEnv) == "" {
		t.Skipf("it takes many minutes: run make test-crossuser-values, which sets %s", valuesEnv)
	}
	s := newTestEnv(t)
	for _, what := range values(t, s) {
		t.Logf("OpenIM %s alone tells by %s %s: %s", s.release, what.target, what.field, what.value)
	}
}

// values sends every kind of value in every field of every user route through the wrapper, and in the reading routes also directly to
// OpenIM. The victim's identifiers begin with the attacker's, so that a prefix or a pattern of the attacker's own matches the victim's,
// too.
func values(t *testing.T, s *testEnv) []told {
	t.Run("through the wrapper", func(t *testing.T) {
		before := peaks(t, s)
		attacker, victim := s.besides(t)
		data := victim.settled(t)
		route := ""
		calls := 0
		for i, all := 0, probes(attacker, victim); i < len(all); i++ {
			p := all[i]
			writes := p.Route.Audit == routes.AuditWrite
			if p.Route.Path != route && route != "" && routes.Find(route).Audit == routes.AuditWrite {
				// The route's changes to the attacker's own data must not weaken the attempts at the next route.
				if now := victim.settled(t); now != data {
					t.Errorf("%s changed the victim's data", route)
				}
				attacker, victim = s.besides(t)
				data, all = victim.settled(t), probes(attacker, victim)
				p = all[i]
			}
			route = p.Route.Path
			if writes && p.Named && p.Value == routestest.Foreign {
				continue // an honest user may name the victim there: the routes' test covers the result
			}
			calls++
			reply, err := s.through(attacker).Post(t.Context(), p.Route.Path, p.Body)
			if err != nil {
				t.Fatal(err)
			}
			if victim.leaks(p.Body, reply.Data) {
				t.Errorf("%s %s %s reveals another user's data: %.400s -> %.600s", p.Route.Path, p.Field, p.Value, text(p.Body), reply.Data)
			}
			if reply.Detail != "" {
				t.Errorf("%s %s %s tells a stack trace", p.Route.Path, p.Field, p.Value)
			}
		}
		t.Logf("%d calls", calls)
		for name, peak := range peaks(t, s) {
			if grown := peak - before[name]; grown > maxGrowth {
				t.Errorf("%s gained %d MiB", name, grown>>20)
			}
		}
		g := NewWithT(t)
		reply, err := s.through(attacker).Post(t.Context(), "/user/get_users_info", object{"userIDs": []string{attacker.Self}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.OK()).To(BeTrue(), "life goes on: %s", reply)
	})
	var all []told
	t.Run("straight at OpenIM", func(t *testing.T) {
		attacker, victim := s.besides(t)
		seen := map[told]bool{}
		for _, p := range probes(attacker, victim) {
			if p.Route.Audit == routes.AuditWrite || p.Value == routestest.Huge {
				continue // the route would change the users' data or the server
			}
			reply, err := s.straight(attacker).Post(t.Context(), p.Route.Upstream(), p.Body)
			if err != nil {
				continue // no such route at this release
			}
			what := told{p.Route.Path, p.Field, string(p.Value)}
			if victim.leaks(p.Body, reply.Data) && !seen[what] {
				seen[what] = true
				all = append(all, what)
			}
		}
	})
	return all
}

func probes(attacker *attacker, victim *userData) []routestest.Probe {
	var all []routestest.Probe
	for p := range routestest.Probes(attacker.Identities, victim.Identities) {
		all = append(all, p)
	}
	return all
}

// peaks returns the peak memory of each OpenIM process.
func peaks(t *testing.T, s *testEnv) map[string]int64 {
	t.Helper()
	all := map[string]int64{}
	for _, p := range openim.Processes() {
		peak, err := s.PeakBytes(string(p.Name))
		if err != nil {
			t.Fatal(fmt.Errorf("memory of OpenIM's processes: %w", err))
		}
		all[string(p.Name)] = peak
	}
	return all
}
