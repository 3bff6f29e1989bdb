package wire

import (
	"strings"
)

// ConversationKind is what stands before the first underscore of a conversation's id
// (OpenIM's pkg/msgprocessor/conversation.go, the same at every supported release).
type ConversationKind string

// Kinds.
const (
	SingleChat        ConversationKind = "si" // si_<a>_<b>, a <= b: two users
	GroupChat         ConversationKind = "sg" // sg_<group>
	OldGroupChat      ConversationKind = "g"  // g_<group>: groups of OpenIM 2
	SystemChat        ConversationKind = "sn" // sn_<a>_<b>: an account's notices to a user; SDKs also write <sender>_<receiver>
	NotificationQueue ConversationKind = "n"  // n_<a>_<b>, a <= b, or n_<group>: what clients are told about the others
)

// Conversation is a conversation's id, taken apart as far as that is possible without asking anybody.
type Conversation struct {
	Kind ConversationKind
	Rest string // all after the kind
}

// ParseConversation takes an id apart; ok is false for what OpenIM never makes.
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

// Group returns the group that a conversation is of. A notification queue with an underscore in it is a pair of users': the
// gateway lets nobody make a group whose id holds one.
func (c Conversation) Group() (groupID string, ok bool) {
	switch c.Kind {
	case GroupChat, OldGroupChat:
		return c.Rest, true
	case NotificationQueue:
		return c.Rest, !strings.Contains(c.Rest, "_")
	}
	return "", false
}

// Peers returns the users that may stand beside user in a conversation of two, none when he cannot be in it. User ids may
// hold underscores, so si_a_b_c is {a, b_c} or {a_b, c}. certain says that the id has one reading only; without it, one of
// the peers' being there proves nothing.
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
