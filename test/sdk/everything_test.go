package sdk

import (
	"testing"

	. "github.com/onsi/gomega"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/db/model_struct"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/sdk_params_callback"
	"github.com/openimsdk/openim-sdk-core/v3/sdk_struct"
	"github.com/openimsdk/protocol/group"
	"github.com/openimsdk/protocol/relation"
	"github.com/openimsdk/protocol/sdkws"
	"github.com/openimsdk/protocol/user"
	"github.com/openimsdk/protocol/wrapperspb"
)

// TestEverythingElseThatAnAppCanAsk calls the other functions of the SDK that call OpenIM, except uploads, which need an
// object store. A refusal of one of them breaks an app.
func TestEverythingElseThatAnAppCanAsk(t *testing.T) {
	dora, emil, fred := install(t, named("dora"), iOS), install(t, named("emil"), android), install(t, named("fred"), windows)
	for _, u := range []*device{dora, emil, fred} {
		u.login(t, register(t, u.id, u.id, u.platform).token(t))
	}
	admin(t, "/friend/import_friend", map[string]any{"ownerUserID": dora.id, "friendUserIDs": []string{emil.id}}, nil)
	dora.await(t, 0, "OnFriendAdded")
	single := "si_" + dora.id + "_" + emil.id
	said := dora.say(t, emil.id, "hello")
	emil.hears(t, 0, dora.id, "hello")
	made, err := dora.sdk.Group().CreateGroup(dora.ctx(), &group.CreateGroupReq{
		OwnerUserID: dora.id, MemberUserIDs: []string{emil.id}, GroupInfo: &sdkws.GroupInfo{GroupName: "go", GroupType: workGroup},
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	team := made.GroupID
	dora.sayIn(t, team, "hello, all")
	emil.hears(t, 0, dora.id, "hello, all")

	for _, c := range []struct {
		name string
		do   func() error
	}{
		{"notes of one's own: add", func() error {
			return dora.sdk.User().ProcessUserCommandAdd(dora.ctx(), &user.ProcessUserCommandAddReq{UserID: dora.id, Type: 1, Uuid: "u1",
				Value: wrapperspb.String("v")})
		}},
		{"notes: change", func() error {
			return dora.sdk.User().ProcessUserCommandUpdate(dora.ctx(), &user.ProcessUserCommandUpdateReq{UserID: dora.id, Type: 1, Uuid: "u1",
				Value: wrapperspb.String("w")})
		}},
		{"notes: list", func() error { return second(dora.sdk.User().ProcessUserCommandGetAll(dora.ctx())) }},
		{"notes: delete", func() error {
			return dora.sdk.User().ProcessUserCommandDelete(dora.ctx(), &user.ProcessUserCommandDeleteReq{UserID: dora.id, Type: 1, Uuid: "u1"})
		}},

		{"a friend: remark", func() error {
			return dora.sdk.Relation().UpdateFriends(dora.ctx(), &relation.UpdateFriendsReq{OwnerUserID: dora.id, FriendUserIDs: []string{emil.id},
				Remark: wrapperspb.String("E")})
		}},
		{"a friend: by id", func() error {
			return second(dora.sdk.Relation().GetSpecifiedFriendsInfo(dora.ctx(), []string{emil.id}, false))
		}},
		{"friendship: those asked", func() error {
			return second(dora.sdk.Relation().GetFriendApplicationListAsApplicant(dora.ctx(),
				&sdk_params_callback.GetFriendApplicationListAsApplicantReq{Count: 10}))
		}},
		{"blocked: add", func() error { return dora.sdk.Relation().AddBlack(dora.ctx(), fred.id, "") }},
		{"blocked: remove", func() error {
			dora.await(t, 0, "OnBlackAdded")
			return dora.sdk.Relation().RemoveBlack(dora.ctx(), fred.id)
		}},

		{"a group: by id", func() error { return second(fred.sdk.Group().GetSpecifiedGroupsInfo(fred.ctx(), []string{team})) }},
		{"a group: change", func() error {
			return dora.sdk.Group().SetGroupInfo(dora.ctx(), &group.SetGroupInfoExReq{GroupID: team, GroupName: wrapperspb.String("Go"),
				NeedVerification: wrapperspb.Int32(2)})
		}},
		{"a group: one's name in it", func() error {
			return emil.sdk.Group().SetGroupMemberInfo(emil.ctx(), &group.SetGroupMemberInfo{GroupID: team, UserID: emil.id,
				Nickname: wrapperspb.String("E.")})
		}},
		{"a group: join", func() error { return fred.sdk.Group().JoinGroup(fred.ctx(), team, "let me in", 3, "") }},
		{"a group: members", func() error { return second(dora.sdk.Group().GetGroupMemberList(dora.ctx(), team, 0, 0, 10)) }},
		{"a group: some members", func() error {
			return second(dora.sdk.Group().GetSpecifiedGroupMembersInfo(dora.ctx(), team, []string{emil.id}))
		}},
		{"a group: which of them are in", func() error {
			return second(dora.sdk.Group().GetUsersInGroup(dora.ctx(), team, []string{emil.id, fred.id}))
		}},
		{"a group: applications to it", func() error {
			return second(dora.sdk.Group().GetGroupApplicationListAsRecipient(dora.ctx(),
				&sdk_params_callback.GetGroupApplicationListAsRecipientReq{Count: 10}))
		}},
		{"a group: one's own applications", func() error {
			return second(fred.sdk.Group().GetGroupApplicationListAsApplicant(fred.ctx(),
				&sdk_params_callback.GetGroupApplicationListAsApplicantReq{Count: 10}))
		}},
		{"a group: silence a member", func() error { return dora.sdk.Group().ChangeGroupMemberMute(dora.ctx(), team, emil.id, 60) }},
		{"a group: unmute a member", func() error { return dora.sdk.Group().ChangeGroupMemberMute(dora.ctx(), team, emil.id, 0) }},
		{"a group: silence", func() error { return dora.sdk.Group().ChangeGroupMute(dora.ctx(), team, true) }},
		{"a group: let it speak", func() error { return dora.sdk.Group().ChangeGroupMute(dora.ctx(), team, false) }},
		{"a group: throw out", func() error { return dora.sdk.Group().KickGroupMember(dora.ctx(), team, "", []string{fred.id}) }},
		{"a group: invite", func() error { return dora.sdk.Group().InviteUserToGroup(dora.ctx(), team, "", []string{fred.id}) }},
		{"a group: hand over", func() error { return dora.sdk.Group().TransferGroupOwner(dora.ctx(), team, emil.id) }},
		{"a group: leave", func() error { return dora.sdk.Group().QuitGroup(dora.ctx(), team) }},
		{"a group: end", func() error { return emil.sdk.Group().DismissGroup(emil.ctx(), team) }},

		{"typing", func() error { return dora.sdk.Conversation().TypingStatusUpdate(dora.ctx(), emil.id, "yes") }},
		{"input states", func() error { return dora.sdk.Conversation().ChangeInputStates(dora.ctx(), single, true) }},
		{"a message for those online alone", func() error {
			m, err := dora.sdk.Conversation().CreateTextMessage(dora.ctx(), "only now")
			if err != nil {
				return err
			}
			return second(dora.sdk.Conversation().SendMessage(dora.ctx(), m, emil.id, "", nil, true))
		}},
		{"a card, a place, something of the app's own", func() error {
			card, err := dora.sdk.Conversation().CreateCardMessage(dora.ctx(), &sdk_struct.CardElem{UserID: fred.id, Nickname: "F"})
			if err != nil {
				return err
			}
			place, err := dora.sdk.Conversation().CreateLocationMessage(dora.ctx(), "here", 13.4, 52.5)
			if err != nil {
				return err
			}
			custom, err := dora.sdk.Conversation().CreateCustomMessage(dora.ctx(), `{"move":"e4"}`, "", "")
			if err != nil {
				return err
			}
			for _, m := range []*sdk_struct.MsgStruct{card, place, custom} {
				if _, err := dora.sdk.Conversation().SendMessage(dora.ctx(), m, emil.id, "", nil, false); err != nil {
					return err
				}
			}
			return nil
		}},
		{"read: some messages", func() error {
			return emil.sdk.Conversation().MarkMessagesAsReadByMsgID(emil.ctx(), single, []string{said.ClientMsgID})
		}},
		{"read: everything", func() error { return emil.sdk.Conversation().MarkAllConversationMessageAsRead(emil.ctx()) }},
		{"delete: a message", func() error { return emil.sdk.Conversation().DeleteMessage(emil.ctx(), single, said.ClientMsgID) }},
		{"delete: what was said in a conversation", func() error {
			return emil.sdk.Conversation().ClearConversationAndDeleteAllMsg(emil.ctx(), single)
		}},
		{"delete: a conversation", func() error {
			return emil.sdk.Conversation().DeleteConversationAndDeleteAllMsg(emil.ctx(), single)
		}},
		{"delete: everything", func() error { return fred.sdk.Conversation().DeleteAllMsgFromLocalAndServer(fred.ctx()) }},

		{"presence of others", func() error {
			online, err := dora.sdk.LongConnMgr().SubscribeUsersStatus(dora.ctx(), []string{emil.id})
			NewWithT(t).Expect(online).To(HaveLen(1))
			NewWithT(t).Expect(online[0].PlatformIDs).To(ConsistOf(emil.platform))
			return err
		}},
		{"presence: no more", func() error { return dora.sdk.LongConnMgr().UnsubscribeUsersStatus(dora.ctx(), []string{emil.id}) }},
		{"into the background", func() error { return dora.sdk.SetAppBackgroundStatus(dora.ctx(), true) }},
		{"into the foreground", func() error { return dora.sdk.SetAppBackgroundStatus(dora.ctx(), false) }},
		{"the badge", func() error { return dora.sdk.Third().SetAppBadge(dora.ctx(), 3) }},
		{"the push token", func() error { return dora.sdk.Third().UpdateFcmToken(dora.ctx(), "fcm", 0) }},
		{"friendship: end", func() error { return dora.sdk.Relation().DeleteFriend(dora.ctx(), emil.id) }},
	} {
		t.Run(c.name, func(t *testing.T) { NewWithT(t).Expect(c.do()).To(Succeed()) })
	}

	t.Run("what this release of OpenIM does not know is an error of that call alone", func(t *testing.T) {
		g := NewWithT(t)
		_, err := dora.sdk.Relation().GetFriendApplicationUnhandledCount(dora.ctx(), &sdk_params_callback.GetSelfUnhandledApplyCountReq{})
		g.Expect(err).To(HaveOccurred())
		_, err = dora.sdk.Group().GetGroupApplicationUnhandledCount(dora.ctx(), &sdk_params_callback.GetGroupApplicationUnhandledCountReq{})
		g.Expect(err).To(HaveOccurred())
		g.Expect(dora.since(0, "OnUserTokenInvalid")).To(BeEmpty())
		g.Expect(dora.since(0, "OnKickedOffline")).To(BeEmpty())
	})

	t.Run("all still hear each other", func(t *testing.T) {
		for _, pair := range [][2]*device{{dora, emil}, {emil, fred}, {fred, dora}} {
			mark := pair[1].mark()
			pair[0].say(t, pair[1].id, "still there?")
			pair[1].hears(t, mark, pair[0].id, "still there?")
		}
	})

	t.Run("and the friend is one no more", func(t *testing.T) {
		friends, err := dora.sdk.Relation().GetFriendList(dora.ctx(), false)
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(each(friends, func(f *model_struct.LocalFriend) string { return f.FriendUserID })).To(BeEmpty())
	})
}

func second[T any](_ T, err error) error { return err }
