package crossuser

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
)

// The wrapper's handling of a case, for the page.
const (
	refused   = "refused"
	lookedUp  = "refused, after a membership lookup"
	rewritten = "rewritten"
	passedOn  = "passed on"
)

// declared runs the cases of every field of every user route, through the wrapper and directly at OpenIM.
func declared(t *testing.T, s *testEnv) []row {
	var rows []row
	t.Run("through the wrapper", func(t *testing.T) {
		attacker, victim := s.attacker(t), newUserData(t, s.Stack)
		before := victim.settled(t)
		for i := range len(slices.Collect(routestest.Attacks(attacker.Identities, victim.Identities))) {
			a := nth(routestest.Attacks(attacker.Identities, victim.Identities), i)
			r := row{target: a.Route.Path, field: a.Rule.Field, rule: string(a.Rule.Rule)}
			after := before
			t.Run(r.name(), func(t *testing.T) {
				r.wrapper, after = s.wrapped(t, attacker, victim, a, before)
			})
			rows = append(rows, r)
			if after != before { // the two users are related now: a new attacker replaces this one
				victim = newUserData(t, s.Stack)
				before = victim.settled(t)
			}
		}
	})
	t.Run("straight at OpenIM", func(t *testing.T) {
		var attacker *attacker
		var victim *userData
		before := ""
		for i := range rows {
			if before == "" {
				attacker, victim = s.attacker(t), newUserData(t, s.Stack)
				before = victim.settled(t)
			}
			a := nth(routestest.Attacks(attacker.Identities, victim.Identities), i)
			result, after := s.bare(t, attacker, victim, a, before)
			rows[i].openIM = result
			if after != before {
				before = "" // too many changes: new users replace them
			}
		}
	})
	return rows
}

// wrapped runs one case through the wrapper and checks its result.
func (s *testEnv) wrapped(t *testing.T, attacker *attacker, victim *userData, a routestest.Attack, before string) (result, after string) {
	t.Helper()
	g := NewWithT(t)
	s.sealTickets(t, attacker, a)
	s.witness.forget()
	reply, err := s.through(attacker).Post(t.Context(), a.Route.Path, a.Body)
	g.Expect(err).NotTo(HaveOccurred())
	asked := s.witness.asked(a.Route.Upstream(), attacker.Self)
	g.Expect(victim.leaks(a.Body, reply.Data)).To(BeFalse(), "told: %s", reply.Data)
	g.Expect(reply.Detail).To(BeEmpty(), "OpenIM's stack traces stay inside")

	switch a.Want {
	case routestest.Refused, routestest.LookedUp:
		g.Expect(reply.OK()).To(BeFalse(), "answered: %s", reply.Data)
		g.Expect(asked).To(BeEmpty(), "OpenIM was asked all the same")
		result = map[routestest.Want]string{routestest.Refused: refused, routestest.LookedUp: lookedUp}[a.Want] + ", " + code(reply)
	case routestest.Rewritten:
		g.Expect(asked).NotTo(BeEmpty(), "OpenIM was not asked: %s", reply)
		for _, call := range asked {
			for _, seen := range routestest.Get(call.body, a.Rule.Field) {
				g.Expect(routestest.Get(a.Body, a.Rule.Field)).NotTo(ContainElement(seen), "OpenIM saw it as it was written: %v", call.body)
			}
			g.Expect(fmt.Sprint(call.body)).NotTo(ContainSubstring(victim.Self))
		}
		result = rewritten
	case routestest.Allowed:
		result = passedOn + ": " + outcome(reply.OK(), code(reply))
	}
	if a.Route.Audit != routes.AuditWrite {
		return result, before
	}
	if a.Want == routestest.Allowed {
		return result, victim.unchanged(t, atRest) // what it changed may come later, and is not the next case's
	}
	after = victim.settled(t)
	g.Expect(after).To(Equal(before), "the victim's data has changed")
	return result, after
}

// sealTickets replaces OpenIM's tickets in the body by those that the wrapper would have given the attacker, except in the attacked field.
func (s *testEnv) sealTickets(t *testing.T, attacker *attacker, a routestest.Attack) {
	t.Helper()
	keys := tokenvault.KeyFile(filepath.Join(s.Dir, "wrapper", "custody"))
	_, err := keys.Reload()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	tickets := backend.UploadTickets(keys, time.Now)
	for _, rule := range a.Route.Identity {
		kind := map[routes.Rule]routes.Ticket{routes.UploadTicket: routes.TicketUpload, routes.FormTicket: routes.TicketForm}[rule.Rule]
		if kind == "" || rule.Field == a.Rule.Field {
			continue
		}
		sealed, err := tickets.Seal(kind, attacker.Self, fmt.Sprint(a.Body[rule.Field]))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		a.Body[rule.Field] = sealed
	}
}

// bare runs one case without the wrapper and returns its result.
func (s *testEnv) bare(t *testing.T, attacker *attacker, victim *userData, a routestest.Attack, before string) (result, after string) {
	t.Helper()
	if a.Rule.Rule == routes.UpTo || a.Rule.Rule == routes.Spans {
		return "not tried: it lists every number in memory", before
	}
	reply, err := s.straight(attacker).Post(t.Context(), a.Route.Upstream(), a.Body)
	if err != nil && strings.Contains(err.Error(), fmt.Sprint(http.StatusNotFound)) {
		return "no such route at " + s.release, before
	}
	if err != nil {
		t.Fatal(err)
	}
	after = before
	if a.Route.Audit == routes.AuditWrite {
		after = victim.settled(t)
	}
	switch {
	case victim.leaks(a.Body, reply.Data):
		return "**reveals another user's data**", after
	case after != before && a.Want != routestest.Allowed:
		return "**changes another user's data**", after
	}
	return outcome(reply.OK(), code(reply)), after
}

func outcome(ok bool, code string) string {
	if ok {
		return "answers"
	}
	return "refuses, " + code
}

func nth[T any](all func(func(T) bool), n int) T {
	i := 0
	for v := range all {
		if i == n {
			return v
		}
		i++
	}
	panic("there are fewer")
}
