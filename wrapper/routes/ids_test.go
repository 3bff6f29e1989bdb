package routes_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
)

// idRules lists the rules whose fields contain ids. Fields of other rules are overwritten, removed, or no ids.
var idRules = map[routes.Rule]bool{
	routes.Self: true, routes.EachSelf: true, routes.OneSelf: true, routes.Other: true, routes.Party: true, routes.Filled: true,
	routes.Kept:      true,
	routes.OwnRecord: true, routes.Described: true, routes.Member: true, routes.Manager: true, routes.Role: true, routes.Live: true,
	routes.Public: true,
}

// TestNoIDOfABodyIsAPattern: OpenIM puts conversation ids into regular expressions, without escaping and without an anchor at the end.
func TestNoIDOfABodyIsAPattern(t *testing.T) {
	patterns := []string{
		"$|^si.bob.carol:", "^", ".", ".*", "a.b", "a|b", "a(b)", "a[b]", "a{2}", "a*", "a+", "a?", `a\b`, "$", "a b", "a\tb", "a\x00b",
		"a\u2028b", "\ufeffa", "ａ", "a/b", "a%2fb",
		strings.Repeat("a", 300),
	}
	tried := 0
	for a := range routestest.Attacks(alice, victim) {
		if !idRules[a.Rule.Rule] || strings.HasSuffix(a.Rule.Field, "conversationType") {
			continue
		}
		t.Run(a.Route.Name()+"/"+a.Rule.Field, func(t *testing.T) {
			g := NewWithT(t)
			for _, pattern := range patterns {
				for _, id := range []string{pattern, "sg_" + pattern, "si_alice_" + pattern, "n_" + pattern} {
					body := alice.Body(a.Route)
					routestest.Set(body, a.Rule.Field, id)
					_, _, refusal := a.Route.Enforce(caller, body)
					g.Expect(refusal).NotTo(BeNil(), "%q", id)
					g.Expect(refusal.Status).To(BeElementOf(http.StatusBadRequest, http.StatusForbidden))
					tried++
				}
			}
		})
	}
	if tried < 8000 {
		t.Fatalf("%d ids were tried: the table has lost rules", tried)
	}
}

func TestAUserWhoseOwnIDIsAPattern(t *testing.T) {
	g := NewWithT(t)
	_, _, refusal := routes.Find("/friend/get_friend_list").Enforce(routes.Caller{UserID: "a.b", PlatformID: 5}, map[string]any{})
	g.Expect(refusal).NotTo(BeNil())
}

// TestThePullIsLimited: OpenIM builds a list of all requested seqs, even of forty million, before it reads anything.
func TestThePullIsLimited(t *testing.T) {
	for _, c := range []struct {
		name, ranges string
		ok           bool
	}{
		{"as SDKs ask", `{"conversationID":"si_alice_bob","begin":1,"end":9000000,"num":20}`, true},
		{"forty million", `{"conversationID":"si_alice_bob","begin":1,"end":40000000}`, false},
		{"forty million of a queue", `{"conversationID":"n_alice_bob","begin":1,"end":40000000,"num":1}`, false},
		{"a queue's worth", `{"conversationID":"n_alice_bob","begin":1,"end":100000,"num":1}`, true},
		{"too much of a queue", `{"conversationID":"n_alice_bob","begin":0,"end":100000,"num":1}`, false},
		{"together too many", strings.Repeat(`{"conversationID":"si_alice_bob","begin":1,"end":10,"num":10000},`,
			10) + `{"conversationID":"si_alice_bob","begin":1,"end":1}`, false},
		{"below nothing", `{"conversationID":"n_alice_bob","begin":-40000000,"end":1}`, false},
		{"too many of one", `{"conversationID":"si_alice_bob","begin":1,"end":2,"num":10001}`, false},
		{"the other end of 64 bits", `{"conversationID":"n_alice_bob","begin":0,"end":9223372036854775807}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			body, err := routes.Decode([]byte(`{"seqRanges":[` + c.ranges + `]}`))
			g.Expect(err).NotTo(HaveOccurred())
			_, _, refusal := routes.Find("/msg/pull_msg_by_seq").Enforce(caller, body)
			g.Expect(refusal == nil).To(Equal(c.ok))
		})
	}
}

func TestIDsOfNewUsersAndGroups(t *testing.T) {
	for _, c := range []struct {
		path, body string
		ok         bool
	}{
		{"/user/user_register", `{"users":[{"userID":"alice"},{"userID":"b_c"}]}`, true},
		{"/user/user_register", `{"users":[{"userID":"alice"},{"userID":"a.b"}]}`, false},
		{"/user/user_register", `{"USERS":[{"USERID":"^"}]}`, false},
		{"/user/add_notification_account", `{"userID":"$"}`, false},
		{"/user/add_notification_account", `{}`, true},
		{"/group/create_group", `{"groupInfo":{"groupID":"team-1"}}`, true},
		{"/group/create_group", `{"groupInfo":{"groupName":"any name, (even) this."}}`, true},
		{"/group/create_group", `{"groupInfo":{"groupID":"$|^si.bob.carol:"}}`, false},
		{"/group/create_group", `{"groupInfo":{"groupID":"bob_carol"}}`, false},
		{"/user/get_users", `{"userID":"al.*"}`, true},
	} {
		t.Run(c.path+c.body, func(t *testing.T) {
			var body map[string]any
			g := NewWithT(t)
			g.Expect(json.Unmarshal([]byte(c.body), &body)).To(Succeed())
			g.Expect(routes.Find(c.path).CheckNew(body) == nil).To(Equal(c.ok))
		})
	}
}
