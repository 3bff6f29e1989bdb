package openim

// registeredName is a name under which an rpc process registers in etcd.
type registeredName struct {
	// Key in share.yml's rpcRegisterName.
	Key string
	// Value is the name itself.
	Value string
}

// services are upstream's default names (config/share.yml).
var services = []registeredName{
	{"user", "user"}, {"friend", "friend"}, {"msg", "msg"}, {"push", "push"}, {"messageGateway", "messageGateway"},
	{"group", "group"}, {"auth", "auth"}, {"conversation", "conversation"}, {"third", "third"},
}

// Notification is an event that OpenIM sends to its clients.
type Notification struct {
	// Key in notification.yml.
	Key string
	// Message is true when the event also appears as a message in the conversation.
	Message bool
}

// notifications are upstream's defaults (config/notification.yml, the same for all supported releases). Offline push is
// disabled: no push vendor is configured.
var notifications = []Notification{
	{"groupCreated", true}, {"groupInfoSet", false}, {"joinGroupApplication", false}, {"memberQuit", true},
	{"groupApplicationAccepted", false}, {"groupApplicationRejected", false}, {"groupOwnerTransferred", true},
	{"memberKicked", true}, {"memberInvited", true}, {"memberEnter", true}, {"groupDismissed", true},
	{"groupMuted", true}, {"groupCancelMuted", true}, {"groupMemberMuted", true}, {"groupMemberCancelMuted", true},
	{"groupMemberInfoSet", false}, {"groupInfoSetAnnouncement", true}, {"groupInfoSetName", true},
	{"friendApplicationAdded", false}, {"friendApplicationApproved", true}, {"friendApplicationRejected", false},
	{"friendAdded", false}, {"friendDeleted", false}, {"friendRemarkSet", false}, {"blackAdded", false},
	{"blackDeleted", false}, {"friendInfoUpdated", false}, {"userInfoUpdated", false}, {"userStatusChanged", false},
	{"conversationChanged", false}, {"conversationSetPrivate", true},
}
