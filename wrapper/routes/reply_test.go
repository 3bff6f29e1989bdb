package routes

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// forUsers returns the routes whose reply to users is OpenIM's. The reply to a download is an address from the backend.
func forUsers() (all []*Route) {
	for i := range Table {
		if r := &Table[i]; r.ForUsers() && r.Method == http.MethodPost {
			all = append(all, r)
		}
	}
	return all
}

func TestEveryUsersRouteDeclaresItsReply(t *testing.T) {
	g := NewWithT(t)
	known := map[string]bool{}
	for _, r := range forUsers() {
		g.Expect(replyShapes[r.Path]).NotTo(BeNil(), r.Path)
		known[r.Upstream()] = true
	}
	for path := range replyShapes {
		r := Find(path)
		g.Expect(r).NotTo(BeNil(), path+" is no route")
		g.Expect(r.ForUsers()).To(BeTrue(), path)
	}
	messages, routes := parseReplies(repliesText)
	for path, name := range routes {
		g.Expect(Find(path)).NotTo(BeNil(), path+" is no route")
		g.Expect(messages).To(HaveKey(name))
	}
	for path := range replyRules {
		g.Expect(known[path]).To(BeTrue(), path+" has rules and is no user's")
	}
}

// ownedLike matches names of members that say whose data it is.
var ownedLike = map[string]bool{
	"ownerUserID": true, "conversationID": true, "conversationIDs[]": true, "pinnedConversationIDs[]": true, "sendID": true, "recvID": true,
}

// unruled lists members about other users that need no rule: the owner of a public group.
var unruled = map[string]bool{"ownerUserID of a group": true}

// TestMembersThatNameAnOwnerHaveARule: a reply with new messages, conversations or contacts needs a rule.
func TestMembersThatNameAnOwnerHaveARule(t *testing.T) {
	for _, r := range forUsers() {
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			var look func(n *node)
			look = func(n *node) {
				last := n.path[strings.LastIndexByte(n.path, '.')+1:]
				if n.kind == kindText && ownedLike[last] && n.slot < 0 {
					g.Expect(unruled[last+" of a group"] && n.scalar == "text" && isGroupInfo(r, n.path)).To(BeTrue(),
						n.path+" has no rule")
				}
				for _, f := range n.fields {
					look(f.node)
				}
				if n.inner != nil {
					look(n.inner)
				}
			}
			look(replyShapes[r.Path].root)
		})
	}
}

func isGroupInfo(r *Route, path string) bool {
	holder, _, _ := replyShapes[r.Path].find(path[:strings.LastIndexByte(path, '.')])
	return holder.fields["groupID"] != nil && holder.fields["memberCount"] != nil
}

// TestACompleteReplyIsPassedOnUnchanged checks all members of both release lines, in JSON and in protobuf, byte for byte.
func TestACompleteReplyIsPassedOnUnchanged(t *testing.T) {
	for _, r := range forUsers() {
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			root := replyShapes[r.Path].root
			for _, protobuf := range []bool{false, true} {
				in := sample{}.json(root, "")
				if protobuf {
					in = sample{}.protobuf(root)
				}
				got, err := r.ProjectReply([]byte(in), askedBy(r, protobuf))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(got.Data)).To(Equal(in))
				g.Expect(got.Fields + got.Entries + len(got.LookUp)).To(BeZero())
			}
		})
	}
}

// TestEachRuleRemovesEntriesOfOthers changes the values that each rule checks, in JSON and in protobuf.
func TestEachRuleRemovesEntriesOfOthers(t *testing.T) {
	for _, r := range forUsers() {
		for _, rule := range replyRules[r.Upstream()] {
			field, foreign := rule.Entry, "victor"
			if rule.Field != "" {
				field = join(field, rule.Field)
			}
			switch rule.If {
			case OwnConversation:
				foreign = "si_bob_carol"
			case PartyNow:
				foreign = "sg_815"
			case OfConversation:
				field, foreign = join(field, "groupID"), "815"
			}
			t.Run(r.Name()+" "+field, func(t *testing.T) {
				g := NewWithT(t)
				s := sample{change: map[string]string{field: foreign}}
				root := replyShapes[r.Path].root
				for _, protobuf := range []bool{false, true} {
					in := s.json(root, "")
					if protobuf {
						in = s.protobuf(root)
					}
					g.Expect(reads(root, in, protobuf)).To(ContainSubstring(foreign))
					got, err := r.ProjectReply([]byte(in), askedBy(r, protobuf))
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(got.Entries).To(BeNumerically(">=", 1), "with the entries in it")
					g.Expect(reads(root, string(got.Data), protobuf)).NotTo(ContainSubstring(foreign))
					again, err := r.ProjectReply(got.Data, askedBy(r, protobuf))
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(again.Data).To(Equal(got.Data), "the rest is a valid reply")
				}
			})
		}
	}
}

// reads returns a reply, decoded from base64 if necessary.
func reads(_ *node, data string, protobuf bool) string {
	if !protobuf {
		return data
	}
	var message []byte
	if err := json.Unmarshal([]byte(data), &message); err != nil {
		return err.Error()
	}
	return string(message)
}

// TestProjectionOfReplies shows the projection value by value.
func TestProjectionOfReplies(t *testing.T) {
	for _, c := range []struct {
		name, path, in, want string // want empty: refused
		fields               int
	}{
		{"nothing", "/user/get_users_info", "", "", 0},
		{"null", "/user/get_users_info", "null", "null", 0},
		{"an empty object", "/user/get_users_info", "{}", "{}", 0},
		{"null, [] and {} stay", "/msg/pull_msg_by_seq", `{"msgs":{},"notificationMsgs":null}`, `{"msgs":{},"notificationMsgs":null}`, 0},
		{"an empty list stays", "/conversation/get_pinned_conversation_ids", `{"conversationIDs":[]}`, `{"conversationIDs":[]}`, 0},
		{"blanks go", "/user/get_users_info", " { \"usersInfo\" : [ ] } \n", `{"usersInfo":[]}`, 0},
		{"all digits stay", "/conversation/get_full_conversation_ids", `{"version":18446744073709551615}`,
			`{"version":18446744073709551615}`, 0},
		{"keys that users chose stay", "/object/initiate_form_data", `{"formData":{"x-\u00e9\"":"a\\"}}`,
			`{"formData":{"x-\u00e9\"":"a\\"}}`, 0},
		{"texts keep their escapes", "/user/get_users_info", `{"usersInfo":[{"userID":"alice","ex":"{\"a\":\"\\\\\"}"}]}`,
			`{"usersInfo":[{"userID":"alice","ex":"{\"a\":\"\\\\\"}"}]}`, 0},
		{"an id with escapes is read", "/user/get_users_info", `{"usersInfo":[{"userID":"\u0061lice"}]}`,
			`{"usersInfo":[{"userID":"\u0061lice"}]}`, 0},
		{"a member with escapes is read", "/msg/get_server_time", `{"server\u0054ime":1}`, `{"serverTime":1}`, 0},
		{"an unknown member goes", "/msg/get_server_time", `{"zone":"CET","serverTime":1,"next":[{"a":[1,"]"]},null]}`, `{"serverTime":1}`,
			2},
		{"another case is another member", "/msg/get_server_time", `{"ServerTime":2,"serverTime":1}`, `{"serverTime":1}`, 1},
		{"of a route without a reply", "/group/quit_group", `{"a":{"b":1}}`, `{}`, 1},
		{"a member twice", "/msg/get_server_time", `{"serverTime":1,"serverTime":2}`, "", 0},
		{"a text where a number is", "/msg/get_server_time", `{"serverTime":"1"}`, "", 0},
		{"a fraction", "/msg/get_server_time", `{"serverTime":1.0}`, "", 0},
		{"an exponent", "/msg/get_server_time", `{"serverTime":1e3}`, "", 0},
		{"a number too large", "/msg/get_server_time", `{"serverTime":9223372036854775808}`, "", 0},
		{"a number where a text is", "/user/get_users_info", `{"usersInfo":[{"userID":1}]}`, "", 0},
		{"a list where an object is", "/user/get_users_info", `[]`, "", 0},
		{"an object where a list is", "/user/get_users_info", `{"usersInfo":{}}`, "", 0},
		{"a number where a list is", "/user/get_users_info", `{"usersInfo":7}`, "", 0},
		{"a word where a bool is", "/friend/is_friend", `{"inUser1Friends":"true"}`, "", 0},
		{"two values", "/msg/get_server_time", `{}{}`, "", 0},
		{"cut off", "/msg/get_server_time", `{"serverTime":1`, "", 0},
		{"cut off in a text", "/user/get_users_info", `{"usersInfo":[{"userID":"al\"`, "", 0},
		{"no JSON in what is dropped", "/msg/get_server_time", `{"x":}`, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := Find(c.path)
			got, err := r.ProjectReply([]byte(c.in), askedBy(r, false))
			if c.want == "" && c.in != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.path)))
				g.Expect(got.Data).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got.Data)).To(Equal(c.want))
			g.Expect(got.Fields).To(Equal(c.fields))
		})
	}
}

func TestNobodysRouteHasNoReply(t *testing.T) {
	for _, path := range []string{"/auth/parse_token", "/msg/search_msg", "/user/get_users", objectRoute.Path} {
		r := Find(path)
		if r == nil {
			r = objectRoute
		}
		_, err := r.ProjectReply([]byte(`{}`), Asked{Caller: Caller{UserID: "alice"}})
		NewWithT(t).Expect(err).To(HaveOccurred(), path)
	}
}
