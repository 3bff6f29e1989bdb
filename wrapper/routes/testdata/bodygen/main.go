// Command bodygen prints the shapes of OpenIM's routes from its protocol module. Without arguments it prints the request bodies, for bodies.txt of
// wrapper/routes; with "replies" the replies, for replies.txt. It is a module of its own, so that the wrapper does not depend on OpenIM's protocol.
//
// A reply has a field if either supported line has it. base.mod requires the protocol of v3.8.3, go.mod the one of v3.8.3-patch.5 to patch.16:
//
//	go run . > ../../bodies.txt
//	go run -modfile=base.mod . replies > base.txt
//	go run . replies base.txt > ../../replies.txt
package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/openimsdk/protocol/auth"
	"github.com/openimsdk/protocol/conversation"
	"github.com/openimsdk/protocol/group"
	"github.com/openimsdk/protocol/jssdk"
	"github.com/openimsdk/protocol/msg"
	"github.com/openimsdk/protocol/relation"
	"github.com/openimsdk/protocol/third"
	"github.com/openimsdk/protocol/user"
)

// bodies lists the routes whose body is one protobuf message. The three sending routes and the two online ones have other bodies in OpenIM's API. They
// are for administrators, whose bodies are passed on unchanged.
var bodies = []struct {
	path string
	rpc
}{
	{"/user/user_register", request(reflect.TypeFor[user.UserClient](), "UserRegister")},
	{"/user/update_user_info", request(reflect.TypeFor[user.UserClient](), "UpdateUserInfo")},
	{"/user/update_user_info_ex", request(reflect.TypeFor[user.UserClient](), "UpdateUserInfoEx")},
	{"/user/set_global_msg_recv_opt", request(reflect.TypeFor[user.UserClient](), "SetGlobalRecvMessageOpt")},
	{"/user/get_users_info", request(reflect.TypeFor[user.UserClient](), "GetDesignateUsers")},
	{"/user/get_all_users_uid", request(reflect.TypeFor[user.UserClient](), "GetAllUserID")},
	{"/user/account_check", request(reflect.TypeFor[user.UserClient](), "AccountCheck")},
	{"/user/get_users", request(reflect.TypeFor[user.UserClient](), "GetPaginationUsers")},
	{"/user/subscribe_users_status", request(reflect.TypeFor[user.UserClient](), "SubscribeOrCancelUsersStatus")},
	{"/user/get_users_status", request(reflect.TypeFor[user.UserClient](), "GetUserStatus")},
	{"/user/get_subscribe_users_status", request(reflect.TypeFor[user.UserClient](), "GetSubscribeUsersStatus")},
	{"/user/process_user_command_add", request(reflect.TypeFor[user.UserClient](), "ProcessUserCommandAdd")},
	{"/user/process_user_command_delete", request(reflect.TypeFor[user.UserClient](), "ProcessUserCommandDelete")},
	{"/user/process_user_command_update", request(reflect.TypeFor[user.UserClient](), "ProcessUserCommandUpdate")},
	{"/user/process_user_command_get", request(reflect.TypeFor[user.UserClient](), "ProcessUserCommandGet")},
	{"/user/process_user_command_get_all", request(reflect.TypeFor[user.UserClient](), "ProcessUserCommandGetAll")},
	{"/user/add_notification_account", request(reflect.TypeFor[user.UserClient](), "AddNotificationAccount")},
	{"/user/update_notification_account", request(reflect.TypeFor[user.UserClient](), "UpdateNotificationAccountInfo")},
	{"/user/search_notification_account", request(reflect.TypeFor[user.UserClient](), "SearchNotificationAccount")},
	{"/friend/delete_friend", request(reflect.TypeFor[relation.FriendClient](), "DeleteFriend")},
	{"/friend/get_friend_apply_list", request(reflect.TypeFor[relation.FriendClient](), "GetPaginationFriendsApplyTo")},
	{"/friend/get_designated_friend_apply", request(reflect.TypeFor[relation.FriendClient](), "GetDesignatedFriendsApply")},
	{"/friend/get_self_friend_apply_list", request(reflect.TypeFor[relation.FriendClient](), "GetPaginationFriendsApplyFrom")},
	{"/friend/get_friend_list", request(reflect.TypeFor[relation.FriendClient](), "GetPaginationFriends")},
	{"/friend/get_designated_friends", request(reflect.TypeFor[relation.FriendClient](), "GetDesignatedFriends")},
	{"/friend/add_friend", request(reflect.TypeFor[relation.FriendClient](), "ApplyToAddFriend")},
	{"/friend/add_friend_response", request(reflect.TypeFor[relation.FriendClient](), "RespondFriendApply")},
	{"/friend/set_friend_remark", request(reflect.TypeFor[relation.FriendClient](), "SetFriendRemark")},
	{"/friend/add_black", request(reflect.TypeFor[relation.FriendClient](), "AddBlack")},
	{"/friend/get_black_list", request(reflect.TypeFor[relation.FriendClient](), "GetPaginationBlacks")},
	{"/friend/get_specified_blacks", request(reflect.TypeFor[relation.FriendClient](), "GetSpecifiedBlacks")},
	{"/friend/remove_black", request(reflect.TypeFor[relation.FriendClient](), "RemoveBlack")},
	{"/friend/get_incremental_blacks", request(reflect.TypeFor[relation.FriendClient](), "GetIncrementalBlacks")},
	{"/friend/import_friend", request(reflect.TypeFor[relation.FriendClient](), "ImportFriends")},
	{"/friend/is_friend", request(reflect.TypeFor[relation.FriendClient](), "IsFriend")},
	{"/friend/get_friend_id", request(reflect.TypeFor[relation.FriendClient](), "GetFriendIDs")},
	{"/friend/get_specified_friends_info", request(reflect.TypeFor[relation.FriendClient](), "GetSpecifiedFriendsInfo")},
	{"/friend/update_friends", request(reflect.TypeFor[relation.FriendClient](), "UpdateFriends")},
	{"/friend/get_incremental_friends", request(reflect.TypeFor[relation.FriendClient](), "GetIncrementalFriends")},
	{"/friend/get_full_friend_user_ids", request(reflect.TypeFor[relation.FriendClient](), "GetFullFriendUserIDs")},
	{"/group/create_group", request(reflect.TypeFor[group.GroupClient](), "CreateGroup")},
	{"/group/set_group_info", request(reflect.TypeFor[group.GroupClient](), "SetGroupInfo")},
	{"/group/set_group_info_ex", request(reflect.TypeFor[group.GroupClient](), "SetGroupInfoEx")},
	{"/group/join_group", request(reflect.TypeFor[group.GroupClient](), "JoinGroup")},
	{"/group/quit_group", request(reflect.TypeFor[group.GroupClient](), "QuitGroup")},
	{"/group/group_application_response", request(reflect.TypeFor[group.GroupClient](), "GroupApplicationResponse")},
	{"/group/transfer_group", request(reflect.TypeFor[group.GroupClient](), "TransferGroupOwner")},
	{"/group/get_recv_group_applicationList", request(reflect.TypeFor[group.GroupClient](), "GetGroupApplicationList")},
	{"/group/get_user_req_group_applicationList", request(reflect.TypeFor[group.GroupClient](), "GetUserReqApplicationList")},
	{"/group/get_group_users_req_application_list", request(reflect.TypeFor[group.GroupClient](), "GetGroupUsersReqApplicationList")},
	{"/group/get_specified_user_group_request_info", request(reflect.TypeFor[group.GroupClient](), "GetSpecifiedUserGroupRequestInfo")},
	{"/group/get_groups_info", request(reflect.TypeFor[group.GroupClient](), "GetGroupsInfo")},
	{"/group/kick_group", request(reflect.TypeFor[group.GroupClient](), "KickGroupMember")},
	{"/group/get_group_members_info", request(reflect.TypeFor[group.GroupClient](), "GetGroupMembersInfo")},
	{"/group/get_group_member_list", request(reflect.TypeFor[group.GroupClient](), "GetGroupMemberList")},
	{"/group/invite_user_to_group", request(reflect.TypeFor[group.GroupClient](), "InviteUserToGroup")},
	{"/group/get_joined_group_list", request(reflect.TypeFor[group.GroupClient](), "GetJoinedGroupList")},
	{"/group/dismiss_group", request(reflect.TypeFor[group.GroupClient](), "DismissGroup")},
	{"/group/mute_group_member", request(reflect.TypeFor[group.GroupClient](), "MuteGroupMember")},
	{"/group/cancel_mute_group_member", request(reflect.TypeFor[group.GroupClient](), "CancelMuteGroupMember")},
	{"/group/mute_group", request(reflect.TypeFor[group.GroupClient](), "MuteGroup")},
	{"/group/cancel_mute_group", request(reflect.TypeFor[group.GroupClient](), "CancelMuteGroup")},
	{"/group/set_group_member_info", request(reflect.TypeFor[group.GroupClient](), "SetGroupMemberInfo")},
	{"/group/get_group_abstract_info", request(reflect.TypeFor[group.GroupClient](), "GetGroupAbstractInfo")},
	{"/group/get_groups", request(reflect.TypeFor[group.GroupClient](), "GetGroups")},
	{"/group/get_group_member_user_id", request(reflect.TypeFor[group.GroupClient](), "GetGroupMemberUserIDs")},
	{"/group/get_incremental_join_groups", request(reflect.TypeFor[group.GroupClient](), "GetIncrementalJoinGroup")},
	{"/group/get_incremental_group_members", request(reflect.TypeFor[group.GroupClient](), "GetIncrementalGroupMember")},
	{"/group/get_incremental_group_members_batch", request(reflect.TypeFor[group.GroupClient](), "BatchGetIncrementalGroupMember")},
	{"/group/get_full_group_member_user_ids", request(reflect.TypeFor[group.GroupClient](), "GetFullGroupMemberUserIDs")},
	{"/group/get_full_join_group_ids", request(reflect.TypeFor[group.GroupClient](), "GetFullJoinGroupIDs")},
	{"/auth/get_admin_token", request(reflect.TypeFor[auth.AuthClient](), "GetAdminToken")},
	{"/auth/get_user_token", request(reflect.TypeFor[auth.AuthClient](), "GetUserToken")},
	{"/auth/parse_token", request(reflect.TypeFor[auth.AuthClient](), "ParseToken")},
	{"/auth/force_logout", request(reflect.TypeFor[auth.AuthClient](), "ForceLogout")},
	{"/third/fcm_update_token", request(reflect.TypeFor[third.ThirdClient](), "FcmUpdateToken")},
	{"/third/set_app_badge", request(reflect.TypeFor[third.ThirdClient](), "SetAppBadge")},
	{"/third/logs/upload", request(reflect.TypeFor[third.ThirdClient](), "UploadLogs")},
	{"/third/logs/delete", request(reflect.TypeFor[third.ThirdClient](), "DeleteLogs")},
	{"/third/logs/search", request(reflect.TypeFor[third.ThirdClient](), "SearchLogs")},
	{"/object/part_limit", request(reflect.TypeFor[third.ThirdClient](), "PartLimit")},
	{"/object/part_size", request(reflect.TypeFor[third.ThirdClient](), "PartSize")},
	{"/object/initiate_multipart_upload", request(reflect.TypeFor[third.ThirdClient](), "InitiateMultipartUpload")},
	{"/object/auth_sign", request(reflect.TypeFor[third.ThirdClient](), "AuthSign")},
	{"/object/complete_multipart_upload", request(reflect.TypeFor[third.ThirdClient](), "CompleteMultipartUpload")},
	{"/object/access_url", request(reflect.TypeFor[third.ThirdClient](), "AccessURL")},
	{"/object/initiate_form_data", request(reflect.TypeFor[third.ThirdClient](), "InitiateFormData")},
	{"/object/complete_form_data", request(reflect.TypeFor[third.ThirdClient](), "CompleteFormData")},
	{"/msg/newest_seq", request(reflect.TypeFor[msg.MsgClient](), "GetMaxSeq")},
	{"/msg/search_msg", request(reflect.TypeFor[msg.MsgClient](), "SearchMessage")},
	{"/msg/pull_msg_by_seq", request(reflect.TypeFor[msg.MsgClient](), "PullMessageBySeqs")},
	{"/msg/revoke_msg", request(reflect.TypeFor[msg.MsgClient](), "RevokeMsg")},
	{"/msg/mark_msgs_as_read", request(reflect.TypeFor[msg.MsgClient](), "MarkMsgsAsRead")},
	{"/msg/mark_conversation_as_read", request(reflect.TypeFor[msg.MsgClient](), "MarkConversationAsRead")},
	{"/msg/get_conversations_has_read_and_max_seq", request(reflect.TypeFor[msg.MsgClient](), "GetConversationsHasReadAndMaxSeq")},
	{"/msg/set_conversation_has_read_seq", request(reflect.TypeFor[msg.MsgClient](), "SetConversationHasReadSeq")},
	{"/msg/clear_conversation_msg", request(reflect.TypeFor[msg.MsgClient](), "ClearConversationsMsg")},
	{"/msg/user_clear_all_msg", request(reflect.TypeFor[msg.MsgClient](), "UserClearAllMsg")},
	{"/msg/delete_msgs", request(reflect.TypeFor[msg.MsgClient](), "DeleteMsgs")},
	{"/msg/delete_msg_phsical_by_seq", request(reflect.TypeFor[msg.MsgClient](), "DeleteMsgPhysicalBySeq")},
	{"/msg/delete_msg_physical", request(reflect.TypeFor[msg.MsgClient](), "DeleteMsgPhysical")},
	{"/msg/check_msg_is_send_success", request(reflect.TypeFor[msg.MsgClient](), "GetSendMsgStatus")},
	{"/msg/get_server_time", request(reflect.TypeFor[msg.MsgClient](), "GetServerTime")},
	{"/conversation/get_sorted_conversation_list", request(reflect.TypeFor[conversation.ConversationClient](), "GetSortedConversationList")},
	{"/conversation/get_all_conversations", request(reflect.TypeFor[conversation.ConversationClient](), "GetAllConversations")},
	{"/conversation/get_conversation", request(reflect.TypeFor[conversation.ConversationClient](), "GetConversation")},
	{"/conversation/get_conversations", request(reflect.TypeFor[conversation.ConversationClient](), "GetConversations")},
	{"/conversation/set_conversations", request(reflect.TypeFor[conversation.ConversationClient](), "SetConversations")},
	{"/conversation/get_conversation_offline_push_user_ids", request(reflect.TypeFor[conversation.ConversationClient](), "GetConversationOfflinePushUserIDs")},
	{"/conversation/get_full_conversation_ids", request(reflect.TypeFor[conversation.ConversationClient](), "GetFullOwnerConversationIDs")},
	{"/conversation/get_incremental_conversations", request(reflect.TypeFor[conversation.ConversationClient](), "GetIncrementalConversation")},
	{"/conversation/get_owner_conversation", request(reflect.TypeFor[conversation.ConversationClient](), "GetOwnerConversation")},
	{"/conversation/get_not_notify_conversation_ids", request(reflect.TypeFor[conversation.ConversationClient](), "GetNotNotifyConversationIDs")},
	{"/conversation/get_pinned_conversation_ids", request(reflect.TypeFor[conversation.ConversationClient](), "GetPinnedConversationIDs")},
	{"/statistics/user/register", request(reflect.TypeFor[user.UserClient](), "UserRegisterCount")},
	{"/statistics/user/active", request(reflect.TypeFor[msg.MsgClient](), "GetActiveUser")},
	{"/statistics/group/create", request(reflect.TypeFor[group.GroupClient](), "GroupCreateCount")},
	{"/statistics/group/active", request(reflect.TypeFor[msg.MsgClient](), "GetActiveGroup")},
	{"/jssdk/get_conversations", rpc{reflect.TypeFor[*jssdk.GetConversationsReq](), reflect.TypeFor[*jssdk.GetConversationsResp]()}},
	{"/jssdk/get_active_conversations", rpc{reflect.TypeFor[*jssdk.GetActiveConversationsReq](), reflect.TypeFor[*jssdk.GetActiveConversationsResp]()}},
	{"/friend/get_self_unhandled_apply_count", request(reflect.TypeFor[relation.FriendClient](), "GetSelfUnhandledApplyCount")},
	{"/group/get_group_application_unhandled_count", request(reflect.TypeFor[group.GroupClient](), "GetGroupApplicationUnhandledCount")},
}

// rpc has the request and reply types of a call; zero if this version of the protocol lacks the call.
type rpc struct{ body, reply reflect.Type }

func request(client reflect.Type, method string) rpc {
	m, ok := client.MethodByName(method)
	if !ok {
		return rpc{}
	}
	return rpc{m.Type.In(1), m.Type.Out(0)}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "replies" {
		printReplies(os.Args[2:])
		return
	}
	fmt.Println("# The bodies of OpenIM's routes: field and JSON type. From github.com/openimsdk/protocol v0.0.73-alpha.12, the module of")
	fmt.Println("# v3.8.3-patch.5 to patch.16; what earlier releases lack of it they ignore. Written by testdata/bodygen.")
	for _, b := range bodies {
		fmt.Println(b.path)
		var lines []string
		object("", b.body.Elem(), &lines)
		slices.Sort(lines)
		for _, l := range lines {
			fmt.Println("  " + l)
		}
	}
}

func object(prefix string, t reflect.Type, out *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		value(prefix+name, f.Type, out)
	}
}

func value(name string, t reflect.Type, out *[]string) {
	switch t.Kind() {
	case reflect.Pointer:
		// OpenIM's wrapper types are encoded in JSON as their value.
		if strings.HasSuffix(t.Elem().PkgPath(), "wrapperspb") {
			held, _ := t.Elem().FieldByName("Value")
			value(name, held.Type, out)
			return
		}
		value(name, t.Elem(), out)
	case reflect.Struct:
		object(name+".", t, out)
	case reflect.Slice:
		value(name+"[]", t.Elem(), out)
	case reflect.Map:
		value(name+"{}", t.Elem(), out)
	case reflect.String:
		*out = append(*out, name+" text")
	default:
		*out = append(*out, name+" "+t.Kind().String())
	}
}
