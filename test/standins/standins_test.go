package standins

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

type object = loopback.Object

// start runs OpenIM with crontask's jobs at short intervals, so that they run and log during the test.
func start(t *testing.T) *loopback.Stack {
	if os.Getenv("OPENIM_PROOF") == "" {
		t.Skip("set OPENIM_PROOF=1 to run the real OpenIM here: it builds what is not in the cache, which takes minutes")
	}
	return loopback.New(t, loopback.Options{OpenIM: func(p openim.Process) []string {
		if p.Name != openim.CronTask {
			return nil
		}
		return []string{openim.EnvName(p.OwnFile(), "cronExecuteTime") + "=@every 2s", openim.EnvName(openim.LogFile, "remainLogLevel") + "=6"}
	}})
}

// TestOpenIMOnItsStandIns uses OpenIM as its users do, in the usual order.
func TestOpenIMOnItsStandIns(t *testing.T) {
	s := start(t)
	im := s.OpenIM
	const alice, bob, carol = "alice", "bob", "carol"
	single := "si_" + alice + "_" + bob

	t.Run("users register and get tokens", func(t *testing.T) {
		var users []object
		for _, id := range []string{alice, bob, carol} {
			users = append(users, object{"userID": id, "nickname": strings.ToUpper(id), "faceURL": ""})
		}
		im.Must(t, "/user/user_register", object{"users": users})
		NewWithT(t).Expect(im.Must(t, "/auth/get_user_token", object{"userID": alice, "platformID": 1})["token"]).NotTo(BeEmpty())
		NewWithT(
			t,
		).Expect(loopback.Each(im.Must(t, "/user/get_users_info", object{"userIDs": []string{bob}})["usersInfo"], "nickname")).
			To(ConsistOf("BOB"))
	})

	t.Run("a message is numbered, stored, searched for and read back from MongoDB when Redis has forgotten it", func(t *testing.T) {
		g := NewWithT(t)
		for i := 1; i <= 5; i++ {
			im.Must(t, "/msg/send_msg", message(alice, "recvID", bob, 1, fmt.Sprintf("hello %d", i)))
		}
		g.Eventually(func() (any, error) {
			data, err := im.Call(t.Context(), "/msg/newest_seq", object{"userID": bob})
			return loopback.At(data, "maxSeqs", single), err
		}, 20*time.Second).Should(BeNumerically("==", 5))
		g.Eventually(func() (any, error) {
			data, err := im.Call(t.Context(), "/msg/search_msg", search(bob, 1, 10))
			return loopback.At(data, "chatLogsNum"), err
		}, 20*time.Second).Should(BeNumerically("==", 5))
		page := im.Must(t, "/msg/search_msg", search(bob, 2, 2))
		g.Expect(loopback.At(page, "chatLogs")).To(HaveLen(2), "second page of two")

		forgetMessages(t, s)
		g.Expect(cachedMessages(t, s)).To(BeEmpty())
		pulled := im.Must(t, "/msg/pull_msg_by_seq", pull(bob, single, 1, 5))
		g.Expect(contents(pulled, single)).To(Equal([]string{"hello 1", "hello 2", "hello 3", "hello 4", "hello 5"}))
		g.Expect(cachedMessages(t, s)).NotTo(BeEmpty(), "the pull fills the cache again")
	})

	t.Run("a long conversation runs over into a second document", func(t *testing.T) {
		g := NewWithT(t)
		for i := 6; i <= 120; i++ {
			im.Must(t, "/msg/send_msg", message(alice, "recvID", bob, 1, fmt.Sprintf("hello %d", i)))
		}
		g.Eventually(func() (any, error) {
			data, err := im.Call(t.Context(), "/msg/search_msg", search(bob, 1, 10))
			return loopback.At(data, "chatLogsNum"), err
		}, 60*time.Second).Should(BeNumerically("==", 120))
		forgetMessages(t, s)
		pulled := im.Must(t, "/msg/pull_msg_by_seq", pull(bob, single, 98, 103))
		g.Expect(contents(pulled, single)).To(Equal([]string{"hello 98", "hello 99", "hello 100", "hello 101", "hello 102", "hello 103"}))
	})

	t.Run("messages are read, revoked and deleted", func(t *testing.T) {
		g := NewWithT(t)
		im.Must(t, "/msg/mark_msgs_as_read", object{"conversationID": single, "seqs": []int{1, 2}, "userID": bob})
		im.Must(t, "/msg/mark_conversation_as_read", object{"conversationID": single, "userID": bob, "hasReadSeq": 3, "seqs": []int{3}})
		g.Eventually(func() (any, error) {
			data, err := im.Call(
				t.Context(),
				"/msg/get_conversations_has_read_and_max_seq",
				object{"userID": bob, "conversationIDs": []string{single}},
			)
			return loopback.At(data, "seqs", single, "hasReadSeq"), err
		}, 20*time.Second).Should(BeNumerically("==", 3))
		im.Must(t, "/msg/revoke_msg", object{"conversationID": single, "seq": 4, "userID": alice})
		im.Must(t, "/msg/delete_msgs", object{"conversationID": single, "seqs": []int{5}, "userID": bob})
		forgetMessages(t, s)
		pulled := im.Must(t, "/msg/pull_msg_by_seq", pull(bob, single, 4, 6))
		g.Expect(contents(pulled, single)).To(ContainElement("hello 6"))
		g.Expect(contents(pulled, single)).NotTo(ContainElements("hello 4"), "revoked")
		g.Expect(contents(pulled, single)).NotTo(ContainElements("hello 5"), "deleted for bob")
	})

	t.Run("friends are made, changed and followed by version", func(t *testing.T) {
		g := NewWithT(t)
		im.Must(t, "/friend/import_friend", object{"ownerUserID": alice, "friendUserIDs": []string{bob}})
		first := im.Must(t, "/friend/get_incremental_friends", object{"userID": alice, "version": 0, "versionID": ""})
		g.Expect(loopback.At(first, "full")).To(BeTrue())

		im.Must(t, "/friend/add_friend", object{"fromUserID": alice, "toUserID": carol, "reqMsg": "hi"})
		im.Must(t, "/friend/add_friend_response", object{"fromUserID": alice, "toUserID": carol, "handleResult": 1})
		im.Must(t, "/friend/set_friend_remark", object{"ownerUserID": alice, "friendUserID": bob, "remark": "Bobby"})
		list := im.Must(t, "/friend/get_friend_list", object{"userID": alice, "pagination": page(1, 10)})
		g.Expect(loopback.Each(list["friendsInfo"], "remark")).To(ContainElement("Bobby"))
		g.Expect(list["total"]).To(BeNumerically("==", 2))

		changed := im.Must(
			t,
			"/friend/get_incremental_friends",
			object{"userID": alice, "version": first["version"], "versionID": first["versionID"]},
		)
		g.Expect(loopback.At(changed, "full")).To(BeFalse(), "the log since the first version is there")
		g.Expect(len(loopback.Each(changed["insert"], "ownerUserID")) + len(loopback.Each(changed["update"], "ownerUserID"))).To(Equal(2))

		im.Must(t, "/friend/delete_friend", object{"ownerUserID": alice, "friendUserID": carol})
		after := im.Must(
			t,
			"/friend/get_incremental_friends",
			object{"userID": alice, "version": changed["version"], "versionID": changed["versionID"]},
		)
		g.Expect(after["delete"]).To(ConsistOf(carol))
		im.Must(t, "/friend/add_black", object{"ownerUserID": bob, "blackUserID": carol})
		g.Expect(loopback.At(im.Must(t, "/friend/get_black_list", object{"userID": bob, "pagination": page(1, 10)}), "total")).
			To(BeNumerically("==", 1))
	})

	t.Run("a group is founded, joined, talked in and left", func(t *testing.T) {
		g := NewWithT(t)
		made := im.Must(t, "/group/create_group", object{
			"ownerUserID": alice, "memberUserIDs": []string{bob},
			"groupInfo": object{"groupName": "chess", "groupType": 2},
		})
		id := loopback.At(made, "groupInfo", "groupID").(string)
		before := im.Must(t, "/group/get_incremental_group_members", object{"groupID": id, "version": 0, "versionID": ""})
		im.Must(t, "/group/invite_user_to_group", object{"groupID": id, "invitedUserIDs": []string{carol}, "reason": "plays"})
		im.Must(t, "/group/set_group_member_info", object{"members": []object{{"groupID": id, "userID": bob, "nickname": "rook"}}})

		members := im.Must(t, "/group/get_group_member_list", object{"groupID": id, "pagination": page(1, 10)})
		g.Expect(loopback.Each(members["members"], "userID")).To(ConsistOf(alice, bob, carol))
		g.Expect(loopback.Each(im.Must(t, "/group/get_groups_info", object{"groupIDs": []string{id}})["groupInfos"], "memberCount")).
			To(ConsistOf(BeNumerically("==", 3)))
		since := im.Must(
			t,
			"/group/get_incremental_group_members",
			object{"groupID": id, "version": before["version"], "versionID": before["versionID"]},
		)
		g.Expect(loopback.Each(since["insert"], "userID")).To(ContainElement(carol))
		joined := im.Must(t, "/group/get_joined_group_list", object{"fromUserID": carol, "pagination": page(1, 10)})
		g.Expect(loopback.Each(joined["groups"], "groupID")).To(ConsistOf(id))
		im.Must(t, "/group/get_incremental_join_groups", object{"userID": carol, "version": 0, "versionID": ""})

		im.Must(t, "/msg/send_msg", message(alice, "groupID", id, 3, "e4"))
		g.Eventually(func() ([]string, error) {
			data, err := im.Call(t.Context(), "/msg/pull_msg_by_seq", pull(carol, "sg_"+id, 1, 20))
			return contents(data, "sg_"+id), err
		}, 20*time.Second).Should(ContainElement("e4"))
		im.Must(t, "/group/kick_group", object{"groupID": id, "kickedUserIDs": []string{carol}, "reason": "lost"})
		members = im.Must(t, "/group/get_group_member_list", object{"groupID": id, "pagination": page(1, 10)})
		g.Expect(loopback.Each(members["members"], "userID")).To(ConsistOf(alice, bob))
	})

	t.Run("conversations are listed, changed and followed by version", func(t *testing.T) {
		g := NewWithT(t)
		first := im.Must(t, "/conversation/get_incremental_conversations", object{"userID": bob, "version": 0, "versionID": ""})
		im.Must(t, "/conversation/set_conversations", object{"userIDs": []string{bob}, "conversation": object{
			"conversationID": single, "conversationType": 1, "userID": alice, "isPinned": true, "isMsgDestruct": true, "msgDestructTime": 86400,
		}})
		all := im.Must(t, "/conversation/get_all_conversations", object{"ownerUserID": bob})
		g.Expect(loopback.Each(all["conversations"], "conversationID")).To(ContainElement(single))
		g.Expect(loopback.At(im.Must(t, "/conversation/get_pinned_conversation_ids", object{"userID": bob}), "conversationIDs")).
			To(ConsistOf(single))
		g.Expect(loopback.At(im.Must(t, "/conversation/get_sorted_conversation_list", object{"userID": bob, "pagination": page(1, 10)}),
			"conversationTotal")).
			To(BeNumerically(">=", 1))
		since := im.Must(
			t,
			"/conversation/get_incremental_conversations",
			object{"userID": bob, "version": first["version"], "versionID": first["versionID"]},
		)
		g.Expect(loopback.Each(since["update"], "conversationID")).To(ContainElement(single))
	})

	t.Run("statistics count by day", func(t *testing.T) {
		g := NewWithT(t)
		span := func() object {
			return object{
				"start":      time.Now().Add(-24 * time.Hour).UnixMilli(),
				"end":        time.Now().Add(24 * time.Hour).UnixMilli(),
				"pagination": page(1, 10),
			}
		}
		today := time.Now().UTC().Format(time.DateOnly)
		users := im.Must(t, "/statistics/user/register", span())
		g.Expect(loopback.At(users, "count", today)).To(BeNumerically(">=", 3))
		active := im.Must(t, "/statistics/user/active", span())
		g.Expect(active["msgCount"]).To(BeNumerically(">=", 120))
		g.Expect(loopback.At(active, "dateCount", today)).To(BeNumerically(">=", 120))
		g.Expect(loopback.At(active, "users", 0, "user", "userID")).To(Equal(alice))
		g.Expect(loopback.At(im.Must(t, "/statistics/group/create", span()), "count", today)).To(BeNumerically("==", 1))
		groups := im.Must(t, "/statistics/group/active", span())
		g.Expect(loopback.At(groups, "groups", 0, "group", "groupName")).To(Equal("chess"))
	})

	t.Run("crontask's jobs run through", func(t *testing.T) {
		g := NewWithT(t)
		for _, end := range []string{"cron destruct chat records end", "clear user msg cron task completed", "cron deleteoutDatedData success"} {
			g.Eventually(func() (string, error) { return s.Output("crontask") }, 20*time.Second).Should(ContainSubstring(end))
		}
		g.Expect(s.Output("crontask")).NotTo(MatchRegexp(`(cron .*|ClearUserConversationMsg) failed`))
	})

	t.Run("rpc-third starts again over indexes that are there", func(t *testing.T) {
		NewWithT(t).Expect(s.Restart(t.Context(), "rpc-third")).To(Succeed())
		NewWithT(t).Expect(s.Restart(t.Context(), "rpc-msg")).To(Succeed())
		NewWithT(t).Expect(s.Err()).To(Succeed())
	})

	t.Run("what was said outlives a restart of MongoDB's stand-in, and of Kafka's", func(t *testing.T) {
		g := NewWithT(t)
		NewWithT(t).Expect(s.Restart(t.Context(), "mongodb")).To(Succeed())
		NewWithT(t).Expect(s.Restart(t.Context(), "kafka")).To(Succeed())
		forgetMessages(t, s)
		g.Eventually(func() ([]string, error) {
			data, err := im.Call(t.Context(), "/msg/pull_msg_by_seq", pull(bob, single, 1, 1))
			return contents(data, single), err
		}, 30*time.Second).Should(Equal([]string{"hello 1"}))
		// msgtransfer drops the message with which it detects a dead pooled connection, so more than one message is sent.
		g.Eventually(func() ([]string, error) {
			if _, err := im.Call(t.Context(), "/msg/send_msg", message(alice, "recvID", bob, 1, "still there?")); err != nil {
				return nil, err
			}
			data, err := im.Call(t.Context(), "/msg/pull_msg_by_seq", pull(bob, single, 121, 220))
			return contents(data, single), err
		}, 60*time.Second, time.Second).Should(ContainElement("still there?"))
	})

	t.Run("nothing was asked that MongoDB's stand-in does not answer, and nobody died", func(t *testing.T) {
		NewWithT(t).Expect(s.Err()).To(Succeed())
		refused := regexp.MustCompile(`.*(command refused|panic|not implemented|not supported|does not answer|Unrecognized).*`)
		for _, name := range s.Parts() {
			output, err := s.Output(name)
			if err != nil {
				t.Fatal(err)
			}
			if line := refused.FindString(output); line != "" {
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
	return object{
		"recvID":      receiver,
		"contentType": 101,
		"sessionType": 1,
		"sendTime":    time.Now().UTC().Format(time.DateOnly),
		"pagination":  page(number, size),
	}
}

func pull(user, conversation string, begin, end int) object {
	return object{
		"userID":    user,
		"order":     0,
		"seqRanges": []object{{"conversationID": conversation, "begin": begin, "end": end, "num": end - begin + 1}},
	}
}

// contents returns the texts of pulled messages in order. They are JSON in base64; a deleted message is empty.
func contents(pulled object, conversation string) []string {
	var texts []string
	for _, content := range loopback.Each(loopback.At(pulled, "msgs", conversation, "Msgs"), "content") {
		var text struct{ Content string }
		decoded, err := base64.StdEncoding.DecodeString(fmt.Sprint(content))
		if err == nil && json.Unmarshal(decoded, &text) == nil && text.Content != "" {
			texts = append(texts, text.Content)
		}
	}
	return texts
}

// forgetMessages deletes the messages cached in Redis, so that the next pull reads MongoDB.
func forgetMessages(t *testing.T, s *loopback.Stack) {
	t.Helper()
	for _, key := range cachedMessages(t, s) {
		if _, err := s.RedisCLI(t.Context(), "DEL", key); err != nil {
			t.Fatal(err)
		}
	}
}

func cachedMessages(t *testing.T, s *loopback.Stack) []string {
	t.Helper()
	keys, err := s.RedisCLI(t.Context(), "KEYS", "MSG_CACHE:*")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(keys)
}
