package routes

import (
	"encoding/json"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Rules that limit the cost or the effects of a call.

// filled applies Party to each conversation of a list. If the list is empty, it adds a need for all conversations. OpenIM interprets an
// empty list as every conversation that it ever stored for the caller, including those of groups that removed the caller.
func (e *enforcement) filled(field string) error {
	name := strings.TrimSuffix(field, "[]")
	if list, _ := e.body[name].([]any); len(list) == 0 {
		delete(e.body, name)
		e.needs = append(e.needs, Need{Kind: NeedAll, Field: field})
		return nil
	}
	return e.each(field, func(p fieldValue) error { return e.party(p, NeedParty) })
}

// Fill sets the list of a NeedAll to the caller's conversations. It returns false if there are none: OpenIM must not receive an empty list.
func (n Need) Fill(body map[string]any, conversationIDs []string) bool {
	list := make([]any, len(conversationIDs))
	for i, id := range conversationIDs {
		list[i] = id
	}
	body[strings.TrimSuffix(n.Field, "[]")] = list
	return len(list) > 0
}

func (e *enforcement) live(p fieldValue) error {
	id := p.text()
	if err := legalID(p.field, id); err != nil || id == "" {
		return err // OpenIM reports a missing id
	}
	return e.need(NeedLive, p.field, id)
}

// upTo adds a need for the newest message of a conversation if the body names a sequence number in it. OpenIM builds a list of all
// numbers up to hasReadSeq in memory.
func (e *enforcement) upTo(field, conversation string) error {
	id, _ := e.body[conversation].(string)
	var largest int64
	err := e.each(field, func(p fieldValue) error {
		if number, ok := p.value.(json.Number); ok {
			n, err := number.Int64()
			if err != nil {
				return malformed("%s must be a whole number", field)
			}
			largest = max(largest, n)
		}
		return nil
	})
	if err != nil || largest == 0 {
		return err
	}
	for i := range e.needs {
		if n := &e.needs[i]; n.Kind == NeedSeq {
			if largest > n.Seq {
				n.Seq, n.Field = largest, field
			}
			return nil
		}
	}
	e.needs = append(e.needs, Need{Kind: NeedSeq, Field: field, IDs: []string{id}, Seq: largest})
	return nil
}

// spans limits the messages in all ranges of a pull together.
func (e *enforcement) spans(field string) error {
	list, _ := e.body[strings.TrimSuffix(field, "[]")].([]any)
	var total int64
	for _, element := range list {
		r, _ := element.(map[string]any)
		id, _ := r["conversationID"].(string)
		c, _ := wire.ParseConversation(id)
		total += bounds.Listed(whole(r["begin"]), whole(r["end"]), whole(r["num"]), c.Kind == wire.NotificationQueue)
		if total > bounds.Span {
			return malformed("%s contain more than %d messages: request less at a time", field, bounds.Span)
		}
	}
	return nil
}

// whole returns a number of a projected body, 0 if it is absent.
func whole(value any) int64 {
	number, _ := value.(json.Number)
	n, _ := number.Int64()
	return n
}

// peersToo adds a need if the setting is written into the list of the other user of a chat of two. describe has checked the
// conversation's members.
func (e *enforcement) peersToo(field string) error {
	object, _, _ := strings.Cut(field, ".")
	c, _ := e.body[object].(map[string]any)
	id, _ := c["conversationID"].(string)
	peer, _ := c["userID"].(string)
	parsed, _ := wire.ParseConversation(id)
	return e.each(field, func(p fieldValue) error {
		switch {
		case p.value == nil:
		case parsed.Kind != wire.SingleChat || peer == "":
			p.remove()
		case peer != e.caller.UserID:
			e.needs = append(e.needs, Need{Kind: NeedPeer, Field: field, IDs: []string{id}, Peer: peer})
		}
		return nil
	})
}

func (e *enforcement) pictures(p fieldValue) error {
	query, _ := p.value.(map[string]any)
	if !e.caller.Pictures || len(query) == 0 {
		p.remove()
		return nil
	}
	kept := map[string]any{}
	for key, value := range query {
		if text, ok := value.(string); ok && legalPicture(key, text) {
			kept[key] = text
		}
	}
	p.set(kept)
	return nil
}
