package openimclient

// Paths returns OpenIM's paths that the client calls by itself, beside the routes that callers name.
func Paths() []string {
	return []string{
		pathAccountCheck, pathAdminToken, pathConversationIDs, pathForceLogout, pathGetConversations, pathGroupMembers, pathGroupsInfo,
		pathIsFriend, pathJoinedGroups, pathParseToken, pathReadAndMaxSeq, pathRegister, pathSpecifiedBlacks, pathUserToken, pathUsersInfo,
	}
}
