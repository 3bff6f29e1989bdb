package auditlog

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func refusal(ip, reason string) Event {
	return Event{
		Kind: KindCall, Actor: Actor{IP: netip.MustParseAddr(ip)}, Action: Action{Route: "unknown"},
		Outcome: Outcome{Verdict: Refused, Reason: reason, Status: 401, ErrCode: 1503},
	}
}

// eventsIn returns all events of an audit log but the start event and the end event.
func eventsIn(t *testing.T, text string) (all []record) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var f record
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if f.Kind != kindStart && f.Kind != kindEnd {
			all = append(all, f)
		}
	}
	return all
}

// refusals returns the number of refusals that the events report.
func refusals(all []record) (sum uint64) {
	for _, f := range all {
		switch f.Kind {
		case KindRefusals:
			sum += f.Count
		case kindLost:
		default:
			sum++
		}
	}
	return sum
}

func TestRefusalsOfUnknownCallersAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &faulty{take: -1}
		l := on(t, f, nil, 40)
		stop := start(t, l)
		for i := range 1000 {
			g.Expect(l.Count(refusal(fmt.Sprintf("2001:db8:1:%x::1", i), "token_malformed"))).To(Succeed())
			g.Expect(l.Count(refusal("192.0.2.1", "token_malformed"))).To(Succeed())
		}
		g.Expect(l.Count(refusal("192.0.2.1", "unknown_route"))).To(Succeed())
		synctest.Wait()
		time.Sleep(time.Second) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		all := eventsIn(t, f.text())
		g.Expect(all).To(HaveLen(3), "the first refusal of each reason and network is written immediately")
		g.Expect(all[0].IP).To(Equal("2001:db8:1::1"))
		g.Expect(all[0].Route).To(Equal("unknown"))

		time.Sleep(tallyEvery) //nolint:forbidigo // the clock of synctest
		synctest.Wait()
		all = eventsIn(t, f.text())
		g.Expect(all).To(HaveLen(5), "the others are one event with their number")
		g.Expect(refusals(all)).To(Equal(uint64(2001)), "none is missing")
		counted := map[string]record{}
		for _, f := range all[3:] {
			counted[f.Network] = f
		}
		for _, network := range []string{"2001:db8:1::/48", "192.0.2.1/32"} {
			f := counted[network]
			g.Expect(f).To(And(HaveField("Kind", KindRefusals), HaveField("Count", uint64(999)), HaveField("Reason", "token_malformed"),
				HaveField("Verdict", "refused"), HaveField("Status", 401), HaveField("IP", ""), HaveField("Until", Not(BeEmpty()))))
		}
		g.Expect(testutil.ToFloat64(l.metrics.counted)).To(Equal(1998.0))

		// The next minute has new counts. A stop writes the current counts.
		for range 3 {
			g.Expect(l.Count(refusal("192.0.2.1", "token_malformed"))).To(Succeed())
		}
		stop()
		g.Expect(refusals(eventsIn(t, f.text()))).To(Equal(uint64(2004)))
		v := Verifier{}
		g.Expect(v.Read(strings.NewReader(f.text()))).To(Succeed())
		r := v.Report()
		g.Expect(r.Good()).To(BeTrue(), fmt.Sprint(r.Problems))
		g.Expect(r.Chains[0].Ended).To(BeTrue())
	})
}

// TestManyNetworksFillNeitherMemoryNorDisk: refusals beyond the limit are counted without their network.
func TestManyNetworksFillNeitherMemoryNorDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &faulty{take: -1}
		l := on(t, f, nil, 4*maxTallies)
		stop := start(t, l)
		const networks = 3 * maxTallies
		for i := range networks {
			for range 2 {
				_ = l.Count(refusal(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), "token_malformed"))
			}
		}
		l.mu.Lock()
		g.Expect(l.tallies).To(HaveLen(maxTallies + 1))
		l.mu.Unlock()
		stop()
		all := eventsIn(t, f.text())
		g.Expect(len(all)).To(BeNumerically("<=", 2*(maxTallies+1)))
		g.Expect(refusals(all)).To(Equal(uint64(2 * networks)))
		g.Expect(all).To(ContainElement(And(HaveField("Kind", KindRefusals), HaveField("Network", ""),
			HaveField("Count", BeNumerically(">", maxTallies)))))
	})
}

// TestACountThatDoesNotFitIsReportedAsLost: the audit log reports how many events are missing.
func TestACountThatDoesNotFitIsReportedAsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &faulty{take: -1, block: make(chan struct{})}
		l := on(t, f, nil, 8)
		stop := start(t, l)
		for range 100 {
			_ = l.Count(refusal("192.0.2.1", "token_malformed"))
		}
		emitted := uint64(0)
		for l.Emit(sent()) == nil {
			emitted++
		}
		time.Sleep(2 * tallyEvery) //nolint:forbidigo // the clock of synctest
		close(f.block)
		f.set(func(f *faulty) { f.block = nil })
		synctest.Wait()
		l.flushTallies()
		stop()
		all := eventsIn(t, f.text())
		var lost uint64
		for _, e := range all {
			lost += e.Lost
		}
		g.Expect(refusals(all)+lost).To(Equal(emitted+100+1), "the last Emit failed")
	})
}
