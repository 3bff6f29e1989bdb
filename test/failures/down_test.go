package failures

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestWhenSomethingIsDown produces each fault and checks all probes during and after the fault.
func TestWhenSomethingIsDown(t *testing.T) {
	c := newCast(t, newTestEnv(t))
	for _, f := range faults() {
		if !t.Run(f.name, func(t *testing.T) { c.suffer(t, f) }) {
			// The next case would test two faults at once if this fault did not end.
			if err := c.recovered(t.Context(), callTimeout); err != nil {
				t.Fatalf("after %s nothing more can be said: %v", f.name, err)
			}
		}
	}
}

// sight is the result of one probe.
type sight struct {
	answer string
	took   time.Duration
}

func (c *cast) suffer(t *testing.T, f fault) {
	sc := c.prepare(t, f.gateway)
	if err := f.begin(t.Context(), c.testEnv); err != nil {
		t.Fatal(err)
	}
	looks := [][]sight{sc.look(t.Context(), f.probes())}
	unsure := c.said
	if f.twice {
		looks = append(looks, sc.look(t.Context(), f.probes()))
	}
	if err := f.finish(t.Context(), c.testEnv); err != nil {
		t.Fatal(err)
	}
	again := time.Now()
	err := c.recovered(t.Context(), f.back)
	for _, seen := range looks {
		t.Logf("%s %s:\n%s", f.what, f.how, list(f.probes(), seen))
	}
	t.Logf("as usual again after %s", time.Since(again).Round(time.Millisecond))
	if err != nil {
		t.Errorf("not as usual again within %s: %v", f.back, err)
	}
	for i, p := range f.probes() {
		w := f.want(p)
		t.Run(p.test(), func(t *testing.T) {
			g := NewWithT(t)
			for _, seen := range looks {
				g.Expect(seen[i].answer).To(BeElementOf(w.answers))
				g.Expect(seen[i].took).To(BeNumerically("<=", w.within))
				if p.good {
					g.Expect(seen[i].answer).NotTo(HavePrefix("errCode 150"), "a session that holds is not to be given up because something is down")
				}
				if p.name == message.name && seen[i].answer == unheard && !f.undelivered {
					g.Expect(c.arrived(t.Context(), unsure, f.back)).To(Succeed(), "what was taken must arrive in the end")
				}
			}
		})
	}
	// A revocation that was not confirmed is repeated, and then takes effect everywhere.
	g := NewWithT(t)
	g.Eventually(func() string { return sc.revocation(t.Context()) }, f.back, 50*time.Millisecond).Should(Equal(usual), "the revocation, repeated")
	g.Expect(sc.read(t.Context(), sc.gateway, c.carol.id, sc.ended.Token()).code).To(Equal(wire.CodeTokenKicked), "what was revoked before stays so")
}

// arrived waits until bob has received an earlier message of alice.
func (c *cast) arrived(ctx context.Context, number int, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for words := spoken(number); !c.heard[words]; {
		got, err := c.toBob.Receive(ctx, func(chat.Received) bool { return true })
		if err != nil {
			return err
		}
		c.heard[got.Text] = true
	}
	return nil
}

// test returns the probe's name as part of a test's name.
func (p probe) test() string {
	return strings.NewReplacer(" ", "_", "'", "", ",", "").Replace(p.name)
}

// look runs all probes concurrently.
func (s *fixture) look(ctx context.Context, probes []probe) []sight {
	seen := make([]sight, len(probes))
	var all sync.WaitGroup
	for i, p := range probes {
		all.Go(func() {
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, callTimeout)
			defer cancel()
			seen[i].answer = p.do(ctx, s)
			seen[i].took = time.Since(began)
		})
	}
	all.Wait()
	return seen
}

// want returns the expected result of a probe.
func (f fault) want(p probe) want {
	for _, w := range f.wants {
		if w.probe.name == p.name {
			return w
		}
	}
	return want{p, []string{p.usual}, quick}
}

// probes returns the common probes and those of the fault.
func (f fault) probes() []probe { return append(slices.Clone(probes), f.more...) }

// recovered waits until all answers are the usual ones for existing users.
func (c *cast) recovered(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		err := c.usual(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *cast) usual(ctx context.Context) error {
	for replica := range replicas {
		if r := c.read(ctx, replica, c.alice.id, c.alice.session.Token()); !r.ok() {
			return fmt.Errorf("a call at replica %d: %s", replica, r)
		}
		session, err := c.carol.login(ctx, replica)
		if err != nil {
			return fmt.Errorf("a login at replica %d: %w", replica, err)
		}
		socket, err := c.socket(ctx, replica, session)
		if err != nil {
			return fmt.Errorf("a new socket at replica %d: %w", replica, err)
		}
		socket.Close()
		token, err := c.Frontend.AdminToken()
		if err != nil {
			return err
		}
		if r := post(ctx, c.Frontend.Gateways[replica].Admins+wire.AdminPrefix+"/user/get_users_info", "", token, object{"userIDs": []string{c.alice.id}}); !r.ok() {
			return fmt.Errorf("an administrator's call at replica %d: %s", replica, r)
		}
	}
	if err := c.seated(ctx); err != nil {
		return err
	}
	if said := c.say(ctx); said != usual {
		// A socket may have ended without notice to its client: the user opens another one, as an app does.
		c.toAlice.Close()
		return errors.New("a message: " + said)
	}
	return nil
}

func list(probes []probe, seen []sight) string {
	var b strings.Builder
	for i, p := range probes {
		fmt.Fprintf(&b, "  %-60s %-28s %s\n", p.name, seen[i].answer, seen[i].took.Round(time.Millisecond))
	}
	return b.String()
}

// TestEachFaultSaysWhatIsSeen checks the table itself.
func TestEachFaultSaysWhatIsSeen(t *testing.T) {
	g := NewWithT(t)
	names := map[string]bool{}
	for _, f := range faults() {
		g.Expect(names).NotTo(HaveKey(f.name))
		names[f.name] = true
		g.Expect(f.back).To(And(BeNumerically(">", 0), BeNumerically("<=", callTimeout)), f.name)
		for _, w := range f.wants {
			g.Expect(slices.ContainsFunc(f.probes(), func(p probe) bool { return p.name == w.probe.name })).To(BeTrue(), "%s: nobody looks at %s", f.name, w.probe.name)
			g.Expect(w.within).To(BeNumerically("<", callTimeout), "%s, %s: who waits longer hangs", f.name, w.probe.name)
			g.Expect(w.answers).NotTo(BeEmpty())
			for _, a := range w.answers {
				if w.probe.good {
					g.Expect(a).NotTo(HavePrefix("errCode 150"), "%s, %s: nobody is logged out because something is down", f.name, w.probe.name)
				}
				switch w.probe.name {
				case strange.name, ended.name, spent.name:
					g.Expect(a).NotTo(Equal(usual), "%s, %s: nobody is let in because something is down", f.name, w.probe.name)
				}
			}
		}
	}
}
