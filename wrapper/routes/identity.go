package routes

// Rule is the rule for a field of a user's body, which is applied before OpenIM receives the body.
type Rule string

// Values of Do. "The caller" is the user of the session, never a user that the body names.
const (
	// Self: must be the caller; set to the caller if absent or empty.
	Self Rule = "must be the caller"
	// Overwritten: is replaced by the caller.
	Overwritten Rule = "becomes the caller"
	// EachSelf: a list of which each element must be the caller; a missing list becomes the caller.
	EachSelf Rule = "each must be the caller"
	// OneSelf: this field or the one named by With must be the caller.
	OneSelf Rule = "one of both must be the caller"
	// Platform: is replaced by the platform of the caller's session.
	Platform Rule = "becomes the session's platform"
	// Other: names the user whom the call concerns; any user is permitted.
	Other Rule = "may be another user"
	// Party: a conversation of which the caller is a participant now.
	Party Rule = "must be a conversation of the caller's"
	// Filled: the same in a list. OpenIM interprets an empty or absent list as all conversations that it ever stored for the user; it is
	// replaced by the conversations of which the caller is a participant.
	Filled Rule = "must be conversations of the caller's; an empty list becomes all of them"
	// Kept: the same, or a conversation of a group that is still in the caller's own list. For calls that change only what OpenIM stores
	// for the caller.
	Kept Rule = "must be a conversation of the caller's, or a group's that is still in the caller's list"
	// OwnRecord: OpenIM searches it among the caller's own conversations only.
	OwnRecord Rule = "is looked up among the caller's own"
	// Described: the members for peer, group and type beside a conversation's id must agree with the id.
	Described Rule = "must be what the conversation's id says"
	// Member: a group of which the caller is a member.
	Member Rule = "must be a group that the caller is in"
	// Manager: a group that the caller owns or administers.
	Manager Rule = "must be a group that the caller runs"
	// Role: a group; OpenIM itself checks the caller's role in it, in every supported release.
	Role Rule = "OpenIM checks the caller's role in it"
	// Live: the same, and the group must not be dismissed, because OpenIM would reactivate it with the next change.
	Live Rule = "must be a group that is not dismissed; OpenIM checks the caller's role in it"
	// Public: a group of which public data is read, or which the caller asks to join.
	Public Rule = "may be any group"
	// UpTo: sequence numbers that must not exceed the newest of the conversation that With names.
	UpTo Rule = "must not be above the newest message"
	// Spans: ranges of sequence numbers, which may contain bounds.Span numbers together.
	Spans Rule = "may list a bounded number of messages together"
	// PeersToo: a setting that OpenIM also writes into the list of the conversation's other user. That user must not have blocked the
	// caller, and must be a friend or have the conversation.
	PeersToo Rule = "must be allowed by the conversation's other user; removed if there is none"
	// Pictures: is removed unless the backend is configured for thumbnails.
	Pictures Rule = "is removed unless thumbnails are configured"
	// OwnName: an object's name, which must begin with the caller's id and a slash.
	OwnName Rule = "must begin with the caller's id and a slash"
	// AnyName: the name of any object; a user who knows the name may read the object.
	AnyName Rule = "may be anybody's object"
	// UploadTicket: the sealed ticket of an upload of the caller's (TicketUpload); becomes OpenIM's, in which the key must be one that OpenIM
	// creates.
	UploadTicket Rule = "must be an upload id that the caller was given; becomes OpenIM's"
	// FormTicket: the same of a form (TicketForm); the key and the name in OpenIM's ticket must be the caller's own.
	FormTicket Rule = "must be a form id that the caller was given; becomes OpenIM's"
	// AtMostOne: a list of at most one element.
	AtMostOne Rule = "must have at most one element"
	// Never: must be absent, false, 0 or empty, and is removed.
	Never Rule = "must not be set"
	// Dropped: is removed, whatever its value.
	Dropped Rule = "is removed"
)

// Identity is the rule for one field, in the notation of Route.Users.
type Identity struct {
	Field string
	Rule  Rule
	With  string // OneSelf: the other field; UpTo: the conversation's field
	Why   string // the reason, where it is not obvious
}

// NamesUsers reports whether the field holds user ids.
func (i Identity) NamesUsers() bool {
	switch i.Rule {
	case Self, Overwritten, EachSelf, OneSelf, Other:
		return true
	}
	return false
}

// Caller is the user of a session.
type Caller struct {
	UserID     string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	// Pictures permits thumbnails of objects, which openim-rpc-third makes in memory.
	Pictures bool
	// Tickets seals and opens the tickets of uploads. nil: calls with a ticket are refused.
	Tickets Tickets
	// OnePart refuses uploads in several parts, of which OpenIM's signature at the object store permits more than the upload.
	OnePart bool
}

// NeedKind is the kind of a condition that must be checked with OpenIM.
type NeedKind string

// Values of NeedKind.
const (
	NeedParty   NeedKind = "party"   // participant of conversations
	NeedKept    NeedKind = "kept"    // participant of conversations, or they are in the caller's own list
	NeedMember  NeedKind = "member"  // member of groups
	NeedManager NeedKind = "manager" // owner or administrator of groups
	NeedAll     NeedKind = "all"     // an empty list, which becomes the caller's conversations: see Fill
	NeedLive    NeedKind = "live"    // groups that are not dismissed
	NeedSeq     NeedKind = "seq"     // a conversation whose newest message is at least Seq
	NeedPeer    NeedKind = "peer"    // a conversation whose other user accepts the caller's settings
)

// Need is a condition that the body alone cannot decide. If the field is in a list, Trim removes the ids that do not satisfy the
// condition, and the call is refused if none is left. Otherwise the call is refused.
type Need struct {
	Kind  NeedKind
	Field string
	IDs   []string // without repetition, in the order of the body
	Seq   int64    // NeedSeq: the largest number
	Peer  string   // NeedPeer: the other user
}

// Rule returns the condition as a text.
func (n Need) Rule() string {
	switch n.Kind {
	case NeedMember:
		return string(Member)
	case NeedManager:
		return string(Manager)
	case NeedKept:
		return string(Kept)
	case NeedLive:
		return string(Live)
	case NeedSeq:
		return string(UpTo)
	case NeedPeer:
		return string(PeersToo)
	}
	return string(Party)
}
