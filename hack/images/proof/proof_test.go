package proof

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestOpenIMOnItsStandIns goes through OpenIM as its users do, in the order in which they meet it.
func TestOpenIMOnItsStandIns(t *testing.T) {
	s := newStack(t)
	im := login(t)
	const alice, bob, carol = "alice", "bob", "carol"
	single := "si_" + alice + "_" + bob

	t.Run("users register and get tokens", func(t *testing.T) {
		var users []object
		for _, id := range []string{alice, bob, carol} {
			users = append(users, object{"userID": id, "nickname": strings.ToUpper(id), "faceURL": ""})
		}
		im.must(t, "/user/user_register", object{"users": users})
		NewWithT(t).Expect(im.must(t, "/auth/get_user_token", object{"userID": alice, "platformID": 1})["token"]).NotTo(BeEmpty())
		NewWithT(t).Expect(each(im.must(t, "/user/get_users_info", object{"userIDs": []string{bob}})["usersInfo"], "nickname")).To(ConsistOf("BOB"))
	})

	t.Run("a message is numbered, stored, searched for and read back from MongoDB when Redis has forgotten it", func(t *testing.T) {
		g := NewWithT(t)
		for i := 1; i <= 5; i++ {
			im.must(t, "/msg/send_msg", message(alice, "recvID", bob, 1, fmt.Sprintf("hello %d", i)))
		}
		g.Eventually(func() (any, error) {
			data, err := im.call("/msg/newest_seq", object{"userID": bob})
			return at(data, "maxSeqs", single), err
		}, 20*time.Second).Should(BeNumerically("==", 5))
		g.Eventually(func() (any, error) {
			data, err := im.call("/msg/search_msg", search(bob, 1, 10))
			return at(data, "chatLogsNum"), err
		}, 20*time.Second).Should(BeNumerically("==", 5))
		page := im.must(t, "/msg/search_msg", search(bob, 2, 2))
		g.Expect(at(page, "chatLogs")).To(HaveLen(2), "second page of two")

		s.forgetMessages(t)
		g.Expect(s.redisCLI(t, "KEYS", "MSG_CACHE:*")).To(BeEmpty())
		pulled := im.must(t, "/msg/pull_msg_by_seq", pull(bob, single, 1, 5))
		g.Expect(contents(pulled, single)).To(Equal([]string{"hello 1", "hello 2", "hello 3", "hello 4", "hello 5"}))
		g.Expect(s.redisCLI(t, "KEYS", "MSG_CACHE:*")).NotTo(BeEmpty(), "the pull fills the cache again")
	})

	t.Run("a long conversation runs over into a second document", func(t *testing.T) {
		g := NewWithT(t)
		for i := 6; i <= 120; i++ {
			im.must(t, "/msg/send_msg", message(alice, "recvID", bob, 1, fmt.Sprintf("hello %d", i)))
		}
		g.Eventually(func() (any, error) {
			data, err := im.call("/msg/search_msg", search(bob, 1, 10))
			return at(data, "chatLogsNum"), err
		}, 60*time.Second).Should(BeNumerically("==", 120))
		s.forgetMessages(t)
		pulled := im.must(t, "/msg/pull_msg_by_seq", pull(bob, single, 98, 103))
		g.Expect(contents(pulled, single)).To(Equal([]string{"hello 98", "hello 99", "hello 100", "hello 101", "hello 102", "hello 103"}))
	})

	t.Run("messages are read, revoked and deleted", func(t *testing.T) {
		g := NewWithT(t)
		im.must(t, "/msg/mark_msgs_as_read", object{"conversationID": single, "seqs": []int{1, 2}, "userID": bob})
		im.must(t, "/msg/mark_conversation_as_read", object{"conversationID": single, "userID": bob, "hasReadSeq": 3, "seqs": []int{3}})
		g.Eventually(func() (any, error) {
			data, err := im.call("/msg/get_conversations_has_read_and_max_seq", object{"userID": bob, "conversationIDs": []string{single}})
			return at(data, "seqs", single, "hasReadSeq"), err
		}, 20*time.Second).Should(BeNumerically("==", 3))
		im.must(t, "/msg/revoke_msg", object{"conversationID": single, "seq": 4, "userID": alice})
		im.must(t, "/msg/delete_msgs", object{"conversationID": single, "seqs": []int{5}, "userID": bob})
		s.forgetMessages(t)
		pulled := im.must(t, "/msg/pull_msg_by_seq", pull(bob, single, 4, 6))
		g.Expect(contents(pulled, single)).To(ContainElement("hello 6"))
		g.Expect(contents(pulled, single)).NotTo(ContainElements("hello 4"), "revoked")
		g.Expect(contents(pulled, single)).NotTo(ContainElements("hello 5"), "deleted for bob")
	})

	t.Run("friends are made, changed and followed by version", func(t *testing.T) {
		g := NewWithT(t)
		im.must(t, "/friend/import_friend", object{"ownerUserID": alice, "friendUserIDs": []string{bob}})
		first := im.must(t, "/friend/get_incremental_friends", object{"userID": alice, "version": 0, "versionID": ""})
		g.Expect(at(first, "full")).To(BeTrue())

		im.must(t, "/friend/add_friend", object{"fromUserID": alice, "toUserID": carol, "reqMsg": "hi"})
		im.must(t, "/friend/add_friend_response", object{"fromUserID": alice, "toUserID": carol, "handleResult": 1})
		im.must(t, "/friend/set_friend_remark", object{"ownerUserID": alice, "friendUserID": bob, "remark": "Bobby"})
		list := im.must(t, "/friend/get_friend_list", object{"userID": alice, "pagination": page(1, 10)})
		g.Expect(each(list["friendsInfo"], "remark")).To(ContainElement("Bobby"))
		g.Expect(list["total"]).To(BeNumerically("==", 2))

		changed := im.must(t, "/friend/get_incremental_friends", object{"userID": alice, "version": first["version"], "versionID": first["versionID"]})
		g.Expect(at(changed, "full")).To(BeFalse(), "the log since the first version is there")
		g.Expect(len(each(changed["insert"], "ownerUserID")) + len(each(changed["update"], "ownerUserID"))).To(Equal(2))

		im.must(t, "/friend/delete_friend", object{"ownerUserID": alice, "friendUserID": carol})
		after := im.must(t, "/friend/get_incremental_friends", object{"userID": alice, "version": changed["version"], "versionID": changed["versionID"]})
		g.Expect(after["delete"]).To(ConsistOf(carol))
		im.must(t, "/friend/add_black", object{"ownerUserID": bob, "blackUserID": carol})
		g.Expect(at(im.must(t, "/friend/get_black_list", object{"userID": bob, "pagination": page(1, 10)}), "total")).To(BeNumerically("==", 1))
	})

	t.Run("a group is founded, joined, talked in and left", func(t *testing.T) {
		g := NewWithT(t)
		made := im.must(t, "/group/create_group", object{
			"ownerUserID": alice, "memberUserIDs": []string{bob},
			"groupInfo": object{"groupName": "chess", "groupType": 2},
		})
		id := at(made, "groupInfo", "groupID").(string)
		before := im.must(t, "/group/get_incremental_group_members", object{"groupID": id, "version": 0, "versionID": ""})
		im.must(t, "/group/invite_user_to_group", object{"groupID": id, "invitedUserIDs": []string{carol}, "reason": "plays"})
		im.must(t, "/group/set_group_member_info", object{"members": []object{{"groupID": id, "userID": bob, "nickname": "rook"}}})

		members := im.must(t, "/group/get_group_member_list", object{"groupID": id, "pagination": page(1, 10)})
		g.Expect(each(members["members"], "userID")).To(ConsistOf(alice, bob, carol))
		g.Expect(each(im.must(t, "/group/get_groups_info", object{"groupIDs": []string{id}})["groupInfos"], "memberCount")).To(ConsistOf(BeNumerically("==", 3)))
		since := im.must(t, "/group/get_incremental_group_members", object{"groupID": id, "version": before["version"], "versionID": before["versionID"]})
		g.Expect(each(since["insert"], "userID")).To(ContainElement(carol))
		joined := im.must(t, "/group/get_joined_group_list", object{"fromUserID": carol, "pagination": page(1, 10)})
		g.Expect(each(joined["groups"], "groupID")).To(ConsistOf(id))
		im.must(t, "/group/get_incremental_join_groups", object{"userID": carol, "version": 0, "versionID": ""})

		im.must(t, "/msg/send_msg", message(alice, "groupID", id, 3, "e4"))
		g.Eventually(func() ([]string, error) {
			data, err := im.call("/msg/pull_msg_by_seq", pull(carol, "sg_"+id, 1, 20))
			return contents(data, "sg_"+id), err
		}, 20*time.Second).Should(ContainElement("e4"))
		im.must(t, "/group/kick_group", object{"groupID": id, "kickedUserIDs": []string{carol}, "reason": "lost"})
		members = im.must(t, "/group/get_group_member_list", object{"groupID": id, "pagination": page(1, 10)})
		g.Expect(each(members["members"], "userID")).To(ConsistOf(alice, bob))
	})

	t.Run("conversations are listed, changed and followed by version", func(t *testing.T) {
		g := NewWithT(t)
		first := im.must(t, "/conversation/get_incremental_conversations", object{"userID": bob, "version": 0, "versionID": ""})
		im.must(t, "/conversation/set_conversations", object{"userIDs": []string{bob}, "conversation": object{
			"conversationID": single, "conversationType": 1, "userID": alice, "isPinned": true, "isMsgDestruct": true, "msgDestructTime": 86400,
		}})
		all := im.must(t, "/conversation/get_all_conversations", object{"ownerUserID": bob})
		g.Expect(each(all["conversations"], "conversationID")).To(ContainElement(single))
		g.Expect(at(im.must(t, "/conversation/get_pinned_conversation_ids", object{"userID": bob}), "conversationIDs")).To(ConsistOf(single))
		g.Expect(at(im.must(t, "/conversation/get_sorted_conversation_list", object{"userID": bob, "pagination": page(1, 10)}), "conversationTotal")).To(BeNumerically(">=", 1))
		since := im.must(t, "/conversation/get_incremental_conversations", object{"userID": bob, "version": first["version"], "versionID": first["versionID"]})
		g.Expect(each(since["update"], "conversationID")).To(ContainElement(single))
	})

	t.Run("statistics count by day", func(t *testing.T) {
		g := NewWithT(t)
		span := func() object {
			return object{"start": time.Now().Add(-24 * time.Hour).UnixMilli(), "end": time.Now().Add(24 * time.Hour).UnixMilli(), "pagination": page(1, 10)}
		}
		today := time.Now().UTC().Format(time.DateOnly)
		users := im.must(t, "/statistics/user/register", span())
		g.Expect(at(users, "count", today)).To(BeNumerically(">=", 3))
		active := im.must(t, "/statistics/user/active", span())
		g.Expect(active["msgCount"]).To(BeNumerically(">=", 120))
		g.Expect(at(active, "dateCount", today)).To(BeNumerically(">=", 120))
		g.Expect(at(active, "users", 0, "user", "userID")).To(Equal(alice))
		g.Expect(at(im.must(t, "/statistics/group/create", span()), "count", today)).To(BeNumerically("==", 1))
		groups := im.must(t, "/statistics/group/active", span())
		g.Expect(at(groups, "groups", 0, "group", "groupName")).To(Equal("chess"))
	})

	t.Run("crontask's jobs run through", func(t *testing.T) {
		g := NewWithT(t)
		cron := s.processes["crontask"]
		for _, end := range []string{"cron destruct chat records end", "clear user msg cron task completed", "cron deleteoutDatedData success"} {
			g.Eventually(func() string { return cron.output(t) }, 20*time.Second).Should(ContainSubstring(end))
		}
		g.Expect(cron.output(t)).NotTo(MatchRegexp(`(cron .*|ClearUserConversationMsg) failed`))
	})

	t.Run("rpc-third starts again over indexes that are there", func(t *testing.T) {
		s.restart(t, "rpc-third")
		s.restart(t, "rpc-msg")
		s.processes["mongodb"].alive(t)
	})

	t.Run("what was said outlives a restart of MongoDB's stand-in, and of Kafka's", func(t *testing.T) {
		g := NewWithT(t)
		s.restart(t, "mongodb")
		s.restart(t, "kafka")
		s.forgetMessages(t)
		g.Eventually(func() ([]string, error) {
			data, err := im.call("/msg/pull_msg_by_seq", pull(bob, single, 1, 1))
			return contents(data, single), err
		}, 30*time.Second).Should(Equal([]string{"hello 1"}))
		// msgtransfer drops the message with which it finds out that a pooled connection is dead, so more than one is sent.
		g.Eventually(func() ([]string, error) {
			if _, err := im.call("/msg/send_msg", message(alice, "recvID", bob, 1, "still there?")); err != nil {
				return nil, err
			}
			data, err := im.call("/msg/pull_msg_by_seq", pull(bob, single, 121, 220))
			return contents(data, single), err
		}, 60*time.Second, time.Second).Should(ContainElement("still there?"))
	})

	t.Run("nothing was asked that MongoDB's stand-in does not answer, and nobody died", func(t *testing.T) {
		for _, p := range s.processes {
			p.alive(t)
		}
		refused := regexp.MustCompile(`.*(command refused|panic|not implemented|not supported|does not answer|Unrecognized).*`)
		for name, p := range s.processes {
			if line := refused.FindString(p.output(t)); line != "" {
				t.Errorf("%s: %.600s", name, line)
			}
		}
	})
}

func message(from, toField, to string, session int, text string) object {
	return object{
		"sendID": from, toField: to, "senderNickname": from, "senderPlatformID": 1,
		"content": object{"content": text}, "contentType": 101, "sessionType": session,
	}
}

func page(number, size int) object { return object{"pageNumber": number, "showNumber": size} }

func search(receiver string, number, size int) object {
	return object{"recvID": receiver, "contentType": 101, "sessionType": 1, "sendTime": time.Now().UTC().Format(time.DateOnly), "pagination": page(number, size)}
}

func pull(user, conversation string, begin, end int) object {
	return object{"userID": user, "order": 0, "seqRanges": []object{{"conversationID": conversation, "begin": begin, "end": end, "num": end - begin + 1}}}
}

// contents are the texts of pulled messages, in order. They come as JSON in base64; one that is deleted is empty.
func contents(pulled object, conversation string) []string {
	var texts []string
	for _, content := range each(at(pulled, "msgs", conversation, "Msgs"), "content") {
		var text struct{ Content string }
		decoded, err := base64.StdEncoding.DecodeString(fmt.Sprint(content))
		if err == nil && json.Unmarshal(decoded, &text) == nil && text.Content != "" {
			texts = append(texts, text.Content)
		}
	}
	return texts
}

// forgetMessages empties Redis' cache of messages, so that the next pull has to ask MongoDB.
func (s *stack) forgetMessages(t *testing.T) {
	t.Helper()
	for _, key := range strings.Fields(s.redisCLI(t, "KEYS", "MSG_CACHE:*")) {
		s.redisCLI(t, "DEL", key)
	}
}
