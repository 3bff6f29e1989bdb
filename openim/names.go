package openim

// registeredNames returns the names under which processes register in etcd, in the order of the catalogue. They are upstream's defaults,
// in which a key of share.yml and its value are the same.
func registeredNames() []string {
	var names []string
	for _, p := range catalogue {
		if p.Registered != "" {
			names = append(names, p.Registered)
		}
	}
	return names
}

// notifications are upstream's defaults (config/notification.yml, the same for all supported releases). Offline push is
// disabled: no push vendor is configured. The last two are not in that file, but OpenIM has them.
var notifications = []Notification{
	{Key: "groupCreated", Message: true}, {Key: "groupInfoSet"}, {Key: "joinGroupApplication"}, {Key: "memberQuit", Message: true},
	{Key: "groupApplicationAccepted"}, {Key: "groupApplicationRejected"}, {Key: "groupOwnerTransferred", Message: true},
	{Key: "memberKicked", Message: true}, {Key: "memberInvited", Message: true}, {Key: "memberEnter", Message: true},
	{Key: "groupDismissed", Message: true}, {Key: "groupMuted", Message: true}, {Key: "groupCancelMuted", Message: true},
	{Key: "groupMemberMuted", Message: true}, {Key: "groupMemberCancelMuted", Message: true}, {Key: "groupMemberInfoSet"},
	{Key: "groupInfoSetAnnouncement", Message: true}, {Key: "groupInfoSetName", Message: true}, {Key: "friendApplicationAdded"},
	{Key: "friendApplicationApproved", Message: true}, {Key: "friendApplicationRejected"}, {Key: "friendAdded"},
	{Key: "friendDeleted"}, {Key: "friendRemarkSet"}, {Key: "blackAdded"}, {Key: "blackDeleted"}, {Key: "friendInfoUpdated"},
	{Key: "userInfoUpdated"}, {Key: "userStatusChanged"}, {Key: "conversationChanged"},
	{Key: "conversationSetPrivate", Message: true}, {Key: "groupMemberSetToAdmin"}, {Key: "groupMemberSetToOrdinary"},
}
