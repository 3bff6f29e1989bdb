package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// idPatterns are ids that match other ids where OpenIM makes a regular expression of an id.
var idPatterns = []string{"sg_$|^si.bob.mallory:%s", "^%s", "%s.*", "si_alice_.%s", "sg_(%s)", `sg_\\Q%s`, "si_alice_%s|", "n_[%s]", "%s+",
	"sg_%s ", "%s{1}", "sg_?%s"}

// attackIDs sends users' bodies whose ids, numbers and lists reach further than the caller may.
func attackIDs(t *testing.T, n *testEnv) {
	token := "token: " + n.people["alice"].Token()
	own := routestest.Identities{Self: "alice", Peer: "bob", Group: "4711"}
	send := func(t *testing.T, r *routes.Route, body map[string]any) reply {
		t.Helper()
		data, err := routes.Encode(body)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		replies := n.send(t, n.users, post(wire.UserPrefix+r.Path, string(data), token))
		NewWithT(t).Expect(replies).To(HaveLen(1))
		return replies[0]
	}
	i := 0
	for a := range routestest.Attacks(own, routestest.Identities{Self: "mallory", Peer: "bob", Group: "chess"}) {
		switch a.Rule.Rule {
		case routes.Other,
			routes.Role,
			routes.Live,
			routes.Public,
			routes.OwnRecord,
			routes.Party,
			routes.Filled,
			routes.Kept,
			routes.Member,
			routes.Manager:
		default:
			continue
		}
		pattern := idPatterns[i%len(idPatterns)]
		i++
		n.each(t, fmt.Sprintf("%s %s %q", a.Route.Path, a.Rule.Field, pattern), func(t *testing.T) {
			canary := n.canary()
			body := own.Body(a.Route)
			routestest.Set(body, a.Rule.Field, fmt.Sprintf(strings.ReplaceAll(pattern, `\\`, `\`), canary))
			NewWithT(t).Expect(send(t, a.Route, body).granted()).To(BeFalse())
			n.nothingCameToOpenIM(t, canary)
		})
	}
	for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
		for a := range routestest.Attacks(own, own) {
			if a.Rule.Rule != routes.Other {
				continue
			}
			n.each(t, fmt.Sprintf("%s %s %q", a.Route.Path, a.Rule.Field, reserved), func(t *testing.T) {
				body := own.Body(a.Route)
				routestest.Set(body, a.Rule.Field, reserved)
				before := len(n.openim.Seen(a.Route.Upstream()))
				NewWithT(t).Expect(send(t, a.Route, body).granted()).To(BeFalse())
				NewWithT(t).Expect(n.openim.Seen(a.Route.Upstream())).To(HaveLen(before))
			})
		}
	}
	for _, c := range []struct{ path, field, value string }{
		{"/msg/pull_msg_by_seq", "seqRanges[].end", "40000000000000000000"},
		{"/msg/pull_msg_by_seq", "seqRanges[].num", "10001"},
		{"/msg/pull_msg_by_seq", "seqRanges[].begin", "-40000000"},
		{"/msg/mark_conversation_as_read", "hasReadSeq", "3000000"},
		{"/msg/mark_msgs_as_read", "seqs[]", "3000000"},
		{"/msg/set_conversation_has_read_seq", "hasReadSeq", "-1"},
		{"/object/auth_sign", "partNumbers[]", "2147483647"},
		{"/object/initiate_multipart_upload", "maxParts", "2147483647"},
		{"/friend/get_friend_list", "pagination.showNumber", "2147483647"},
		{"/group/get_group_member_list", "pagination.pageNumber", "2147483647"},
		{"/group/mute_group_member", "mutedSeconds", "4294967295"},
	} {
		n.each(t, c.path+" "+c.field+" "+c.value, func(t *testing.T) {
			r := routes.Find(c.path)
			body := own.Body(r)
			routestest.Set(body, c.field, json.Number(c.value))
			before := len(n.openim.Seen(r.Upstream()))
			NewWithT(t).Expect(send(t, r, body).granted()).To(BeFalse())
			NewWithT(t).Expect(n.openim.Seen(r.Upstream())).To(HaveLen(before))
		})
	}
	n.attackWithLists(t, own, send)
}

// attackWithLists names conversations with unknown users, and empty lists, which OpenIM reads as all conversations.
func (n *testEnv) attackWithLists(t *testing.T, own routestest.Identities, send func(*testing.T, *routes.Route, map[string]any) reply) {
	n.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/conversation/get_full_conversation_ids"] = `{"errCode":0,"errMsg":"","errDlt":"","data":{"conversationIDs":["sg_chess","si_alice_bob"]}}`
	})
	defer n.openim.Set(func(f *openimtest.Fake) { delete(f.Replies, "/conversation/get_full_conversation_ids") })
	for _, path := range []string{"/conversation/get_sorted_conversation_list", "/msg/get_conversations_has_read_and_max_seq"} {
		r := routes.Find(path)
		for name, value := range map[string]any{"an empty list": []any{}, "null": nil,
			"a list of one that is not the caller's": []any{"si_alice_bob", "sg_chess"}} {
			n.each(t, path+" "+name, func(t *testing.T) {
				g := NewWithT(t)
				body := own.Body(r)
				body["conversationIDs"] = value
				g.Expect(send(t, r, body).granted()).To(BeTrue())
				seen := n.openim.Seen(path)
				var sent struct{ ConversationIDs []string }
				g.Expect(json.Unmarshal([]byte(seen[len(seen)-1].Body), &sent)).To(Succeed())
				g.Expect(sent.ConversationIDs).To(Equal([]string{"si_alice_bob"}), "bob's group has removed alice")
			})
		}
		n.each(t, path+" 300 conversations with nobody", func(t *testing.T) {
			g := NewWithT(t)
			canary := n.canary()
			body, list := own.Body(r), make([]any, 300)
			for i := range list {
				list[i] = fmt.Sprintf("si_alice_%s%d", canary, i)
			}
			body["conversationIDs"] = list
			g.Expect(send(t, r, body).granted()).To(BeFalse())
			for _, call := range n.openimSaw(canary) {
				g.Expect(call.Path).To(Equal("/user/account_check"), "nothing but their existence is requested")
			}
			body["conversationIDs"] = []any{own.Pair()}
			g.Expect(send(t, r, body).granted()).To(BeTrue(), "alice's own conversations are served")
		})
	}
}
