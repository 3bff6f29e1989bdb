package routes

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// KeepIf is the condition under which a user receives an entry of a reply.
type KeepIf string

const (
	// OwnedBySelf: the field is the caller's own user id.
	OwnedBySelf KeepIf = "is the caller"
	// OwnConversation: the field is the id of a conversation that can be in the caller's list: one of the two users is the caller, or it
	// is a group's. It is for data that OpenIM stores for the caller, which outlasts the membership in the group.
	OwnConversation KeepIf = "is a conversation that can be in the caller's list"
	// PartyNow: the field is the id of a conversation of which the caller is a participant now. The check of the request counts; a group
	// that the request does not name is checked.
	PartyNow KeepIf = "is a conversation of which the caller is a participant"
	// OfConversation: the field is a message whose sender, receiver or group are those of the conversation that With names. In a
	// conversation of two, one of them is the caller. The message by which OpenIM replaces a deleted one names nobody.
	OfConversation KeepIf = "is a message of its conversation"
	// Requested: the value is in the request's field With.
	Requested KeepIf = "is one that the request names"
)

// Keep is one rule for a route's reply: an entry is removed unless the condition is true. Fields are in the notation of Route.Users, with
// {} for the values of a map.
type Keep struct {
	// Entry is the entry: an element of a list (conversations[]), a value of a map (msgs{}), or a member (conversation).
	Entry string
	// Field is the field below Entry to which the condition applies; "": the element itself, or the map's key.
	Field string
	If    KeepIf
	// With is the path of the conversation's id in the reply (OfConversation), or a field of the request (AskedFor).
	With string
}

// compiledRule is a Keep with the slots of the values that it needs.
type compiledRule struct {
	is       KeepIf
	slot     int
	with     int    // OfConversation: the conversation's id
	asked    string // AskedFor: the request's field
	receiver int    // OfConversation; slot is the sender
	group    int
	content  int
}

// attach adds a rule to the node of its entry.
func (s *replyShape) attach(k Keep) {
	entry := k.Entry
	at := entry
	if k.Field != "" {
		at = join(entry, k.Field)
	}
	rule := compiledRule{is: k.If, asked: k.With}
	if k.If == OfConversation {
		rule.slot, rule.receiver = s.slotOf(at+".sendID"), s.slotOf(at+".recvID")
		rule.group, rule.content = s.slotOf(at+".groupID"), s.slotOf(at+".content")
		rule.with, rule.asked = s.slotOf(k.With), ""
	} else {
		rule.slot = s.slotOf(at)
	}
	_, list, member := s.find(entry)
	if list != nil {
		list.rules = append(list.rules, rule)
		return
	}
	member.rules = append(member.rules, rule)
}

// ownership decides which entries of one reply are the caller's.
type ownership struct {
	asked   Asked
	checked []string                   // the request's fields of which Enforce has checked the conversations
	named   map[string]map[string]bool // the values of the request's fields
	unknown []string                   // conversations to check
	pending map[string]bool            // the same as unknown
}

func newOwnership(r *Route, asked Asked) *ownership {
	j := &ownership{asked: asked, named: map[string]map[string]bool{}, pending: map[string]bool{}}
	for _, rule := range r.Identity {
		if rule.Rule == Party || rule.Rule == Filled {
			j.checked = append(j.checked, rule.Field)
		}
	}
	return j
}

// allows reports whether the values of an entry satisfy a rule.
func (j *ownership) allows(rule *compiledRule, slots [][]byte) bool {
	id := string(slots[rule.slot])
	switch rule.is {
	case OwnedBySelf:
		return id == j.asked.Caller.UserID
	case OwnConversation:
		return j.canBeInList(id)
	case PartyNow:
		return j.partyNow(id)
	case OfConversation:
		conversation, receiver, group := string(slots[rule.with]), string(slots[rule.receiver]), string(slots[rule.group])
		return j.ofConversation(conversation, id, receiver, group, len(slots[rule.content]) == 0)
	case Requested:
		return j.requested(rule.asked)[id]
	}
	return false
}

// canBeInList reports whether a conversation can be in the caller's list.
func (j *ownership) canBeInList(id string) bool {
	c, ok := wire.ParseConversation(id)
	if !ok {
		return false
	}
	if _, group := c.Group(); group {
		return true
	}
	peers, _ := c.Peers(j.asked.Caller.UserID)
	return len(peers) > 0
}

// partyNow reports whether the caller is a participant. It records a conversation that must be checked, and returns true for it.
func (j *ownership) partyNow(id string) bool {
	if member, known := j.asked.Member[id]; known {
		return member
	}
	for _, field := range j.checked {
		if j.requested(field)[id] {
			return true
		}
	}
	c, ok := wire.ParseConversation(id)
	if !ok {
		return false
	}
	if _, group := c.Group(); !group {
		switch peers, certain := c.Peers(j.asked.Caller.UserID); {
		case len(peers) == 0:
			return false
		case certain:
			return true
		}
	}
	if j.asked.Member != nil {
		return false
	}
	if !j.pending[id] {
		j.pending[id] = true
		j.unknown = append(j.unknown, id)
	}
	return true
}

// ofConversation compares the sender, receiver and group of a message with the conversation that contains it. OpenIM derives the
// conversation from them when it stores a message (pkg/msgprocessor), so that a message with others is of another conversation.
func (j *ownership) ofConversation(conversation, sender, receiver, group string, empty bool) bool {
	if sender == "" && receiver == "" && group == "" {
		return empty // a deleted message, or no message
	}
	c, ok := wire.ParseConversation(conversation)
	if !ok {
		return false
	}
	if id, isGroup := c.Group(); isGroup {
		return group == id
	}
	if sender != j.asked.Caller.UserID && receiver != j.asked.Caller.UserID {
		return false
	}
	return joins(c.Rest, sender, receiver) || joins(c.Rest, receiver, sender)
}

// joins reports whether a text is two user ids joined by an underscore.
func joins(text, first, second string) bool {
	return first != "" && second != "" && len(text) == len(first)+1+len(second) &&
		strings.HasPrefix(text, first) && text[len(first)] == '_' && strings.HasSuffix(text, second)
}

// requested returns the values of a field of the request.
func (j *ownership) requested(path string) map[string]bool {
	if set, there := j.named[path]; there {
		return set
	}
	set := map[string]bool{}
	collect(j.asked.Body, strings.Split(path, "."), set)
	j.named[path] = set
	return set
}

// collect adds the texts at a path of a body to a set.
func collect(value any, steps []string, into map[string]bool) {
	if len(steps) == 0 {
		if text, ok := value.(string); ok && text != "" {
			into[text] = true
		}
		return
	}
	object, _ := value.(map[string]any)
	name, list := strings.CutSuffix(steps[0], "[]")
	if !list {
		collect(object[name], steps[1:], into)
		return
	}
	elements, _ := object[name].([]any)
	for _, e := range elements {
		collect(e, steps[1:], into)
	}
}
