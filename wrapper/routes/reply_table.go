package routes

// replyRules has the rules for the replies of users' routes, by OpenIM's path. The caller receives messages, conversations, contacts and
// groups only if they are the caller's according to their own members, or if the request names them. The reason: OpenIM serves some of
// these routes by patterns, with swapped arguments, or interprets an empty list as everything.
var replyRules = map[string][]Keep{
	"/conversation/get_sorted_conversation_list": {
		{Entry: "conversationElems[]", Field: "conversationID", If: PartyNow},
		{Entry: "conversationElems[]", Field: "msgInfo", If: OfConversation, With: "conversationElems[].conversationID"},
	},
	"/conversation/get_all_conversations":     records("conversations[]"),
	"/conversation/get_conversation":          records("conversation"),
	"/conversation/get_conversations":         records("conversations[]"),
	"/conversation/get_owner_conversation":    records("conversations[]"),
	"/conversation/get_full_conversation_ids": {{Entry: "conversationIDs[]", If: OwnConversation}},
	"/conversation/get_incremental_conversations": append(append(records("insert[]"), records("update[]")...),
		Keep{Entry: "delete[]", If: OwnConversation}),
	"/conversation/get_not_notify_conversation_ids": {{Entry: "conversationIDs[]", If: OwnConversation}},
	"/conversation/get_pinned_conversation_ids":     {{Entry: "conversationIDs[]", If: OwnConversation}},

	"/msg/newest_seq": {{Entry: "maxSeqs{}", If: PartyNow}, {Entry: "minSeqs{}", If: PartyNow}},
	"/msg/get_conversations_has_read_and_max_seq": {
		{Entry: "seqs{}", If: PartyNow}, {Entry: "pinnedConversationIDs[]", If: OwnConversation},
	},
	"/msg/pull_msg_by_seq": {
		{Entry: "msgs{}", If: PartyNow}, {Entry: "msgs{}.Msgs[]", If: OfConversation, With: "msgs{}"},
		{Entry: "notificationMsgs{}", If: PartyNow}, {Entry: "notificationMsgs{}.Msgs[]", If: OfConversation, With: "notificationMsgs{}"},
	},
	"/jssdk/get_conversations":        withLastMessage,
	"/jssdk/get_active_conversations": withLastMessage,

	"/friend/get_friend_list":            {{Entry: "friendsInfo[]", Field: "ownerUserID", If: OwnedBySelf}},
	"/friend/get_designated_friends":     {{Entry: "friendsInfo[]", Field: "ownerUserID", If: OwnedBySelf}},
	"/friend/get_friend_apply_list":      {{Entry: "FriendRequests[]", Field: "toUserID", If: OwnedBySelf}},
	"/friend/get_self_friend_apply_list": {{Entry: "friendRequests[]", Field: "fromUserID", If: OwnedBySelf}},
	"/friend/get_black_list":             {{Entry: "blacks[]", Field: "ownerUserID", If: OwnedBySelf}},
	"/friend/get_specified_blacks":       {{Entry: "blacks[]", Field: "ownerUserID", If: OwnedBySelf}},
	"/friend/get_specified_friends_info": {
		{Entry: "infos[].friendInfo", Field: "ownerUserID", If: OwnedBySelf},
		{Entry: "infos[].blackInfo", Field: "ownerUserID", If: OwnedBySelf},
	},
	"/friend/get_incremental_friends": {
		{Entry: "insert[]", Field: "ownerUserID", If: OwnedBySelf}, {Entry: "update[]", Field: "ownerUserID", If: OwnedBySelf},
	},

	"/user/get_users_info":   {{Entry: "usersInfo[]", Field: "userID", If: Requested, With: "userIDs[]"}},
	"/user/get_users_status": {{Entry: "statusList[]", Field: "userID", If: Requested, With: "userIDs[]"}},

	"/group/get_groups_info":         {{Entry: "groupInfos[]", Field: "groupID", If: Requested, With: "groupIDs[]"}},
	"/group/get_group_abstract_info": {{Entry: "groupAbstractInfos[]", Field: "groupID", If: Requested, With: "groupIDs[]"}},
	"/group/get_group_member_list":   {{Entry: "members[]", Field: "groupID", If: Requested, With: "groupID"}},
	"/group/get_group_members_info": {
		{Entry: "members[]", Field: "groupID", If: Requested, With: "groupID"},
		{Entry: "members[]", Field: "userID", If: Requested, With: "userIDs[]"},
	},
	"/group/get_incremental_group_members": {
		{Entry: "insert[]", Field: "groupID", If: Requested, With: "groupID"},
		{Entry: "update[]", Field: "groupID", If: Requested, With: "groupID"},
		{Entry: "group", Field: "groupID", If: Requested, With: "groupID"},
	},
	"/group/get_incremental_group_members_batch": {
		{Entry: "respList{}", If: Requested, With: "reqList[].groupID"},
		{Entry: "respList{}.insert[]", Field: "groupID", If: Requested, With: "reqList[].groupID"},
		{Entry: "respList{}.update[]", Field: "groupID", If: Requested, With: "reqList[].groupID"},
		{Entry: "respList{}.group", Field: "groupID", If: Requested, With: "reqList[].groupID"},
	},
	"/group/get_user_req_group_applicationList":    {{Entry: "groupRequests[]", Field: "userInfo.userID", If: OwnedBySelf}},
	"/group/get_group_users_req_application_list":  {{Entry: "groupRequests[]", Field: "groupInfo.groupID", If: Requested, With: "groupID"}},
	"/group/get_specified_user_group_request_info": {{Entry: "groupRequests[]", Field: "groupInfo.groupID", If: Requested, With: "groupID"}},
}

// records returns the rules for OpenIM's records of the caller's conversations.
func records(entry string) []Keep {
	return []Keep{{Entry: entry, Field: "ownerUserID", If: OwnedBySelf}, {Entry: entry, Field: "conversationID", If: OwnConversation}}
}

// withLastMessage has the rules for conversations with their newest messages. Both routes search OpenIM's messages by a pattern.
var withLastMessage = []Keep{
	{Entry: "conversations[]", Field: "conversation.ownerUserID", If: OwnedBySelf},
	{Entry: "conversations[]", Field: "conversation.conversationID", If: PartyNow},
	{Entry: "conversations[]", Field: "lastMsg", If: OfConversation, With: "conversations[].conversation.conversationID"},
	{Entry: "conversations[].friend", Field: "ownerUserID", If: OwnedBySelf},
}
