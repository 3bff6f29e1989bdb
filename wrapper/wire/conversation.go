package wire

import (
	"strings"
)

// ConversationKind is the part of a conversation's id before the first underscore. The kinds are those of OpenIM's
// pkg/msgprocessor/conversation.go, which are the same in every supported release.
type ConversationKind string

// Kinds of conversations.
const (
	SingleChat        ConversationKind = "si" // si_<a>_<b>, a <= b: two users
	GroupChat         ConversationKind = "sg" // sg_<group>
	OldGroupChat      ConversationKind = "g"  // g_<group>: groups of OpenIM 2
	SystemChat        ConversationKind = "sn" // sn_<a>_<b>: system notices to a user; SDKs also write <sender>_<receiver>
	NotificationQueue ConversationKind = "n"  // n_<a>_<b>, a <= b, or n_<group>: notifications about a conversation
)

// Conversation is the parsed id of a conversation.
type Conversation struct {
	Kind ConversationKind
	Rest string // the part after the kind's underscore
}

// ParseConversation parses an id. ok is false for an id that OpenIM never creates.
func ParseConversation(id string) (c Conversation, ok bool) {
	kind, rest, found := strings.Cut(id, "_")
	c = Conversation{Kind: ConversationKind(kind), Rest: rest}
	if !found || rest == "" {
		return Conversation{}, false
	}
	switch c.Kind {
	case GroupChat, OldGroupChat, NotificationQueue:
		return c, true
	case SingleChat, SystemChat:
		return c, strings.Contains(rest, "_")
	}
	return Conversation{}, false
}

// Group returns the group of a conversation. A notification queue whose rest contains an underscore belongs to two users: the
// gateway refuses to create a group whose id contains an underscore.
func (c Conversation) Group() (groupID string, ok bool) {
	switch c.Kind {
	case GroupChat, OldGroupChat:
		return c.Rest, true
	case NotificationQueue:
		return c.Rest, !strings.Contains(c.Rest, "_")
	}
	return "", false
}

// Peers returns the possible other users of a conversation of two, none if user cannot take part in it. User ids may contain
// underscores, so that an id can have two readings: si_a_b_c is {a, b_c} or {a_b, c}. certain reports whether there is only one
// reading; otherwise a peer's existence proves nothing.
func (c Conversation) Peers(user string) (peers []string, certain bool) {
	if _, group := c.Group(); group || user == "" {
		return nil, true
	}
	if peer, ok := strings.CutPrefix(c.Rest, user+"_"); ok && c.inOrder(user, peer) {
		peers = append(peers, peer)
	}
	if peer, ok := strings.CutSuffix(c.Rest, "_"+user); ok && peer != user && c.inOrder(peer, user) {
		peers = append(peers, peer)
	}
	return peers, strings.Count(c.Rest, "_") == 1
}

func (c Conversation) inOrder(first, second string) bool {
	return first != "" && second != "" && (c.Kind == SystemChat || first <= second)
}
