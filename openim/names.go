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
