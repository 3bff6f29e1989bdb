package routes

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// KeepIf is what must be true of an entry of a reply for a user to get it.
type KeepIf string

const (
	// OwnedBySelf: the field is the caller's own user id.
	OwnedBySelf KeepIf = "is the caller"
	// OwnConversation: the field is the id of a conversation that can stand in the caller's list: one of the two users is the caller, or
	// it is a group's. For what OpenIM keeps of the caller himself, which outlasts his being in the group.
	OwnConversation KeepIf = "is a conversation that may stand in the caller's list"
	// PartyNow: the field is the id of a conversation that the caller is a party of now. The request's own check counts; a group
	// that the request did not name is looked up.
	PartyNow KeepIf = "is a conversation that the caller is a party of"
	// OfConversation: the field is a message whose sender, receiver or group are those of the conversation that With names; in a
	// conversation of two, one of them is the caller. What OpenIM puts in the place of a deleted message names nobody.
	OfConversation KeepIf = "is a message of its conversation"
	// AskedFor: the field is what the request's field With names.
	AskedFor KeepIf = "is what the request asked for"
)

// Keep is one rule about a route's reply: an entry is left out, unless. Fields are in the notation of Route.Users, with {} for the
// values of a map.
type Keep struct {
	// Entry is what is left out: an element of a list (conversations[]), a value of a map (msgs{}), or a member (conversation).
	Entry string
	// Field is what is looked at, below Entry; "": the element itself, or the map's key.
	Field string
	If    KeepIf
	// With is the conversation's id, from the reply's beginning (OfConversation), or a field of the request (AskedFor).
	With string
}

// compiledRule is a Keep with the slots that hold what it looks at.
type compiledRule struct {
	is       KeepIf
	slot     int
	with     int    // OfConversation: the conversation's id
	asked    string // AskedFor: the request's field
	receiver int    // OfConversation; slot is the sender
	group    int
	content  int
}

// attach puts a rule where its entry is read.
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

// judge knows what may be the caller's in one reply.
type judge struct {
	asked   Asked
	checked []string                   // the request's fields whose conversations were found to be the caller's
	named   map[string]map[string]bool // what a field of the request named
	unknown []string                   // conversations to look up
	pending map[string]bool            // the same
}

func newJudge(r *Route, asked Asked) *judge {
	j := &judge{asked: asked, named: map[string]map[string]bool{}, pending: map[string]bool{}}
	for _, rule := range r.Identity {
		if rule.Do == Party || rule.Do == Filled {
			j.checked = append(j.checked, rule.Field)
		}
	}
	return j
}

func (j *judge) allows(rule *compiledRule, slots [][]byte) bool {
	id := string(slots[rule.slot])
	switch rule.is {
	case OwnedBySelf:
		return id == j.asked.Caller.UserID
	case OwnConversation:
		return j.mayStandInList(id)
	case PartyNow:
		return j.partyNow(id)
	case OfConversation:
		conversation, receiver, group := string(slots[rule.with]), string(slots[rule.receiver]), string(slots[rule.group])
		return j.ofConversation(conversation, id, receiver, group, len(slots[rule.content]) == 0)
	case AskedFor:
		return j.names(rule.asked)[id]
	}
	return false
}

func (j *judge) mayStandInList(id string) bool {
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

// partyNow notes what must be looked up, and says yes to it for now.
func (j *judge) partyNow(id string) bool {
	if member, known := j.asked.Member[id]; known {
		return member
	}
	for _, field := range j.checked {
		if j.names(field)[id] {
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

// ofConversation compares what a message says of itself with the conversation in which it stands: OpenIM makes the one of the other
// when it stores a message (pkg/msgprocessor), so that another message came from another conversation.
func (j *judge) ofConversation(conversation, sender, receiver, group string, empty bool) bool {
	if sender == "" && receiver == "" && group == "" {
		return empty // in the place of a deleted message, or no message at all
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

// joins reports whether a text is two user ids with an underscore between them.
func joins(text, first, second string) bool {
	return first != "" && second != "" && len(text) == len(first)+1+len(second) &&
		strings.HasPrefix(text, first) && text[len(first)] == '_' && strings.HasSuffix(text, second)
}

// names are the values of a field of the request.
func (j *judge) names(path string) map[string]bool {
	if set, there := j.named[path]; there {
		return set
	}
	set := map[string]bool{}
	collect(j.asked.Body, strings.Split(path, "."), set)
	j.named[path] = set
	return set
}

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
