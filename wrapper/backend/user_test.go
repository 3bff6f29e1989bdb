package backend

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// own holds alice's ids: bob is a friend, group 4711 is alice's, and alice was in group 1 once. other holds ids of other users.
var (
	own   = routestest.Identities{Self: "alice", Peer: "bob", Group: "4711"}
	other = routestest.Identities{Self: "victor", Peer: "wanda", Group: "815"}
)

// openIMAsUser returns the configured answers to users' calls, and records the calls.
type openIMAsUser struct {
	answer func(openimclient.Request, string) (wire.Envelope, error)
	seen   []openimclient.Request
	tokens []string
}

func (o *openIMAsUser) CallAs(_ context.Context, r openimclient.Request, token string) (wire.Envelope, error) {
	o.seen, o.tokens = append(o.seen, r), append(o.tokens, token)
	if o.answer == nil {
		return wire.Envelope{}, nil
	}
	return o.answer(r, token)
}

// twoTokens gives one token, and another when the first was refused.
type twoTokens struct{ err error }

func (t twoTokens) Token(_ context.Context, userID string, _ int32, refused string) (string, string, error) {
	if refused != "" {
		return "second-" + userID, "hash-2", t.err
	}
	return "first-" + userID, "hash-1", t.err
}

// aliceGroups knows alice's groups alone.
type aliceGroups struct{ err error }

func (a aliceGroups) Conversations(_ context.Context, userID string, ids []string) ([]bool, error) {
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = userID == "alice" && slices.Contains([]string{
			"sg_4711", "n_4711", "si_alice_b_c", "si_alice_bob", "n_alice_bob", "si_alice_alice", "sn_alice_system",
		}, id)
	}
	return out, a.err
}

func (a aliceGroups) Live(_ context.Context, ids []string) ([]bool, error) {
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = id != "dismissed"
	}
	return out, a.err
}

// All returns alice's conversations, and one of a group that removed alice.
func (a aliceGroups) All(_ context.Context, userID string) ([]string, error) {
	if userID != "alice" {
		return nil, a.err
	}
	return []string{"sg_left", "si_alice_bob", "si_alice_nobody", "sg_4711", "sg_$|^si.bob.carol:"}, a.err
}

func (a aliceGroups) NewestSeq(_ context.Context, userID, id string) (int64, error) {
	if userID != "alice" || id == "" {
		return 0, a.err
	}
	return 7, a.err
}

// TakesSettings: bob accepts alice's settings. wanda has blocked alice and does not.
func (a aliceGroups) TakesSettings(_ context.Context, userID, from, id string) (bool, error) {
	return userID == "bob" && from == "alice" && id == "si_alice_bob", a.err
}

func (a aliceGroups) Groups(_ context.Context, userID string, ids []string) ([]openimclient.GroupRole, error) {
	out := make([]openimclient.GroupRole, len(ids))
	for i, id := range ids {
		switch {
		case userID == "alice" && id == "4711":
			out[i] = openimclient.Leader
		case userID == "alice" && id == "12":
			out[i] = openimclient.Member
		}
	}
	return out, a.err
}

// usersHandler is the backend with users, at a release.
func usersHandler(openim openimAsUser, release routes.Release, change func(*UsersOptions)) (http.Handler, *bytes.Buffer) {
	reg, log := prometheus.NewRegistry(), &bytes.Buffer{}
	b := newConcurrency(reg, routes.Limits)
	o := UsersOptions{OpenIM: openim, Tokens: twoTokens{}, Members: aliceGroups{}, Release: release,
		ObjectURL: &url.URL{Scheme: "https", Host: "s3.example.com"}, Concurrency: b, Tickets: routestest.Unsealed{}}
	if change != nil {
		change(&o)
	}
	h := &handler{assertions: auth.NewAssertions(key, time.Now), proofs: proofVerifier{admins: known{}, users: known{}},
		openim: openIM(unasked), concurrency: b, users: newUsers(o)}
	return httpserver.NewRecorder(slog.New(slog.NewJSONHandler(log, nil)), reg, time.Now).Wrap(h), log
}

// userRequest is one of the gateway's for alice on platform 5, with a good assertion.
func userRequest(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	target := wire.UserPrefix + path
	r := httptest.NewRequest(method, "/", strings.NewReader(body))
	r.RequestURI = target
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-Id", "op-1")
	p := auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: "s", Device: "d", PlatformID: 5}
	r.Header.Set(wire.HeaderProof, proofOf(p))
	token, err := auth.Assert(key, auth.Call{Principal: p, Method: method, Path: target, RequestID: "op-1", Body: []byte(body),
		Proof: proofOf(p)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestAUsersCallReachesOpenIMAsTheUser(t *testing.T) {
	g := NewWithT(t)
	openim := &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) {
		return wire.Envelope{ErrCode: 1301, ErrMsg: "CanNotAddYourselfError"}, nil
	}}
	h, log := usersHandler(openim, 0, nil)
	w := serveOne(h, userRequest(t, "POST", "/friend/add_friend", `{"ToUserID":"bob","fromUserID":"","x":1}`))
	g.Expect(w.Code).To(Equal(200), w.Body.String())
	g.Expect(w.Body.String()).To(MatchJSON(`{"errCode":1301,"errMsg":"CanNotAddYourselfError","errDlt":""}`))
	g.Expect(openim.seen).To(HaveLen(1))
	g.Expect(openim.seen[0].Path).To(Equal("/friend/add_friend"))
	g.Expect(string(openim.seen[0].Body)).To(MatchJSON(`{"fromUserID":"alice","toUserID":"bob"}`))
	g.Expect(openim.seen[0].RequestID).To(Equal("op-1"), "SDKs find their own operationID in OpenIM's log")
	g.Expect(openim.seen[0].Repeatable).To(BeFalse())
	g.Expect(openim.tokens).To(Equal([]string{"first-alice"}))
	g.Expect(log.String()).To(And(ContainSubstring(`"users":["alice","bob"]`), ContainSubstring(`"route":"friend/add_friend"`),
		Not(ContainSubstring("first-"))))
}

// A session may be older than the reservation of its user's name.
func TestAReservedUserCallsNothing(t *testing.T) {
	for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
		openim := &openIMAsUser{}
		u := newUsers(UsersOptions{OpenIM: openim, Tokens: twoTokens{}, Members: aliceGroups{}, Release: routes.LastRelease,
			ObjectURL: &url.URL{Scheme: "https", Host: "s3.example.com"}, Concurrency: newConcurrency(prometheus.NewRegistry(), routes.Limits)})
		for _, call := range []userCall{
			{Method: "POST", Target: wire.UserPrefix + "/user/get_users_info", Body: []byte(`{"userIDs":["bob"]}`)},
			{Method: "GET", Target: wire.UserPrefix + "/object/" + reserved + "/a.txt"},
		} {
			call.Principal = auth.Principal{Subject: reserved, Role: auth.RoleUser, PlatformID: 1}
			_, failure := u.answer(t.Context(), http.Header{}, call, &httpserver.Record{})
			NewWithT(t).Expect(failure).NotTo(BeNil())
			NewWithT(t).Expect(failure.Status).To(Equal(http.StatusForbidden))
		}
		NewWithT(t).Expect(openim.seen).To(BeEmpty())
	}
}

// TestEveryUsersRouteAgainstAnothersIDs runs the table's attacks through the handler: OpenIM is asked only where the table lets the
// field name anybody, or has rewritten it.
func TestEveryUsersRouteAgainstAnothersIDs(t *testing.T) {
	for a := range routestest.Attacks(own, other) {
		t.Run(a.Route.Name()+"/"+a.Rule.Field, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{}
			h, _ := usersHandler(openim, routes.LastRelease, nil)
			body, err := routes.Encode(a.Body)
			g.Expect(err).NotTo(HaveOccurred())
			w := serveOne(h, userRequest(t, "POST", a.Route.Path, string(body)))
			switch a.Want {
			case routestest.Refused, routestest.LookedUp:
				g.Expect(w.Code).To(BeElementOf(400, 403), w.Body.String())
				g.Expect(openim.seen).To(BeEmpty())
			default:
				g.Expect(w.Code).To(Equal(200), w.Body.String())
				g.Expect(openim.seen).To(HaveLen(1))
			}
			if a.Want == routestest.Rewritten {
				g.Expect(string(openim.seen[0].Body)).NotTo(Or(ContainSubstring(other.Self), ContainSubstring("attacker.example")))
			}
		})
	}
}

func TestEveryUsersRouteWorksForTheCaller(t *testing.T) {
	for i := range routes.Table {
		r := &routes.Table[i]
		if r.Example == "" {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{}
			h, _ := usersHandler(openim, routes.LastRelease, nil)
			body, err := routes.Encode(own.Body(r))
			g.Expect(err).NotTo(HaveOccurred())
			w := serveOne(h, userRequest(t, "POST", r.Path, string(body)))
			g.Expect(w.Code).To(Equal(200), w.Body.String())
			g.Expect(openim.seen[0].Path).To(Equal(r.Upstream()))
			g.Expect(openim.seen[0].Body).To(MatchJSON(body))
		})
	}
}

func TestWhatUsersAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, path, body string
		release          routes.Release
		status           int
		reason           string
	}{
		{"an administrator's route", "/msg/search_msg", `{}`, 16, 403, "forbidden"},
		{"nobody's route", "/auth/get_user_token", `{"userID":"alice","platformID":5}`, 16, 403, "nobody"},
		{"no route", "/user/nothing", `{}`, 16, 404, "unknown_route"},
		{"an escaped path", "/user%2fget_users_info", `{}`, 16, 404, "unknown_route"},
		{"a query", "/user/get_users_info?x=1", `{}`, 16, 404, "unknown_route"},
		{"a release without the route", "/friend/get_self_unhandled_apply_count", `{}`, 4, 501, "not_in_release"},
		{"a later release's route", "/user/get_user_client_config", `{}`, 16, 501, "not_in_release"},
		{"no JSON", "/user/get_users_info", `userIDs=alice`, 16, 400, "bad_request"},
		{"a member twice", "/friend/delete_friend", `{"friendUserID":"a","friendUserID":"b"}`, 16, 400, "bad_request"},
		{"another's friends", "/friend/get_friend_list", `{"userID":"victor"}`, 16, 403, "forbidden"},
		{"a group that is not the caller's", "/group/get_group_member_list", `{"groupID":"815"}`, 16, 403, "forbidden"},
		{"a group of another owner", "/group/get_group_users_req_application_list", `{"groupID":"12"}`, 16, 403, "forbidden"},
		{"groups of which none is the caller's", "/group/get_group_abstract_info", `{"groupIDs":["815","816"]}`, 16, 403, "forbidden"},
		{"too many groups", "/group/get_group_abstract_info", `{"groupIDs":["` + strings.Join(manyIDs(501), `","`) + `"]}`, 16, 400,
			"bad_request"},
		{"a conversation with nobody", "/msg/mark_conversation_as_read", `{"conversationID":"si_alice_zzz1","hasReadSeq":1}`, 16, 403,
			"forbidden"},
		{"messages that are not there yet", "/msg/mark_conversation_as_read", `{"conversationID":"si_alice_bob","hasReadSeq":3000000}`, 16, 400,
			"bad_request"},
		{"one of several messages", "/msg/mark_msgs_as_read", `{"conversationID":"si_alice_bob","seqs":[3000000,1]}`, 16, 400, "bad_request"},
		{"reading further than there is", "/msg/set_conversation_has_read_seq", `{"conversationID":"si_alice_bob","hasReadSeq":8}`, 16, 400,
			"bad_request"},
		{"a dismissed group", "/group/cancel_mute_group", `{"groupID":"dismissed"}`, 16, 403, "forbidden"},
		{"a member of a dismissed group", "/group/set_group_member_info", `{"members":[{"groupID":"dismissed","userID":"alice"}]}`, 16, 403,
			"forbidden"},
		{"a switch in the list of a user who blocks alice", "/conversation/set_conversations",
			`{"conversation":{"conversationID":"si_alice_wanda","isPrivateChat":true}}`, 16, 403, "forbidden"},
		{"a pattern", "/group/get_groups_info", `{"groupIDs":["$|^si.bob.carol:"]}`, 16, 400, "bad_request"},
		{"a conversation with two readings", "/msg/mark_msgs_as_read", `{"conversationID":"si_alice_x_y","seqs":[1]}`, 16, 403, "forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{}
			h, _ := usersHandler(openim, c.release, nil)
			w := serveOne(h, userRequest(t, "POST", c.path, c.body))
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			g.Expect(w.Header().Get("X-Openim-Reason")).To(Equal(c.reason))
			g.Expect(openim.seen).To(BeEmpty())
		})
	}
}

func manyIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = "g" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + base64.RawURLEncoding.EncodeToString([]byte{byte(i >> 8), byte(i)})
	}
	return ids
}

func TestOfAListWhatIsNotTheCallersIsLeftOut(t *testing.T) {
	for _, c := range []struct{ path, body, sent string }{
		{"/group/get_incremental_group_members_batch", `{"reqList":[{"groupID":"815"},{"groupID":"4711","version":3}]}`,
			`{"userID":"alice","reqList":[{"groupID":"4711","version":3}]}`},
		{"/msg/get_conversations_has_read_and_max_seq", `{"conversationIDs":["sg_815","si_alice_bob","si_alice_b_c"]}`,
			`{"userID":"alice","conversationIDs":["si_alice_bob","si_alice_b_c"]}`},
		{"/conversation/get_sorted_conversation_list", `{"conversationIDs":["sg_left","sg_4711"]}`,
			`{"userID":"alice","conversationIDs":["sg_4711"]}`},
		{"/conversation/get_sorted_conversation_list", `{}`, `{"userID":"alice","conversationIDs":["si_alice_bob","sg_4711"]}`},
		{"/conversation/get_sorted_conversation_list", `{"conversationIDs":[]}`,
			`{"userID":"alice","conversationIDs":["si_alice_bob","sg_4711"]}`},
		{"/msg/get_conversations_has_read_and_max_seq", `{"conversationIDs":null}`,
			`{"userID":"alice","conversationIDs":["si_alice_bob","sg_4711"]}`},
		{"/jssdk/get_conversations", `{"conversationIDs":["sg_left","si_alice_bob"]}`,
			`{"ownerUserID":"alice","conversationIDs":["si_alice_bob"]}`},
		{"/group/get_recv_group_applicationList", `{"groupIDs":["12","4711"]}`, `{"fromUserID":"alice","groupIDs":["4711"]}`},
	} {
		t.Run(c.path, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{}
			h, _ := usersHandler(openim, routes.LastRelease, nil)
			w := serveOne(h, userRequest(t, "POST", c.path, c.body))
			g.Expect(w.Code).To(Equal(200), w.Body.String())
			g.Expect(openim.seen[0].Body).To(MatchJSON(c.sent))
		})
	}
}

// TestWhatAFormerMemberHasKept: official SDKs mark all conversations as read, those of groups that were left or dismissed among them.
func TestWhatAFormerMemberHasKept(t *testing.T) {
	kept := func(r openimclient.Request, _ string) (wire.Envelope, error) {
		if r.Path != "/conversation/get_conversations" {
			return wire.Envelope{}, nil
		}
		return wire.Envelope{
			Data: []byte(
				`{"conversations":[{"ownerUserID":"alice","conversationID":"sg_left"},{"ownerUserID":"victor","conversationID":"sg_815"}]}`,
			),
		}, nil
	}
	for _, c := range []struct {
		path, conversation string
		status             int
	}{
		{"/msg/mark_conversation_as_read", "sg_left", 200},
		{"/msg/mark_conversation_as_read", "sg_815", 403},
		{"/msg/mark_msgs_as_read", "sg_left", 403}, // OpenIM would mark the group's messages, and tell its members
		{"/msg/mark_conversation_as_read", "n_left", 403},
		{"/msg/delete_msgs", "sg_left", 200},
		{"/msg/revoke_msg", "sg_left", 403},
	} {
		t.Run(c.path+" "+c.conversation, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{answer: kept}
			h, _ := usersHandler(openim, 0, nil)
			w := serveOne(h, userRequest(t, "POST", c.path, `{"conversationID":"`+c.conversation+`","seq":1,"seqs":[1],"hasReadSeq":1}`))
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			if c.status == 200 {
				g.Expect(openim.seen[0].Body).To(MatchJSON(`{"ownerUserID":"alice","conversationIDs":["sg_left"]}`))
				g.Expect(openim.seen[1].Path).To(Equal(c.path))
			}
		})
	}
}

// TestAUserWithoutConversations: OpenIM would take an empty list for everything that it ever kept.
func TestAUserWithoutConversations(t *testing.T) {
	for _, path := range []string{
		"/conversation/get_sorted_conversation_list", "/msg/get_conversations_has_read_and_max_seq",
		"/conversation/get_conversations_has_read_and_max_seq",
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{}
			h, _ := usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Members = noConversations{} })
			w := serveOne(h, userRequest(t, "POST", path, `{}`))
			g.Expect(w.Code).To(Equal(200), w.Body.String())
			g.Expect(w.Body.String()).To(ContainSubstring(`"errCode":0`))
			g.Expect(w.Body.Bytes()).To(ContainSubstring(routes.Find(path).Nothing))
			g.Expect(openim.seen).To(BeEmpty())
		})
	}
}

type noConversations struct{ aliceGroups }

func (noConversations) All(context.Context, string) ([]string, error) {
	return []string{"sg_left"}, nil
}

func TestAUserAtAnotherRolesPaths(t *testing.T) {
	g := NewWithT(t)
	h, _ := usersHandler(&openIMAsUser{}, 0, nil)
	asAdmin := request(t, "POST", wire.UserPrefix+"/user/get_users_info", `{"userIDs":["bob"]}`, auth.RoleAdmin)
	g.Expect(serveOne(h, asAdmin).Code).To(Equal(403), "an administrator is no user")
	posing := request(t, "POST", wire.UserPrefix+"/user/get_users_info", `{"userIDs":["bob"]}`, auth.RoleUser)
	g.Expect(serveOne(h, posing).Code).To(Equal(403), "a user of an identity provider is not a user of the gateway")
}

// TestOpenIMsVerdictOnOurTokenIsNotPassedOn: it would log the caller's client out, whose session is good.
func TestOpenIMsVerdictOnOurTokenIsNotPassedOn(t *testing.T) {
	for code := wire.CodeTokenExpired; code <= wire.CodeTokenNotExist; code++ {
		g := NewWithT(t)
		once := &openIMAsUser{answer: func(_ openimclient.Request, token string) (wire.Envelope, error) {
			if token == "first-alice" {
				return wire.Envelope{ErrCode: code}, nil
			}
			return wire.Envelope{Data: []byte(`{}`)}, nil
		}}
		h, _ := usersHandler(once, 0, nil)
		w := serveOne(h, userRequest(t, "POST", "/friend/add_friend", `{"toUserID":"bob"}`))
		g.Expect(w.Body.String()).To(MatchJSON(`{"errCode":0,"errMsg":"","errDlt":"","data":{}}`))
		g.Expect(once.tokens).To(Equal([]string{"first-alice", "second-alice"}))

		always := &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) { return wire.Envelope{ErrCode: code}, nil }}
		h, _ = usersHandler(always, 0, nil)
		w = serveOne(h, userRequest(t, "POST", "/friend/add_friend", `{"toUserID":"bob"}`))
		g.Expect(w.Code).To(Equal(503))
		g.Expect(w.Body.String()).To(ContainSubstring(`"errCode":500`))
		g.Expect(always.seen).To(HaveLen(2), "once more, and no oftener")
	}
}

func TestWhatBecomesOfFailuresBehindAUsersCall(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*UsersOptions)
		err    error
		path   string
		status int
	}{
		{"no token to be had", func(o *UsersOptions) { o.Tokens = twoTokens{err: tokenvault.ErrUnavailable} }, nil, "/user/get_users_info", 503},
		{"a user whom OpenIM does not know", func(o *UsersOptions) { o.Tokens = twoTokens{err: openimclient.ErrNoUser} }, nil,
			"/user/get_users_info", 403},
		{"memberships that cannot be asked", func(o *UsersOptions) { o.Members = aliceGroups{err: openimclient.ErrUnavailable} }, nil,
			"/group/get_group_member_list", 503},
		{"OpenIM away", nil, openimclient.ErrUnavailable, "/user/get_users_info", 503},
		{"OpenIM slow", nil, openimclient.ErrTimeout, "/user/get_users_info", 504},
		{"a broken connection", nil, openimclient.ErrBroken, "/user/get_users_info", 502},
		{"no such route after all", nil, openimclient.ErrNoRoute, "/user/get_users_info", 501},
		{"a secret in an error", nil, errors.New("secret-in-error"), "/user/get_users_info", 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			h, _ := usersHandler(&openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) { return wire.Envelope{}, c.err }},
				16, c.change)
			w := serveOne(h, userRequest(t, "POST", c.path, `{"groupID":"4711"}`))
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			g.Expect(w.Body.String()).NotTo(ContainSubstring("secret-in-error"))
		})
	}
}

func TestProtobufBodies(t *testing.T) {
	g := NewWithT(t)
	openim := &openIMAsUser{}
	h, _ := usersHandler(openim, 0, nil)
	send := func(path, body, media string) *httptest.ResponseRecorder {
		r := userRequest(t, "POST", path, body)
		r.Header.Set("Content-Type", media)
		return serveOne(h, r)
	}
	// ownerUserID "victor" is refused, an absent one becomes alice's: field 1; count: field 2.
	g.Expect(send("/jssdk/get_active_conversations", "\x0a\x06victor\x10\x05", "application/x-protobuf").Code).To(Equal(403))
	g.Expect(send("/jssdk/get_active_conversations", "\x10\x05", "application/protobuf").Code).To(Equal(200))
	g.Expect(openim.seen).To(HaveLen(1))
	g.Expect(string(openim.seen[0].Body)).To(Equal("\x0a\x05alice\x10\x05"))
	g.Expect(openim.seen[0].ContentType).To(Equal("application/x-protobuf"), "OpenIM answers in kind")
	g.Expect(send("/jssdk/get_conversations", "", "application/x-protobuf").Code).To(Equal(200), "an empty message is one")
	g.Expect(string(openim.seen[1].Body)).To(Equal("\x0a\x05alice"))
	g.Expect(send("/jssdk/get_active_conversations", `{}`, "application/json").Code).To(Equal(200))
	g.Expect(openim.seen[2].ContentType).To(BeEmpty())

	g.Expect(send("/jssdk/get_active_conversations", "\x0a\x7f", "application/x-protobuf").Code).To(Equal(400), "cut short")
	g.Expect(send("/jssdk/get_active_conversations", "{}", "text/plain").Code).To(Equal(415))
	g.Expect(send("/user/get_users_info", "", "application/x-protobuf").Code).To(Equal(415), "the other routes take JSON")
	g.Expect(openim.seen).To(HaveLen(3))
}

func TestDownloads(t *testing.T) {
	const name = "/object/victor/a%20b.png?type=image&width=10&token=x"
	for _, c := range []struct {
		name   string
		reply  wire.Envelope
		change func(*UsersOptions)
		path   string
		status int
		body   string
	}{
		{"at the store", wire.Envelope{Data: []byte(`{"url":"https://s3.example.com/openim/x?X-Amz-Signature=1"}`)}, nil, name, 200,
			`"location":"https://s3.example.com/openim/x?X-Amz-Signature=1"`},
		{"at another host", wire.Envelope{Data: []byte(`{"url":"https://s3.example.com.evil.example/x"}`)}, nil, name, 502, "another object " +
			"store than the configured one"},
		{"with a user before the host", wire.Envelope{Data: []byte(`{"url":"https://s3.example.com@evil.example/x"}`)}, nil, name, 502,
			"another object store than the configured one"},
		{"by another scheme", wire.Envelope{Data: []byte(`{"url":"javascript://s3.example.com/%0aalert(1)"}`)}, nil, name, 502,
			"another object store than the configured one"},
		{"without TLS", wire.Envelope{Data: []byte(`{"url":"http://s3.example.com/x"}`)}, nil, name, 502, "another object store than the " +
			"configured one"},
		{"nowhere", wire.Envelope{Data: []byte(`{}`)}, nil, name, 502, "another object store than the configured one"},
		{"below the store's path", wire.Envelope{Data: []byte(`{"url":"https://s3.example.com/store/x"}`)},
			func(o *UsersOptions) { o.ObjectURL.Path = "/store" }, name, 200, "location"},
		{"beside the store's path", wire.Envelope{Data: []byte(`{"url":"https://s3.example.com/storex"}`)},
			func(o *UsersOptions) { o.ObjectURL.Path = "/store" }, name, 502, "another object store than the configured one"},
		{"no such object", wire.Envelope{ErrCode: 1004, ErrMsg: "RecordNotFoundError"}, nil, name, 404, "no such object"},
		{"OpenIM's own error", wire.Envelope{ErrCode: 1001, ErrMsg: "ArgsError"}, nil, name, 200, `"errCode":1001`},
		{"no store configured", wire.Envelope{}, func(o *UsersOptions) { o.ObjectURL = nil }, name, 503, "set openim.objectURL"},
		{"a path above", wire.Envelope{}, nil, "/object/alice/../x", 404, "no such route"},
		{"another route by GET", wire.Envelope{}, nil, "/user/get_users_info", 404, "no such route"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			openim := &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) { return c.reply, nil }}
			h, _ := usersHandler(openim, 0, c.change)
			r := userRequest(t, "GET", c.path, "")
			r.Body, r.ContentLength = http.NoBody, 0
			w := serveOne(h, r)
			g.Expect(w.Code).To(Equal(c.status), w.Body.String())
			g.Expect(w.Body.String()).To(ContainSubstring(c.body))
			if c.status == 200 {
				g.Expect(openim.seen[0].Path).To(Equal("/object/access_url"))
				g.Expect(openim.seen[0].Body).To(MatchJSON(`{"name":"victor/a b.png","query":{}}`), "no scaled picture is requested")
			}
		})
	}
}

func TestSmallPicturesWhereTheyAreConfigured(t *testing.T) {
	g := NewWithT(t)
	openim := &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) {
		return wire.Envelope{Data: []byte(`{"url":"https://s3.example.com/x"}`)}, nil
	}}
	h, _ := usersHandler(openim, 0, func(o *UsersOptions) { o.Pictures = true })
	for query, want := range map[string]string{
		"type=image&width=10&token=x":       `{"type":"image","width":"10"}`,
		"type=image&width=99999&height=-1":  `{"type":"image"}`,
		"type=image&width=4096&format=a%2e": `{"type":"image","width":"4096"}`,
	} {
		openim.seen = nil
		r := userRequest(t, "GET", "/object/victor/a.png?"+query, "")
		r.Body, r.ContentLength = http.NoBody, 0
		g.Expect(serveOne(h, r).Code).To(Equal(200))
		g.Expect(openim.seen[0].Body).To(MatchJSON(`{"name":"victor/a.png","query":` + want + `}`))
	}
	g.Expect(serveOne(h, userRequest(t, "POST", "/object/access_url",
		`{"name":"alice/a.png","query":{"type":"image","width":"5000"}}`)).Code).To(Equal(200))
	g.Expect(openim.seen[1].Body).To(MatchJSON(`{"name":"alice/a.png","query":{"type":"image"}}`))
}

func TestAGETWithABody(t *testing.T) {
	g := NewWithT(t)
	h, _ := usersHandler(&openIMAsUser{}, 0, nil)
	g.Expect(serveOne(h, userRequest(t, "GET", "/object/a", "x")).Code).To(Equal(400))
}

func TestAUsersClassHasItsBudget(t *testing.T) {
	g := NewWithT(t)
	waiting, release := make(chan struct{}), make(chan struct{})
	openim := openIMWaiting{waiting, release}
	h, _ := usersHandler(openim, 16, nil)
	codes := make(chan int, routes.Bulk.InFlight)
	const path, body = "/group/get_incremental_group_members_batch", `{"reqList":[{"groupID":"4711"}]}`
	for range routes.Bulk.InFlight {
		go func() { codes <- serveOne(h, userRequest(t, "POST", path, body)).Code }()
		<-waiting
	}
	g.Expect(serveOne(h, userRequest(t, "POST", path, body)).Code).To(Equal(http.StatusTooManyRequests))
	close(release)
	for range routes.Bulk.InFlight {
		g.Expect(<-codes).To(Equal(200))
	}
}

type openIMWaiting struct{ waiting, release chan struct{} }

func (o openIMWaiting) CallAs(context.Context, openimclient.Request, string) (wire.Envelope, error) {
	o.waiting <- struct{}{}
	<-o.release
	return wire.Envelope{}, nil
}

func TestWhatTheConfigurationSaysToUsersCalls(t *testing.T) {
	g := NewWithT(t)
	o := usersOptions(OpenIM{Release: "v3.8.3-patch.5", ObjectURL: "https://s3.example.com"}, UsersOptions{})
	g.Expect(o.Release).To(Equal(routes.Release(5)))
	g.Expect(o.ObjectURL.Host).To(Equal("s3.example.com"))
	g.Expect(usersOptions(OpenIM{Release: "v3.8.3"}, UsersOptions{}).ObjectURL).To(BeNil())
}
