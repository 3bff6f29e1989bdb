package failures

import (
	"context"
	"fmt"
	"testing"

	"github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
)

// cast holds the users of all cases.
type cast struct {
	*testEnv
	// alice has a socket at the first gateway and bob at the second: alice writes to bob.
	alice, bob *user
	// carol logs in repeatedly.
	carol          *user
	toAlice, toBob *chat.Socket
	said           int
	// heard holds the texts of alice that bob received.
	heard map[string]bool
}

// fixture holds what is prepared for one case before its fault.
type fixture struct {
	*cast
	// gateway is the replica that is called, and other is the other one.
	gateway, other int
	admin          chat.Admin
	// unseen is a session that the gateway has never seen; ended is one that was revoked; victim is one that is about to be.
	unseen, ended, victim *client.Session
	toVictim              *chat.Socket
	victimID              string
	// code admits a newcomer; fresh opens a socket for carol, and spent is one that has done so.
	code         internalapi.IssuedCode
	carols       *client.Session
	fresh, spent string
}

func newCast(t *testing.T, s *testEnv) *cast {
	t.Helper()
	ctx, admin := t.Context(), s.admin(t, 0)
	c := &cast{testEnv: s, heard: map[string]bool{}}
	for name, p := range map[string]**user{"alice": &c.alice, "bob": &c.bob, "carol": &c.carol} {
		*p = must(s.newcomer(ctx, admin, 0, newID(name), iOS))(t)
	}
	return c
}

// seated reopens those of the two sockets that have ended.
func (c *cast) seated(ctx context.Context) (err error) {
	if c.toAlice == nil || !c.toAlice.Alive() {
		if c.toAlice, err = c.socket(ctx, 0, c.alice.session); err != nil {
			return fmt.Errorf("alice's socket: %w", err)
		}
	}
	if c.toBob == nil || !c.toBob.Alive() {
		if c.toBob, err = c.socket(ctx, 1, c.bob.session); err != nil {
			return fmt.Errorf("bob's socket: %w", err)
		}
	}
	return nil
}

// prepare returns the fixture of a case.
func (c *cast) prepare(t *testing.T, gateway int) *fixture {
	t.Helper()
	ctx := t.Context()
	if err := c.seated(ctx); err != nil {
		t.Fatal(err)
	}
	sc := &fixture{cast: c, gateway: gateway, other: 1 - gateway}
	sc.admin = c.admin(t, sc.gateway)

	sc.unseen = must(c.carol.login(ctx, sc.other))(t)
	sc.ended = must(c.carol.login(ctx, sc.gateway))(t)
	if err := sc.ended.Revoke(ctx, client.ThisSession); err != nil {
		t.Fatal(err)
	}
	victim := must(c.newcomer(ctx, sc.admin, sc.gateway, newID("victor"), iOS))(t)
	sc.victim, sc.victimID = victim.session, victim.id
	sc.toVictim = must(c.socket(ctx, sc.other, sc.victim))(t)
	sc.code = must(sc.admin.IssueCode(ctx, newID("erin")))(t)

	sc.carols = must(c.carol.login(ctx, sc.gateway))(t)
	var spent *chat.Socket
	sc.spent, _ = c.ticket(ctx, sc.gateway, sc.carols.Token())
	spent = must(c.open(ctx, sc.gateway, sc.carols, sc.spent))(t)
	spent.Close()
	// The gateway has cached all sessions but unseen before the fault begins.
	for _, session := range []*client.Session{c.alice.session, c.bob.session, sc.carols, sc.victim} {
		if r := c.read(ctx, sc.gateway, session.UserID, session.Token()); !r.ok() {
			t.Fatalf("before the case %s is answered: %s", session, r)
		}
	}
	if heard := sc.say(ctx); heard != usual {
		t.Fatalf("before the case a message over the open socket is answered: %s", heard)
	}
	var r reply
	if sc.fresh, r = c.ticket(ctx, sc.gateway, sc.carols.Token()); !r.ok() {
		t.Fatalf("no ticket: %s", r)
	}
	return sc
}
