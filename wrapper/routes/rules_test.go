package routes_test

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// rulesCases has bodies, each with the body that OpenIM receives, or a part of the refusal.
var rulesCases = []struct {
	name, path, body string
	sent             string
	says             string
}{
	{"64 bits survive", "/friend/get_full_friend_user_ids", `{"idHash":18446744073709551615}`,
		`{"idHash":18446744073709551615,"userID":"alice"}`, ""},
	{"the largest sequence number", "/msg/set_conversation_has_read_seq", `{"conversationID":"si_alice_bob","hasReadSeq":9007199254740992}`,
		`{"conversationID":"si_alice_bob","hasReadSeq":9007199254740992,"userID":"alice"}`, ""},
	{"a sequence number beyond 53 bits", "/msg/set_conversation_has_read_seq",
		`{"conversationID":"si_alice_bob","hasReadSeq":9007199254740993}`, "", "hasReadSeq must be 0 to"},
	{"a number with a point", "/msg/set_conversation_has_read_seq", `{"conversationID":"si_alice_bob","hasReadSeq":1.0}`, "",
		"hasReadSeq must be a whole number of type int64"},
	{"a number too large", "/user/set_global_msg_recv_opt", `{"globalRecvMsgOpt":2147483648}`, "", "type int32"},
	{"text is not escaped anew", "/friend/set_friend_remark", `{"friendUserID":"bob","remark":"<b>&\u2028"}`,
		`{"friendUserID":"bob","ownerUserID":"alice","remark":"<b>&\u2028"}`, ""},

	{"nobody becomes a manager", "/user/update_user_info", `{"userInfo":{"nickname":"A","appMangerLevel":4,"APPMANGERLEVEL":null}}`, "",
		"occurs twice"},
	{"nobody becomes a manager in silence", "/user/update_user_info", `{"userInfo":{"nickname":"A","appMangerLevel":4,"createTime":1}}`,
		`{"userInfo":{"nickname":"A","userID":"alice"}}`, ""},
	{"a body without its object", "/user/update_user_info_ex", `{}`, `{"userInfo":{"userID":"alice"}}`, ""},

	{"settings of one's own by default", "/conversation/set_conversations",
		`{"conversation":{"conversationID":"si_alice_bob","isPinned":true}}`,
		`{"conversation":{"conversationID":"si_alice_bob","conversationType":1,"isPinned":true,"userID":"bob"},"userIDs":["alice"]}`, ""},
	{"settings of two", "/conversation/set_conversations", `{"userIDs":["alice","bob"],"conversation":{"conversationID":"si_alice_bob"}}`,
		"", "userIDs[] must be your own user id"},
	{"the bounds of what one reads", "/conversation/set_conversations",
		`{"conversation":{"conversationID":"si_alice_bob","minSeq":0,"maxSeq":99}}`,
		`{"conversation":{"conversationID":"si_alice_bob","conversationType":1,"userID":"bob"},"userIDs":["alice"]}`, ""},
	{"a group's settings", "/conversation/set_conversations", `{"conversation":{"conversationID":"sg_4711"}}`,
		`{"conversation":{"conversationID":"sg_4711","conversationType":3,"groupID":"4711"},"userIDs":["alice"]}`, ""},
	{"a group as a chat of two", "/conversation/set_conversations", `{"conversation":{"conversationID":"sg_4711","conversationType":1}}`,
		"", "conversationType must be what"},
	{"an unknown user with a group", "/conversation/set_conversations", `{"conversation":{"conversationID":"sg_4711","userID":"victor"}}`,
		"",
		"userID must be what"},
	{"a group's switch for two", "/conversation/set_conversations", `{"conversation":{"conversationID":"sg_4711","isPrivateChat":true}}`,
		`{"conversation":{"conversationID":"sg_4711","conversationType":3,"groupID":"4711"},"userIDs":["alice"]}`, ""},
	{"an account's notices as a chat of two", "/conversation/set_conversations",
		`{"conversation":{"conversationID":"sn_alice_system","isPrivateChat":true}}`,
		`{"conversation":{"conversationID":"sn_alice_system","conversationType":4,"userID":"system"},"userIDs":["alice"]}`, ""},
	{"a search among members", "/group/get_group_member_list",
		`{"groupID":"^","keyword":"815","pagination":{"pageNumber":1,"showNumber":10}}`, "", "must be an id"},
	{"a keyword", "/group/get_group_member_list", `{"groupID":"4711","keyword":"815"}`, `{"groupID":"4711"}`, ""},
	{"a small picture", "/object/access_url", `{"name":"victor/a.png","query":{"type":"image","width":"9"}}`, `{"name":"victor/a.png"}`,
		""},
	{"a queue has no settings", "/conversation/set_conversations", `{"conversation":{"conversationID":"n_alice_bob"}}`, "",
		"must be the id of a chat"},
	{"no conversation at all", "/conversation/set_conversations", `{"userIDs":["alice"]}`, "",
		"conversation.conversationID must be a conversation's id"},
	{"two readings, and the body says which", "/conversation/set_conversations",
		`{"conversation":{"conversationID":"si_alice_b_c","userID":"b_c"}}`,
		`{"conversation":{"conversationID":"si_alice_b_c","conversationType":1,"userID":"b_c"},"userIDs":["alice"]}`, ""},
	{"two readings, and it does not", "/conversation/set_conversations", `{"conversation":{"conversationID":"si_alice_b_c"}}`, "",
		"conversation.userID and conversationID"},

	{"destroying for all", "/msg/delete_msgs", `{"conversationID":"si_alice_bob","seqs":[1],"deleteSyncOpt":{"isSyncOther":true}}`, "",
		"IsSyncOther may not be set"},
	{"deleting for oneself", "/msg/delete_msgs",
		`{"conversationID":"si_alice_bob","seqs":[1],"deleteSyncOpt":{"isSyncOther":false,"isSyncSelf":true}}`,
		`{"conversationID":"si_alice_bob","deleteSyncOpt":{"IsSyncSelf":true},"seqs":[1],"userID":"alice"}`, ""},
	{"clearing for all", "/msg/clear_conversation_msg", `{"deleteSyncOpt":{"ISSYNCOTHER":true}}`, "", "may not be set"},
	{"clearing everything for all", "/msg/user_clear_all_msg", `{"deleteSyncOpt":{"IsSyncOther":true}}`, "", "may not be set"},

	{"joining as another", "/group/join_group", `{"groupID":"1","inviterUserID":"victor"}`, `{"groupID":"1","inviterUserID":"alice"}`, ""},
	{"a role in two groups at once", "/group/set_group_member_info",
		`{"members":[{"groupID":"mine","userID":"alice"},{"groupID":"theirs","userID":"alice","roleLevel":60}]}`, "",
		"at most one element"},
	{"a group named like two users", "/group/create_group", `{"groupInfo":{"groupName":"g","groupID":"victor_wanda"}}`,
		`{"groupInfo":{"groupName":"g"},"ownerUserID":"alice"}`, ""},
	{"a group named like a pattern", "/group/create_group", `{"groupInfo":{"groupName":"g","groupID":"$|^si.bob.carol:"}}`,
		`{"groupInfo":{"groupName":"g"},"ownerUserID":"alice"}`, ""},
	{"a group with a history", "/group/create_group", `{"groupInfo":{"groupName":"g","status":2,"creatorUserID":"victor","memberCount":9}}`,
		`{"groupInfo":{"groupName":"g"},"ownerUserID":"alice"}`, ""},
	{"dismissing in silence", "/group/dismiss_group", `{"groupID":"1","deleteMember":true}`, `{"groupID":"1"}`, ""},

	{"one's own object", "/object/initiate_multipart_upload", `{"name":"alice/a","size":1,"urlPrefix":"https://x/"}`,
		`{"name":"alice/a","size":1}`, ""},
	{"an object above", "/object/initiate_multipart_upload", `{"name":"alice/../victor/a"}`, "", ". and .. parts"},
	{"an object beside", "/object/initiate_multipart_upload", `{"name":"alicea/a"}`, "", "your own user id and a slash"},
	{"an object without a name", "/object/access_url", `{}`, "", "must be an object's name"},
	{"the platform is the session's", "/third/fcm_update_token", `{"platformID":1,"fcmToken":"t"}`,
		`{"account":"alice","fcmToken":"t","platformID":5}`, ""},

	{"no body", "/msg/get_server_time", `{}`, `{}`, ""},
	{"a friend's friend", "/friend/is_friend", `{"userID1":"victor","userID2":"wanda"}`, "", "userID1 or userID2 must be your own"},
	{"nobody's friend", "/friend/is_friend", `{}`, "", "must be your own"},
	{"one reads another's chat", "/msg/pull_msg_by_seq",
		`{"seqRanges":[{"conversationID":"si_alice_bob"},{"conversationID":"si_victor_wanda"}]}`, "", "conversation of your own"},
	{"a chat of no kind", "/msg/mark_msgs_as_read", `{"conversationID":"alice"}`, "", "must be a conversation's id"},
	{"SDKs' other path", "/conversation/get_conversations_has_read_and_max_seq", `{}`, `{"userID":"alice"}`, ""},
}

func TestEnforcedBodies(t *testing.T) {
	for _, c := range rulesCases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			body, err := routes.Decode([]byte(c.body))
			g.Expect(err).NotTo(HaveOccurred())
			changed, _, refusal := routes.Find(c.path).Enforce(caller, body)
			if c.says != "" {
				g.Expect(refusal).NotTo(BeNil())
				g.Expect(refusal.Text).To(ContainSubstring(c.says))
				return
			}
			g.Expect(refusal).To(BeNil())
			want, err := routes.Decode([]byte(c.sent))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(changed).To(Equal(want))
			g.Expect(json.Valid([]byte(text(t, changed)))).To(BeTrue())
		})
	}
}

func TestBodiesThatAreNotEnforced(t *testing.T) {
	g := NewWithT(t)
	_, _, refusal := routes.Find("/user/get_users_info").Enforce(routes.Caller{}, map[string]any{})
	g.Expect(refusal).NotTo(BeNil(), "a caller without a user id")
	_, _, refusal = routes.Find("/msg/search_msg").Enforce(caller, map[string]any{})
	g.Expect(refusal).NotTo(BeNil(), "an administrator's route")
}

func TestNeedsOfBodies(t *testing.T) {
	for _, c := range []struct {
		path, body string
		needs      []routes.Need
	}{
		{"/msg/mark_msgs_as_read", `{"conversationID":"si_alice_bob"}`,
			[]routes.Need{{Kind: routes.NeedParty, Field: "conversationID", IDs: []string{"si_alice_bob"}}}},
		{"/msg/mark_msgs_as_read", `{"conversationID":"si_alice_b_c"}`,
			[]routes.Need{{Kind: routes.NeedParty, Field: "conversationID", IDs: []string{"si_alice_b_c"}}}},
		{"/msg/mark_msgs_as_read", `{"conversationID":"sg_1","seqs":[2,7,3]}`, []routes.Need{
			{Kind: routes.NeedParty, Field: "conversationID", IDs: []string{"sg_1"}},
			{Kind: routes.NeedSeq, Field: "seqs[]", IDs: []string{"sg_1"}, Seq: 7}}},
		{"/msg/mark_conversation_as_read", `{"conversationID":"sg_1","hasReadSeq":9,"seqs":[2,7,3]}`, []routes.Need{
			{Kind: routes.NeedKept, Field: "conversationID", IDs: []string{"sg_1"}},
			{Kind: routes.NeedSeq, Field: "hasReadSeq", IDs: []string{"sg_1"}, Seq: 9}}},
		{"/msg/mark_conversation_as_read", `{"conversationID":"sg_1","hasReadSeq":1,"seqs":[2]}`, []routes.Need{
			{Kind: routes.NeedKept, Field: "conversationID", IDs: []string{"sg_1"}},
			{Kind: routes.NeedSeq, Field: "seqs[]", IDs: []string{"sg_1"}, Seq: 2}}},
		{"/msg/get_conversations_has_read_and_max_seq", `{"conversationIDs":[]}`,
			[]routes.Need{{Kind: routes.NeedAll, Field: "conversationIDs[]"}}},
		{"/conversation/get_sorted_conversation_list", `{"conversationIDs":null}`,
			[]routes.Need{{Kind: routes.NeedAll, Field: "conversationIDs[]"}}},
		{"/conversation/get_sorted_conversation_list", `{}`, []routes.Need{{Kind: routes.NeedAll, Field: "conversationIDs[]"}}},
		{"/conversation/get_conversations_has_read_and_max_seq", `{}`, []routes.Need{{Kind: routes.NeedAll, Field: "conversationIDs[]"}}},
		{"/group/cancel_mute_group", `{"groupID":"1"}`, []routes.Need{{Kind: routes.NeedLive, Field: "groupID", IDs: []string{"1"}}}},
		{"/group/set_group_member_info", `{"members":[{"groupID":"1","userID":"bob"}]}`,
			[]routes.Need{{Kind: routes.NeedLive, Field: "members[].groupID", IDs: []string{"1"}}}},
		{"/group/quit_group", `{"groupID":"1"}`, nil},
		{"/conversation/set_conversations", `{"conversation":{"conversationID":"si_alice_bob","isPrivateChat":false}}`, []routes.Need{
			{Kind: routes.NeedParty, Field: "conversation.conversationID", IDs: []string{"si_alice_bob"}},
			{Kind: routes.NeedPeer, Field: "conversation.isPrivateChat", IDs: []string{"si_alice_bob"}, Peer: "bob"}}},
		{"/conversation/set_conversations", `{"conversation":{"conversationID":"si_alice_alice","isPrivateChat":true}}`, []routes.Need{
			{Kind: routes.NeedParty, Field: "conversation.conversationID", IDs: []string{"si_alice_alice"}}}},
		{"/msg/revoke_msg", `{"conversationID":"sg_1"}`,
			[]routes.Need{{Kind: routes.NeedParty, Field: "conversationID", IDs: []string{"sg_1"}}}},
		{"/msg/get_conversations_has_read_and_max_seq", `{"conversationIDs":["sg_1","si_alice_bob","n_2","sg_1","sn_system_alice"]}`,
			[]routes.Need{{Kind: routes.NeedParty, Field: "conversationIDs[]",
				IDs: []string{"sg_1", "si_alice_bob", "n_2", "sn_system_alice"}}}},
		{"/group/get_group_member_list", `{"groupID":"1"}`, []routes.Need{{Kind: routes.NeedMember, Field: "groupID", IDs: []string{"1"}}}},
		{"/group/get_group_users_req_application_list", `{"groupID":"1"}`,
			[]routes.Need{{Kind: routes.NeedManager, Field: "groupID", IDs: []string{"1"}}}},
		{"/group/get_incremental_group_members_batch", `{"reqList":[{"groupID":"1"},{"groupID":"2"}]}`,
			[]routes.Need{{Kind: routes.NeedMember, Field: "reqList[].groupID", IDs: []string{"1", "2"}}}},
	} {
		t.Run(c.path+c.body, func(t *testing.T) {
			g := NewWithT(t)
			body, err := routes.Decode([]byte(c.body))
			g.Expect(err).NotTo(HaveOccurred())
			_, needs, refusal := routes.Find(c.path).Enforce(caller, body)
			g.Expect(refusal).To(BeNil())
			g.Expect(needs).To(Equal(c.needs))
		})
	}
}

// TestManyIDsAreRefusedSoon: a megabyte of different groups must not take quadratic time.
func TestManyIDsAreRefusedSoon(t *testing.T) {
	g := NewWithT(t)
	list := make([]any, 60_000)
	for i := range list {
		list[i] = map[string]any{"groupID": strconv.Itoa(i)}
	}
	start := time.Now()
	_, _, refusal := routes.Find("/group/get_incremental_group_members_batch").Enforce(caller, map[string]any{"reqList": list})
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Text).To(ContainSubstring("at most 500"))
	g.Expect(time.Since(start)).To(BeNumerically("<", 2*time.Second))
}

func TestTrimRemovesWhatIsNotTheCallers(t *testing.T) {
	for _, c := range []struct {
		name, field, body string
		ids, allowed      []string
		left              bool
		want              string
	}{
		{"one of two groups", "groupIDs[]", `{"groupIDs":["1","2"]}`, []string{"1", "2"}, []string{"2"}, true, `{"groupIDs":["2"]}`},
		{"none of two", "groupIDs[]", `{"groupIDs":["1","2"]}`, []string{"1", "2"}, nil, false, `{"groupIDs":[]}`},
		{"what needed no look stays", "conversationIDs[]", `{"conversationIDs":["si_alice_bob","sg_1"]}`, []string{"sg_1"}, nil, true,
			`{"conversationIDs":["si_alice_bob"]}`},
		{"objects", "reqList[].groupID", `{"reqList":[{"groupID":"1","version":3},{"groupID":"2"}]}`, []string{"1", "2"}, []string{"1"},
			true, `{"reqList":[{"groupID":"1","version":3}]}`},
		{"a single one, allowed", "groupID", `{"groupID":"1"}`, []string{"1"}, []string{"1"}, true, `{"groupID":"1"}`},
		{"a single one, not", "groupID", `{"groupID":"1"}`, []string{"1"}, []string{"2"}, false, `{"groupID":"1"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			body, err := routes.Decode([]byte(c.body))
			g.Expect(err).NotTo(HaveOccurred())
			allowed := map[string]bool{}
			for _, id := range c.allowed {
				allowed[id] = true
			}
			g.Expect(routes.Need{Field: c.field, IDs: c.ids}.Trim(body, allowed)).To(Equal(c.left))
			g.Expect(text(t, body)).To(MatchJSON(c.want))
		})
	}
}

func TestUploadTickets(t *testing.T) {
	const hash = "0cc175b9c0f1b6a831c399e269772661"
	for _, c := range []struct {
		name, ticket string
		ok           bool
	}{
		{"of many parts", `{"a":1,"b":"id","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, true},
		{"of one", `{"a":2,"c":"openim/temp/2026/11/22/01/50/00/` + hash + `_9_` + hash + `.presigned","d":9,"e":"` + hash + `"}`, true},
		{"another request to the store", `{"a":1,"b":"x&acl","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"a fragment", `{"a":1,"b":"x#y","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"an escape", `{"a":1,"b":"x%26acl","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"a line break", `{"a":1,"b":"x\n","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"no id of the store", `{"a":1,"c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"a long id", `{"a":1,"b":"` + strings.Repeat("x", 1025) + `","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"no size", `{"a":1,"b":"id","c":"openim/data/hash/` + hash + `","e":"` + hash + `"}`, false},
		{"one part with an id", `{"a":2,"b":"id","c":"openim/temp/2026/` + hash + `_9_` + hash + `.presigned","d":9,"e":"` + hash + `"}`, false},
		{"another object", `{"a":1,"b":"id","c":"openim/data/hash/` + hash + `","d":9,"e":"ffffffffffffffffffffffffffffffff"}`, false},
		{"an object of a form", `{"a":2,"c":"openim/direct/20260102/victor/x","d":9,"e":"` + hash + `"}`, false},
		{"above", `{"a":2,"c":"openim/temp/2026/../` + hash + `_9_` + hash + `.presigned","d":9,"e":"` + hash + `"}`, false},
		{"another size", `{"a":2,"c":"openim/temp/2026/` + hash + `_8_` + hash + `.presigned","d":9,"e":"` + hash + `"}`, false},
		{"a member in two cases", `{"a":1,"b":"id","c":"openim/data/hash/` + hash + `","C":"openim/direct/x","d":9,"e":"` + hash + `"}`,
			false},
		{"a member twice", `{"a":1,"c":"x","c":"openim/data/hash/` + hash + `","d":9,"e":"` + hash + `"}`, false},
		{"of no kind", `{"a":3,"c":"openim/data/hash/` + hash + `","e":"` + hash + `"}`, false},
		{"no object", `[]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			_, _, refusal := routes.Find("/object/auth_sign").Enforce(caller,
				map[string]any{"uploadID": base64.StdEncoding.EncodeToString([]byte(c.ticket))})
			g.Expect(refusal == nil).To(Equal(c.ok))
		})
	}
}

func TestFormTickets(t *testing.T) {
	const file = "0cc175b9c0f1b6a831c399e269772661"
	for _, c := range []struct {
		name, ticket string
		ok           bool
	}{
		{"one's own", `{"name":"alice/a.txt","size":1,"contentType":"","group":"","key":"openim/direct/20260102/alice/` + file + `.txt"}`,
			true},
		{"another's key", `{"name":"alice/a.txt","size":1,"key":"openim/direct/20260102/victor/` + file + `.txt"}`, false},
		{"another's name", `{"name":"victor/a.txt","size":1,"key":"openim/direct/20260102/alice/` + file + `.txt"}`, false},
		{"any key", `{"name":"alice/a.txt","size":1,"key":"openim/data/hash/` + file + `"}`, false},
		{"a key above", `{"name":"alice/a.txt","size":1,"key":"openim/direct/20260102/alice/../victor/` + file + `"}`, false},
		{"two keys", `{"name":"alice/a.txt","KEY":"openim/data/hash/x","key":"openim/direct/20260102/alice/` + file + `.txt"}`, false},
		{"no date", `{"name":"alice/a.txt","key":"openim/direct/x/alice/` + file + `"}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			_, _, refusal := routes.Find("/object/complete_form_data").Enforce(caller,
				map[string]any{"id": base64.RawStdEncoding.EncodeToString([]byte(c.ticket))})
			g.Expect(refusal == nil).To(Equal(c.ok))
		})
	}
}

func TestFindObject(t *testing.T) {
	for _, c := range []struct {
		target, name string
		query        map[string]string
	}{
		{"/im/v1/object/alice/a.txt", "alice/a.txt", map[string]string{}},
		{"/im/v1/object/alice/%E4%BD%A0%20b.txt", "alice/你 b.txt", map[string]string{}},
		{"/im/v1/object/alice/a.png?type=image&width=100&height=100&format=png", "alice/a.png",
			map[string]string{"type": "image", "width": "100", "height": "100", "format": "png"}},
		{"/im/v1/object/alice/a.png?type=image&token=secret&x=y", "alice/a.png", map[string]string{"type": "image"}},
		{"/im/v1/object/a%2fb", "a/b", map[string]string{}},
		{"/im/v1/object/", "", nil},
		{"/im/v1/object/a/../b", "", nil},
		{"/im/v1/object/a/%2e%2e/b", "", nil},
		{"/im/v1/object/a//b", "", nil},
		{"/im/v1/object//a", "", nil},
		{"/im/v1/object/a%5cb", "", nil},
		{"/im/v1/object/a%00b", "", nil},
		{"/im/v1/object/a%zz", "", nil},
		{"/im/v1/object/a#b", "", nil},
		{"/im/v1/Object/a", "", nil},
		{"/im/v1//object/a", "", nil},
	} {
		t.Run(c.target, func(t *testing.T) {
			g := NewWithT(t)
			route, name, query := routes.FindObject(c.target)
			g.Expect(route != nil).To(Equal(c.name != ""))
			g.Expect(name).To(Equal(c.name))
			g.Expect(query).To(Equal(c.query))
		})
	}
}
