package routes

import (
	"encoding/json"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Rules about what a call may cost or reach beyond the ids that it names.

// filled is Party for each conversation of a list, and a need for all of them when the list names none. OpenIM takes an empty list for
// every conversation that it ever kept for the caller, those of groups that put them out among them.
func (e *enforcement) filled(field string) error {
	name := strings.TrimSuffix(field, "[]")
	if list, _ := e.body[name].([]any); len(list) == 0 {
		delete(e.body, name)
		e.needs = append(e.needs, Need{Kind: NeedAll, Field: field})
		return nil
	}
	return e.each(field, func(p place) error { return e.party(p, NeedParty) })
}

// Fill puts the conversations that the caller is a party of into the list of a NeedAll. false: there are none, and OpenIM must not
// be asked with an empty list.
func (n Need) Fill(body map[string]any, conversationIDs []string) bool {
	list := make([]any, len(conversationIDs))
	for i, id := range conversationIDs {
		list[i] = id
	}
	body[strings.TrimSuffix(n.Field, "[]")] = list
	return len(list) > 0
}

func (e *enforcement) live(p place) error {
	id := p.text()
	if err := legalID(p.field, id); err != nil || id == "" {
		return err // OpenIM says what it misses
	}
	return e.need(NeedLive, p.field, id)
}

// upTo asks for the newest message of a conversation when the body names a sequence number in it. OpenIM lists every number up to
// hasReadSeq in memory.
func (e *enforcement) upTo(field, conversation string) error {
	id, _ := e.body[conversation].(string)
	var largest int64
	err := e.each(field, func(p place) error {
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

// spans bounds what the ranges of a pull list together.
func (e *enforcement) spans(field string) error {
	list, _ := e.body[strings.TrimSuffix(field, "[]")].([]any)
	var total int64
	for _, element := range list {
		r, _ := element.(map[string]any)
		id, _ := r["conversationID"].(string)
		c, _ := wire.ParseConversation(id)
		total += bounds.Listed(whole(r["begin"]), whole(r["end"]), whole(r["num"]), c.Kind == wire.NotificationQueue)
		if total > bounds.Span {
			return malformed("%s list more than %d messages: ask for less at a time", field, bounds.Span)
		}
	}
	return nil
}

// whole is a number of a projected body, 0 when it is not there.
func whole(value any) int64 {
	number, _ := value.(json.Number)
	n, _ := number.Int64()
	return n
}

// peersToo asks whether the other user of a chat of two may be written to. The conversation's members were described before.
func (e *enforcement) peersToo(field string) error {
	object, _, _ := strings.Cut(field, ".")
	c, _ := e.body[object].(map[string]any)
	id, _ := c["conversationID"].(string)
	peer, _ := c["userID"].(string)
	parsed, _ := wire.ParseConversation(id)
	return e.each(field, func(p place) error {
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

func (e *enforcement) pictures(p place) error {
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
