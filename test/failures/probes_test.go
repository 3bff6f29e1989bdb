package failures

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Answers, beside errCodes and HTTP statuses.
const (
	usual   = "as usual"
	stays   = "stays open"
	silent  = "no reply"
	cut     = "the connection breaks"
	unheard = "accepted, not delivered immediately"
	unfelt  = "confirmed, but a socket stays open"
	unmet   = "confirmed, but a replica admits the session"
)

// probe is one action of a user or administrator, and its usual answer.
type probe struct {
	name  string // on the page
	usual string
	// good marks probes with a valid session. No fault may cause an answer that an SDK takes as the end of such a session.
	good bool
	do   func(context.Context, *fixture) string
}

// probes lists what is attempted during each fault, concurrently.
var probes = []probe{call, who, unseen, strange, ended, login, enrol, ticket, spent, openSocket, newSocket, message, oneTimeCode, revoke, administer}

var (
	call = probe{"a user's call", usual, true, func(ctx context.Context, s *fixture) string {
		return s.read(ctx, s.gateway, s.alice.id, s.alice.session.Token()).String()
	}}
	who = probe{"a call that the gateway answers itself", usual, true, func(ctx context.Context, s *fixture) string {
		return s.who(ctx, s.gateway, s.alice.session.Token()).String()
	}}
	unseen = probe{"a call with a session that this gateway has not seen yet", usual, true, func(ctx context.Context, s *fixture) string {
		return s.who(ctx, s.gateway, s.unseen.Token()).String()
	}}
	strange = probe{"a call with an invalid token", code(wire.CodeTokenNotExist), false, func(ctx context.Context, s *fixture) string {
		token := s.alice.session.Token()
		at := strings.LastIndexByte(token, '.') + 1
		return s.read(ctx, s.gateway, s.alice.id, token[:at]+strings.Repeat("A", len(token)-at)).String()
	}}
	ended = probe{"a call with a session that was revoked", code(wire.CodeTokenKicked), false, func(ctx context.Context, s *fixture) string {
		return s.read(ctx, s.gateway, s.carol.id, s.ended.Token()).String()
	}}
	login = probe{"a login", usual, false, func(ctx context.Context, s *fixture) string {
		_, err := s.carol.login(ctx, s.gateway)
		return answer(err)
	}}
	enrol = probe{"an enrolment", usual, false, func(ctx context.Context, s *fixture) string {
		c, err := s.client(s.gateway)
		if err != nil {
			return err.Error()
		}
		device, err := newDevice(iOS)
		if err != nil {
			return err.Error()
		}
		_, err = c.Enrol(ctx, s.code.Code, device)
		return answer(err)
	}}
	ticket = probe{"a ticket", usual, true, func(ctx context.Context, s *fixture) string {
		_, r := s.cast.ticket(ctx, s.gateway, s.alice.session.Token())
		return r.String()
	}}
	spent = probe{"a socket with a ticket that was used before", code(wire.CodeTokenNotExist), false, func(ctx context.Context, s *fixture) string {
		return s.opening(ctx, s.spent)
	}}
	newSocket = probe{"a new socket", usual, true, func(ctx context.Context, s *fixture) string {
		return s.opening(ctx, s.fresh)
	}}
	openSocket = probe{"an open socket", stays, true, func(ctx context.Context, s *fixture) string {
		watched, stop := context.WithTimeout(ctx, watch)
		defer stop()
		return closing(s.toBob.Ended(watched))
	}}
	message = probe{"a message over an open socket", usual, true, func(ctx context.Context, s *fixture) string {
		return s.say(ctx)
	}}
	oneTimeCode = probe{"an administrator's one-time code", usual, false, func(ctx context.Context, s *fixture) string {
		// For a new user each time: the number of open codes of a user is limited.
		return s.adminCall(ctx, wire.PathAdminIssueCode, object{"userID": newID("guest"), "lifetimeSeconds": 60}).String()
	}}
	revoke = probe{"an administrator's revocation", usual, false, func(ctx context.Context, s *fixture) string {
		return s.revocation(ctx)
	}}
	administer = probe{"an administrator's call", usual, false, func(ctx context.Context, s *fixture) string {
		// A new user, whom OpenIM's caches do not hold.
		return s.adminCall(ctx, wire.AdminPrefix+"/user/get_users_info", object{"userIDs": []string{newID("nobody")}}).String()
	}}
)

const (
	// watch is how long a socket that should stay open is observed.
	watch = 3 * time.Second
	// hearing bounds how long a sender waits until a message is accepted.
	hearing = 10 * time.Second
	// soon bounds how long a confirmed revocation may take to have effect everywhere.
	soon = 2 * time.Second
)

// opening opens carol's socket with a ticket.
func (s *fixture) opening(ctx context.Context, ticket string) string {
	socket, err := s.open(ctx, s.gateway, s.carols, ticket)
	if err != nil {
		return refusal(err)
	}
	defer socket.Close()
	return usual
}

// closing returns the table's text for the end of a socket.
func closing(end chat.End, err error) string {
	switch {
	case err != nil:
		return stays
	case end.Code < 0:
		return cut
	}
	return fmt.Sprintf("closed with %d", end.Code)
}

// say sends a message from alice to bob. The answer is the usual one when the message was accepted and has arrived.
func (c *cast) say(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, hearing)
	defer cancel()
	c.said++
	words := spoken(c.said)
	reply, err := c.toAlice.SendDraft(ctx, chat.Draft{SendID: c.alice.id, RecvID: c.bob.id, Text: words, PlatformID: iOS})
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return silent
	case err != nil:
		gone, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		return closing(c.toAlice.Ended(gone))
	case reply.ErrCode != 0:
		return code(reply.ErrCode)
	}
	arrives, stop := context.WithTimeout(ctx, watch)
	defer stop()
	if _, err := c.toBob.Receive(arrives, func(r chat.Received) bool {
		c.heard[r.Text] = true
		return r.Text == words
	}); err != nil {
		return unheard
	}
	return usual
}

func spoken(number int) string { return fmt.Sprintf("words %d", number) }

func (s *fixture) adminCall(ctx context.Context, path string, body any) reply {
	return post(ctx, "http://"+s.admin.Address+path, "", s.admin.Token, body)
}

// revocation ends all of the victim's sessions. When it was confirmed, the socket must be closed and the session refused by
// both replicas soon; the victim's socket is at the other replica than the one that was called.
func (s *fixture) revocation(ctx context.Context) string {
	r := s.adminCall(ctx, wire.PathAdminRevokeSessions, object{"scope": "user", "id": s.victimID})
	if !r.ok() {
		return r.String()
	}
	felt, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	if _, err := s.toVictim.Ended(felt); err != nil {
		return unfelt
	}
	for _, replica := range []int{s.gateway, s.other} {
		if r := s.who(ctx, replica, s.victim.Token()); r.ok() {
			return unmet
		}
	}
	return usual
}

// manyCalls makes many concurrent calls, so that each backend gets some of them. A call may fail as a
// call to the failed process does, and in no other way.
var manyCalls = probe{"many concurrent calls", usual, true, func(ctx context.Context, s *fixture) string {
	answers := make([]string, 32)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = s.read(ctx, s.gateway, s.alice.id, s.alice.session.Token()).String() })
	}
	all.Wait()
	others := slices.DeleteFunc(answers, func(a string) bool { return a == usual })
	slices.Sort(others)
	others = slices.Compact(others)
	switch {
	case len(others) == 0:
		return usual
	case len(others) == len(answers):
		return "none is answered: " + strings.Join(others, ", ")
	}
	return "some: " + strings.Join(others, ", ")
}}

// aloneEnds waits for the end of a socket whose other side no longer answers.
var aloneEnds = probe{"an open socket, after a while", stays, true, func(ctx context.Context, s *fixture) string {
	return closing(s.toBob.Ended(ctx))
}}

// unknownToken is a call with a token that is signed with a key that the provider does not publish.
var unknownToken = probe{"an administrator's token signed with an unknown key", status(http.StatusUnauthorized), false, func(ctx context.Context, s *fixture) string {
	token, err := forged(s.admin.Token)
	if err != nil {
		return err.Error()
	}
	return post(ctx, "http://"+s.admin.Address+wire.AdminPrefix+"/user/get_users_info", "", token, object{"userIDs": []string{s.alice.id}}).String()
}}

// forged returns a token with the claims of an administrator's token, signed with another key.
func forged(token string) (string, error) {
	signed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	var said struct {
		jwt.Claims
		Groups []string `json:"groups"`
	}
	if err := signed.UnsafeClaimsWithoutVerification(&said); err != nil {
		return "", err
	}
	other, err := identity.New()
	if err != nil {
		return "", err
	}
	return other.Token(identity.Claims{Issuer: said.Issuer, Audience: said.Audience[0], Subject: said.Subject, Role: "groups", Groups: said.Groups})
}
