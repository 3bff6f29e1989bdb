package sdk

import (
	"context"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/db/model_struct"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/sdk_params_callback"
	"github.com/openimsdk/openim-sdk-core/v3/sdk_struct"
	"github.com/openimsdk/protocol/conversation"
	"github.com/openimsdk/protocol/group"
	"github.com/openimsdk/protocol/relation"
	"github.com/openimsdk/protocol/sdkws"
	"github.com/openimsdk/protocol/wrapperspb"
)

// Platforms, by OpenIM's numbers.
const (
	iOS     = 1
	android = 2
	windows = 3
)

// workGroup is the only type of group that OpenIM still creates.
const workGroup = 2

// brief is the lifetime of a session that ends during a test.
const brief = 12 * time.Second

// TestWhatPeopleDo runs the usual actions of three users in their usual order.
func TestWhatPeopleDo(t *testing.T) {
	alice, bob, carol := install(t, named("alice"), iOS), install(t, named("bob"), android), install(t, named("carol"), windows)
	known := map[*device]*identity{}
	for u, nickname := range map[*device]string{alice: "Alice", bob: "Bob", carol: "Carol"} {
		known[u] = register(t, u.id, nickname, u.platform)
	}
	single, outer := "si_"+alice.id+"_"+bob.id, t

	step(t, "they log in", func(t *testing.T) {
		for u, i := range known {
			u.login(t, i.token(t))
		}
	})

	step(t, "they see who they are and who the others are", func(t *testing.T) {
		g := NewWithT(t)
		self, err := alice.sdk.User().GetSelfUserInfo(alice.ctx())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(self.Nickname).To(Equal("Alice"))
		others, err := alice.sdk.User().GetUsersInfo(alice.ctx(), []string{bob.id, carol.id})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(others).To(HaveLen(2))
		g.Expect([]string{others[0].Nickname, others[1].Nickname}).To(ConsistOf("Bob", "Carol"))
	})

	step(t, "alice changes the own name", func(t *testing.T) {
		mark := carol.mark()
		NewWithT(
			t,
		).Expect(carol.sdk.User().SetSelfInfo(carol.ctx(), &sdkws.UserInfoWithEx{UserID: carol.id, Nickname: wrapperspb.String("Caroline")})).
			To(Succeed())
		awaitThat(t, carol, mark, "OnSelfInfoUpdated", func(u model_struct.LocalUser) bool { return u.Nickname == "Caroline" })
	})

	if where.HasGateway() {
		step(t, "one asks for friendship, the other agrees", func(t *testing.T) { befriend(t, alice, bob) })
	}

	step(t, "they talk, and hear each other at once", func(t *testing.T) {
		g := NewWithT(t)
		mark := bob.mark()
		sent := alice.say(t, bob.id, "good morning")
		heard := bob.hears(t, mark, alice.id, "good morning")
		g.Expect(heard.ServerMsgID).To(Equal(sent.ServerMsgID))
		g.Expect(heard.SenderNickname).To(Equal("Alice"))
		mark = alice.mark()
		bob.say(t, alice.id, "good morning, Alice")
		alice.hears(t, mark, bob.id, "good morning, Alice")
	})

	step(t, "what is unread is counted, and read receipts come back", func(t *testing.T) {
		g := NewWithT(t)
		atAlice := alice.mark()
		g.Eventually(func() (int32, error) {
			conversation, err := bob.sdk.Conversation().GetOneConversation(bob.ctx(), 1, alice.id)
			return conversation.UnreadCount, err
		}, soon).Should(BeEquivalentTo(1))
		stored(t, alice.id, bob.id, 1)
		g.Expect(bob.sdk.Conversation().MarkConversationMessageAsRead(bob.ctx(), single)).To(Succeed())
		receipts := awaitThat(
			t,
			alice,
			atAlice,
			"OnRecvC2CReadReceipt",
			func(r []sdk_struct.MessageReceipt) bool { return len(r) > 0 && r[0].UserID == bob.id },
		)
		g.Expect(receipts[0].MsgIDList).NotTo(BeEmpty())
		g.Eventually(func() (int32, error) { return bob.sdk.Conversation().GetTotalUnreadMsgCount(bob.ctx()) }, soon).Should(BeZero())
	})

	step(t, "what one takes back is gone for both", func(t *testing.T) {
		g := NewWithT(t)
		mark := bob.mark()
		sent := alice.say(t, bob.id, "what I should not have said")
		bob.hears(t, mark, alice.id, "what I should not have said")
		// The SDK revokes by seq, which it learns when its own message is pushed back.
		g.Eventually(func() error {
			return alice.sdk.Conversation().RevokeMessage(alice.ctx(), single, sent.ClientMsgID)
		}, soon).Should(Succeed())
		awaitThat(t, bob, mark, "OnNewRecvMessageRevoked", func(r sdk_struct.MessageRevoked) bool { return r.ClientMsgID == sent.ClientMsgID })
		g.Expect(bob.history(single, 20)).To(Equal([]string{"good morning", "good morning, Alice"}))
	})

	var team string
	step(t, "three make a group and talk in it", func(t *testing.T) {
		g := NewWithT(t)
		marks := map[*device]int{alice: alice.mark(), bob: bob.mark(), carol: carol.mark()}
		made, err := alice.sdk.Group().CreateGroup(alice.ctx(), &group.CreateGroupReq{
			OwnerUserID: alice.id, MemberUserIDs: []string{bob.id, carol.id}, GroupInfo: &sdkws.GroupInfo{GroupName: "chess", GroupType: workGroup},
		})
		g.Expect(err).NotTo(HaveOccurred())
		team = made.GroupID
		for u, mark := range marks {
			// OnJoinedGroupAdded is not reliable: the SDK omits it when the new conversation has made it fetch the group already.
			awaitThat(t, u, mark, "OnNewConversation", func(list []model_struct.LocalConversation) bool {
				return slices.ContainsFunc(list, func(c model_struct.LocalConversation) bool { return c.GroupID == team })
			})
			g.Eventually(func() ([]string, error) {
				members, err := u.sdk.Group().GetGroupMemberList(u.ctx(), team, 0, 0, 10)
				return each(members, func(m *model_struct.LocalGroupMember) string { return m.UserID }), err
			}, soon).Should(ConsistOf(alice.id, bob.id, carol.id), "as %s sees it", u.id)
			joined, err := u.sdk.Group().GetJoinedGroupList(u.ctx())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(each(joined, func(v *model_struct.LocalGroup) string { return v.GroupName })).To(ConsistOf("chess"))
		}
		for _, from := range []*device{alice, carol} {
			marks = map[*device]int{alice: alice.mark(), bob: bob.mark(), carol: carol.mark()}
			from.sayIn(t, team, "e4, says "+from.id)
			for u, mark := range marks {
				if u != from {
					g.Expect(u.hears(t, mark, from.id, "e4, says "+from.id).GroupID).To(Equal(team))
				}
			}
		}
	})

	step(t, "a conversation is pinned for oneself", func(t *testing.T) {
		g := NewWithT(t)
		mark := bob.mark()
		g.Expect(bob.sdk.Conversation().SetConversation(bob.ctx(), single, pinned())).To(Succeed())
		awaitThat(t, bob, mark, "OnConversationChanged", func(list []model_struct.LocalConversation) bool {
			return len(list) > 0 && list[0].ConversationID == single && list[0].IsPinned
		})
	})

	step(t, "messages sent while bob was away are there when bob comes back", func(t *testing.T) {
		g := NewWithT(t)
		bob.logout(t)
		alice.say(t, bob.id, "are you there?")
		bob.login(t, known[bob].token(t))
		g.Eventually(func() ([]string, error) { return bob.history(single, 20) }, soon).Should(ContainElement("are you there?"))
	})

	step(t, "a new device of bob finds all messages", func(t *testing.T) {
		g := NewWithT(t)
		bob.logout(t)
		again := install(outer, bob.id, bob.platform)
		again.login(t, known[bob].token(t))
		g.Eventually(func() ([]string, error) { return again.history(single, 20) }, soon).
			Should(Equal([]string{"good morning", "good morning, Alice", "are you there?"}))
		g.Eventually(func() ([]string, error) { return again.history("sg_"+team, 20) }, soon).
			Should(Equal([]string{"e4, says " + alice.id, "e4, says " + carol.id}))
		all, err := again.sdk.Conversation().GetAllConversationList(again.ctx())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(each(all, func(c *model_struct.LocalConversation) string { return c.ConversationID })).To(ContainElements(single, "sg_"+team))
		bob = again
	})

	step(t, "the gateway is restarted: the apps reconnect by themselves, and nothing is lost", func(t *testing.T) {
		g := NewWithT(t)
		marks := map[*device]int{alice: alice.mark(), bob: bob.mark(), carol: carol.mark()}
		g.Expect(where.RestartSocketServer(t.Context())).To(Succeed())
		for u, mark := range marks {
			u.await(t, mark, "OnConnecting")
			u.await(t, mark, "OnConnectSuccess")
			g.Expect(u.since(mark, "OnKickedOffline")).To(BeEmpty())
			g.Expect(u.since(mark, "OnUserTokenInvalid")).To(BeEmpty())
		}
		mark := bob.mark()
		alice.say(t, bob.id, "where were we?")
		bob.hears(t, mark, alice.id, "where were we?")
	})

	step(t, "whose session is revoked is kicked, and cannot come back", func(t *testing.T) {
		g := NewWithT(t)
		mark := carol.mark()
		old := carol.sdk.GetToken()
		known[carol].revoke(t)
		carol.await(t, mark, "OnKickedOffline")

		if !where.HasGateway() {
			return // OpenIM's refusal exceeds the 1024 bytes that the SDK reads: the SDK retries for ever without a callback
		}
		again := install(t, carol.id, carol.platform)
		_ = again.sdk.Login(again.ctx(), again.id, old)
		again.await(t, 0, "OnKickedOffline")
		g.Expect(again.since(0, "OnConnectSuccess")).To(BeEmpty())
		g.Expect(carol.since(mark, "OnConnectSuccess")).To(BeEmpty())
	})

	step(t, "they log out", func(t *testing.T) {
		alice.logout(t)
		bob.logout(t)
	})
}

// befriend makes two users friends through their apps.
func befriend(t *testing.T, alice, bob *device) {
	t.Helper()
	g := NewWithT(t)
	atAlice, atBob := alice.mark(), bob.mark()
	g.Expect(alice.sdk.Relation().AddFriend(alice.ctx(), &relation.ApplyToAddFriendReq{FromUserID: alice.id, ToUserID: bob.id,
		ReqMsg: "it is me"})).
		To(Succeed())
	awaitThat(t, bob, atBob, "OnFriendApplicationAdded", func(r model_struct.LocalFriendRequest) bool { return r.FromUserID == alice.id })
	waiting, err := bob.sdk.Relation().
		GetFriendApplicationListAsRecipient(bob.ctx(), &sdk_params_callback.GetFriendApplicationListAsRecipientReq{Count: 10})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(waiting).To(HaveLen(1))
	g.Expect(waiting[0].ReqMsg).To(Equal("it is me"))

	g.Expect(bob.sdk.Relation().AcceptFriendApplication(bob.ctx(), &sdk_params_callback.ProcessFriendApplicationParams{ToUserID: alice.id,
		HandleMsg: "welcome"})).
		To(Succeed())
	awaitThat(t, alice, atAlice, "OnFriendApplicationAccepted", func(r model_struct.LocalFriendRequest) bool { return r.ToUserID == bob.id })
	for a, mark := range map[*device]int{alice: atAlice, bob: atBob} {
		other := bob
		if a == bob {
			other = alice
		}
		awaitThat(t, a, mark, "OnFriendAdded", func(f model_struct.LocalFriend) bool { return f.FriendUserID == other.id })
		friends, err := a.sdk.Relation().GetFriendList(a.ctx(), false)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(friends).To(HaveLen(1))
		g.Expect(friends[0].FriendUserID).To(Equal(other.id))
	}
}

// TestASessionEnds checks that a session ends at the end of its lifetime, also while it is used.
func TestASessionEnds(t *testing.T) {
	if !where.HasGateway() {
		t.Skip("OpenIM's tokens live for days")
	}
	g := NewWithT(t)
	dora := install(t, named("dorian"), iOS)
	known := register(t, dora.id, dora.id, dora.platform)
	g.Expect(where.LimitSessions(t.Context(), brief)).To(Succeed())
	t.Cleanup(func() {
		if err := where.LimitSessions(context.WithoutCancel(t.Context()), 0); err != nil {
			t.Error(err)
		}
	})
	dora.login(t, known.token(t))
	dora.await(t, 0, "OnUserTokenExpired")
	g.Expect(dora.since(0, "OnKickedOffline")).To(BeEmpty())
	g.Expect(dora.since(0, "OnUserTokenInvalid")).To(BeEmpty())
}

// TestAnIdleAppStaysConnected checks an idle socket for longer than OpenIM's timeout of 30 seconds.
func TestAnIdleAppStaysConnected(t *testing.T) {
	g := NewWithT(t)
	ida, ben := install(t, named("ida"), iOS), install(t, named("ben"), android)
	for _, u := range []*device{ida, ben} {
		u.login(t, register(t, u.id, u.id, u.platform).token(t))
	}
	mark := ida.mark()
	g.Consistently(func() []event { return ida.since(mark, "OnConnecting") }, 40*time.Second, time.Second).Should(BeEmpty())
	ben.say(t, ida.id, "are you awake?")
	ida.hears(t, mark, ben.id, "are you awake?")
}

// TestFriendRequestsOnOpenIMAlone makes the calls only. OpenIM v3.8.3 sends less with a friend request than the SDK dereferences:
// both apps' listeners panic and receive nothing afterwards. The wrapper adds the missing fields.
func TestFriendRequestsOnOpenIMAlone(t *testing.T) {
	if where.HasGateway() {
		t.Skip("with the wrapper it is part of what people do")
	}
	g := NewWithT(t)
	alice, bob := install(t, named("al"), iOS), install(t, named("bo"), android)
	for _, u := range []*device{alice, bob} {
		u.login(t, register(t, u.id, u.id, u.platform).token(t))
	}
	g.Expect(alice.sdk.Relation().AddFriend(alice.ctx(), &relation.ApplyToAddFriendReq{FromUserID: alice.id, ToUserID: bob.id})).To(Succeed())
	_, err := bob.sdk.Relation().
		GetFriendApplicationListAsRecipient(bob.ctx(), &sdk_params_callback.GetFriendApplicationListAsRecipientReq{Count: 10})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bob.sdk.Relation().AcceptFriendApplication(bob.ctx(), &sdk_params_callback.ProcessFriendApplicationParams{ToUserID: alice.id})).
		To(Succeed())
}

func pinned() *conversation.ConversationReq {
	return &conversation.ConversationReq{IsPinned: wrapperspb.Bool(true)}
}

// step runs a part of a test. After a failed part, the following ones are skipped.
func step(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	if !t.Failed() {
		t.Run(name, f)
	}
}

// each returns a value of each element of a list.
func each[E any](list []E, of func(E) string) []string {
	var values []string
	for _, e := range list {
		values = append(values, of(e))
	}
	return values
}
