package routes

// Do is what is done with a field of a user's body before OpenIM sees it.
type Do string

// What is done. "The caller" is the user of the session, never what the body says.
const (
	// Self: must be the caller; filled in when it is absent or empty.
	Self Do = "must be the caller"
	// Overwritten: becomes the caller, whatever was there.
	Overwritten Do = "becomes the caller"
	// EachSelf: a list, each element of which must be the caller; a missing list becomes the caller alone.
	EachSelf Do = "each must be the caller"
	// OneSelf: this field or the one named by With must be the caller.
	OneSelf Do = "one of both must be the caller"
	// Platform: becomes the platform of the caller's session.
	Platform Do = "becomes the session's platform"
	// Other: names whom the call is about; may be anybody.
	Other Do = "may be another user"
	// Party: a conversation that the caller is a party of now.
	Party Do = "must be a conversation of the caller's"
	// Filled: the same in a list; a list that is empty or absent, which OpenIM takes for all that it ever kept, becomes all of those.
	Filled Do = "must be conversations of the caller's; an empty list becomes all of them"
	// Kept: the same, or a group's that stands in the caller's own list since he was in it. For calls that change nothing but
	// what OpenIM keeps of the caller himself.
	Kept Do = "must be a conversation of the caller's, or a group's that he has kept"
	// OwnRecord: OpenIM looks it up among the caller's own conversations alone.
	OwnRecord Do = "is looked up among the caller's own"
	// Described: the members peer, group and type beside a conversation's id must be those that the id means.
	Described Do = "must be what the conversation's id says"
	// Member: a group that the caller is a member of.
	Member Do = "must be a group that the caller is in"
	// Manager: a group that the caller owns or administers.
	Manager Do = "must be a group that the caller runs"
	// Role: a group; OpenIM itself checks the caller's role in it, at every supported release.
	Role Do = "OpenIM checks the caller's role in it"
	// Live: the same, and the group must not be dismissed: OpenIM would mend its state with the next change.
	Live Do = "must be a group that is not dismissed; OpenIM checks the caller's role in it"
	// Public: a group of which what is public is told, or which the caller asks to join.
	Public Do = "may be any group"
	// UpTo: sequence numbers that must not be above the newest of the conversation that With names.
	UpTo Do = "must not be above the newest message"
	// Spans: ranges of sequence numbers, which may list bounds.Span together.
	Spans Do = "may list a bounded number of messages together"
	// PeersToo: a switch that OpenIM also writes into the list of the conversation's other user, which must not have blocked the
	// caller, and must be a friend or have the conversation.
	PeersToo Do = "must be allowed by the conversation's other user; left out where there is none"
	// Pictures: is left out unless the backend is configured to have pictures made.
	Pictures Do = "is left out unless small pictures are configured"
	// OwnName: an object's name, which must begin with the caller's id and a slash.
	OwnName Do = "must begin with the caller's id and a slash"
	// AnyName: an object's name of anybody's; who was told the name may read the object.
	AnyName Do = "may be anybody's object"
	// UploadTicket: OpenIM's unsigned upload id; its inner key must be one that OpenIM makes.
	UploadTicket Do = "must be an upload id as OpenIM makes it"
	// FormTicket: OpenIM's unsigned form id; its inner key and name must be the caller's own.
	FormTicket Do = "must be a form id of the caller's"
	// AtMostOne: a list of at most one element.
	AtMostOne Do = "must have at most one element"
	// Never: must be absent, false, 0 or empty, and is left out.
	Never Do = "must not be set"
	// Dropped: is left out, whatever it holds.
	Dropped Do = "is left out"
)

// Identity is one rule of a row: a field, by the notation of Route.Users, and what is done with it.
type Identity struct {
	Field string
	Do    Do
	With  string // OneSelf: the other field; UpTo: the conversation's
	Why   string // where it is not plain
}

// NamesUsers reports whether the field holds user ids.
func (i Identity) NamesUsers() bool {
	switch i.Do {
	case Self, Overwritten, EachSelf, OneSelf, Other:
		return true
	}
	return false
}

// Caller is whom a session belongs to.
type Caller struct {
	UserID     string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	// Pictures lets objects be asked for as small pictures, which openim-rpc-third makes in its memory.
	Pictures bool
}

// NeedKind is what has to be looked up.
type NeedKind string

// Kinds.
const (
	NeedParty   NeedKind = "party"   // of conversations
	NeedKept    NeedKind = "kept"    // party of conversations, or they stand in his own list
	NeedMember  NeedKind = "member"  // of groups
	NeedManager NeedKind = "manager" // owner or administrator of groups
	NeedAll     NeedKind = "all"     // an empty list that becomes the conversations that the caller is a party of: see Fill
	NeedLive    NeedKind = "live"    // groups that are not dismissed
	NeedSeq     NeedKind = "seq"     // a conversation whose newest message is at least Seq
	NeedPeer    NeedKind = "peer"    // a conversation whose other user lets the caller write into their list
)

// Need is what the body alone does not tell. Where the field stands in a list, what the caller is not is left out of it by
// Trim, and the call is refused when nothing is left; a field that stands alone is refused.
type Need struct {
	Kind  NeedKind
	Field string
	IDs   []string // without repetition, in the order of the body
	Seq   int64    // NeedSeq: the largest number
	Peer  string   // NeedPeer: the other user
}

// Rule says in words what the caller must be.
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
