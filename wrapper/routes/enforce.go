package routes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// maxNeedIDs limits the ids of one need, and thereby the time for checking them.
const maxNeedIDs = 1000

// Decode decodes a body strictly, as wire.DecodeObject does, and keeps its numbers as written: OpenIM's version hashes use all 64 bits.
func Decode(data []byte) (map[string]any, error) {
	once, err := wire.DecodeObject(data)
	if err != nil {
		return nil, err
	}
	if keepsNumbers(once) {
		return once, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, errors.New("decoding the JSON: not one JSON object: send exactly one, and nothing after it")
	}
	return object, nil
}

// keepsNumbers replaces the whole numbers of a decoded value by their texts, in place. It reports whether every number is whole and within
// 64 bits with a sign, as in nearly every body: for such a number JSON has one text, but for -0, which OpenIM reads as 0. Other numbers
// have lost digits, so that the body must be decoded again.
func keepsNumbers(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			if n, ok := member.(int64); ok {
				v[name] = json.Number(strconv.FormatInt(n, 10))
			} else if !keepsNumbers(member) {
				return false
			}
		}
	case []any:
		for i, entry := range v {
			if n, ok := entry.(int64); ok {
				v[i] = json.Number(strconv.FormatInt(n, 10))
			} else if !keepsNumbers(entry) {
				return false
			}
		}
	case float64:
		return false
	}
	return true
}

// Encode encodes a body for OpenIM.
func Encode(body map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		return nil, fmt.Errorf("encoding the body: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Enforce turns a user's body (from Decode) into the body that OpenIM receives. The result has only members of OpenIM's protocol, in its
// own spelling, so that OpenIM reads nothing that Enforce has not checked. needs are the conditions to check before the call may
// continue. Enforce does not change body.
func (r *Route) Enforce(caller Caller, body map[string]any) (changed map[string]any, needs []Need, refusal *wire.Failure) {
	form := shapes[r.Upstream()]
	if !r.ForUsers() || form == nil || !ids.Legal(caller.UserID) {
		return nil, nil, &wire.Forbidden
	}
	projected, err := form.project(body, "")
	if err != nil {
		return nil, nil, refuse(wire.BadRequest, err)
	}
	e := enforcement{caller: caller, body: projected.(map[string]any)}
	for _, rule := range r.Identity {
		if refusal := e.apply(rule); refusal != nil {
			return nil, nil, refusal
		}
	}
	return e.body, e.needs, nil
}

// refuse returns a failure whose text has the reason of the refusal.
func refuse(f wire.Failure, err error) *wire.Failure {
	f = f.Because("the body is refused: " + err.Error())
	return &f
}

// enforcement is the state of Enforce for one body.
type enforcement struct {
	caller Caller
	body   map[string]any
	needs  []Need
}

// apply applies one rule of the row to the body.
func (e *enforcement) apply(rule Identity) *wire.Failure {
	var err error
	switch rule.Rule {
	case Self:
		err = e.each(rule.Field, e.self)
	case Overwritten:
		err = e.each(rule.Field, func(p fieldValue) error { p.set(e.caller.UserID); return nil })
	case Platform:
		err = e.each(rule.Field, func(p fieldValue) error {
			p.set(json.Number(strconv.Itoa(int(e.caller.PlatformID))))
			return nil
		})
	case EachSelf:
		e.fillList(rule.Field)
		err = e.each(rule.Field, e.self)
	case OneSelf:
		err = e.oneSelf(rule.Field, rule.With)
	case Party:
		err = e.each(rule.Field, func(p fieldValue) error { return e.party(p, NeedParty) })
	case Kept:
		err = e.each(rule.Field, func(p fieldValue) error { return e.party(p, NeedKept) })
	case Member:
		err = e.each(rule.Field, func(p fieldValue) error { return e.group(p, NeedMember) })
	case Manager:
		err = e.each(rule.Field, func(p fieldValue) error { return e.group(p, NeedManager) })
	case Described:
		err = e.describe(rule.Field)
	case OwnName:
		err = e.each(rule.Field, func(p fieldValue) error { return ownName(p.field, p.text(), e.caller.UserID) })
	case AnyName:
		err = e.each(rule.Field, func(p fieldValue) error { return objectName(p.field, p.text()) })
	case UploadTicket:
		err = e.each(rule.Field, func(p fieldValue) error { return e.ticket(p, TicketUpload) })
	case FormTicket:
		err = e.each(rule.Field, func(p fieldValue) error { return e.ticket(p, TicketForm) })
	case Filled:
		err = e.filled(rule.Field)
	case Live:
		err = e.each(rule.Field, e.live)
	case UpTo:
		err = e.upTo(rule.Field, rule.With)
	case Spans:
		err = e.spans(rule.Field)
	case PeersToo:
		err = e.peersToo(rule.Field)
	case Pictures:
		err = e.each(rule.Field, e.pictures)
	case AtMostOne:
		err = e.atMostOne(rule.Field)
	case Never:
		err = e.each(rule.Field, never)
	case Dropped:
		err = e.each(rule.Field, func(p fieldValue) error { p.remove(); return nil })
	case Other:
		err = e.each(rule.Field, func(p fieldValue) error { return otherUser(p.field, p.text()) })
	case Role, Public:
		err = e.each(rule.Field, func(p fieldValue) error { return legalID(p.field, p.text()) })
	case OwnRecord:
		err = e.each(rule.Field, func(p fieldValue) error { return legalConversation(p.field, p.text()) })
	default:
		err = fmt.Errorf("%s has the unknown rule %q", rule.Field, rule.Rule)
	}
	if err == nil {
		return nil
	}
	if failure, ok := errors.AsType[wire.Failure](err); ok {
		return &failure
	}
	if malformed, ok := err.(*malformedError); ok { //nolint:errorlint // never wrapped
		return refuse(wire.BadRequest, malformed)
	}
	return refuse(wire.Forbidden, err)
}

// malformedError is an error about the format of a value, not about its owner.
type malformedError struct{ text string }

func (m *malformedError) Error() string { return m.text }

func malformed(format string, args ...any) error {
	return &malformedError{fmt.Sprintf(format, args...)}
}

// self applies Self: an empty member becomes the caller, another user is refused.
func (e *enforcement) self(p fieldValue) error {
	switch id := p.text(); {
	case id == "" && !p.element:
		p.set(e.caller.UserID)
	case id != e.caller.UserID:
		return fmt.Errorf("%s must be your own user id", p.field)
	}
	return nil
}

// fillList replaces a missing or empty list by the caller.
func (e *enforcement) fillList(field string) {
	name := strings.TrimSuffix(field, "[]")
	if list, _ := e.body[name].([]any); len(list) == 0 {
		e.body[name] = []any{e.caller.UserID}
	}
}

// oneSelf applies OneSelf: one of the two fields must be the caller.
func (e *enforcement) oneSelf(field, with string) error {
	first, _ := e.body[field].(string)
	second, _ := e.body[with].(string)
	for _, f := range []string{field, with} {
		id, _ := e.body[f].(string)
		if err := otherUser(f, id); err != nil {
			return err
		}
	}
	if first != e.caller.UserID && second != e.caller.UserID {
		return fmt.Errorf("%s or %s must be your own user id", field, with)
	}
	return nil
}

// party adds a need that the caller is a participant of a conversation; group is the kind of need for the conversation of a group.
func (e *enforcement) party(p fieldValue, group NeedKind) error {
	id := p.text()
	if err := legalConversation(p.field, id); err != nil {
		return err
	}
	c, ok := wire.ParseConversation(id)
	if !ok {
		return malformed("%s must be a conversation's id", p.field)
	}
	if _, isGroup := c.Group(); isGroup {
		return e.need(group, p.field, id)
	}
	if peers, _ := c.Peers(e.caller.UserID); len(peers) == 0 {
		return fmt.Errorf("%s must be a conversation of your own", p.field)
	}
	// The need checks that the other user exists: for a missing one OpenIM would keep keys for a year.
	return e.need(NeedParty, p.field, id)
}

// group adds a need about a group.
func (e *enforcement) group(p fieldValue, kind NeedKind) error {
	id := p.text()
	if id == "" {
		return malformed("%s must be a group's id", p.field)
	}
	if err := legalID(p.field, id); err != nil {
		return err
	}
	return e.need(kind, p.field, id)
}

// need adds an id to the need of a kind and field.
func (e *enforcement) need(kind NeedKind, field, id string) error {
	for i := range e.needs {
		n := &e.needs[i]
		if n.Kind == kind && n.Field == field {
			if slices.Contains(n.IDs, id) {
				return nil
			}
			if len(n.IDs) == maxNeedIDs {
				return malformed("%s names more than %d: send less at a time", field, maxNeedIDs)
			}
			n.IDs = append(n.IDs, id)
			return nil
		}
	}
	e.needs = append(e.needs, Need{Kind: kind, Field: field, IDs: []string{id}})
	return nil
}

// Trim removes the ids that allowed does not contain from the need's field of a body (from Enforce). It returns false if nothing is left
// to request. Clients request what they knew before; a group that has removed the caller meanwhile must not make the request for the
// others fail.
func (n Need) Trim(body map[string]any, allowed map[string]bool) bool {
	name, member, list := strings.Cut(n.Field, "[]")
	elements, _ := body[name].([]any)
	if !list || n.Kind == NeedSeq {
		return !slices.ContainsFunc(n.IDs, func(id string) bool { return !allowed[id] })
	}
	member = strings.TrimPrefix(member, ".")
	checked := make(map[string]bool, len(n.IDs)) // without the ids that needed no check
	for _, id := range n.IDs {
		checked[id] = true
	}
	kept := make([]any, 0, len(elements))
	for _, element := range elements {
		id, _ := element.(string)
		if object, ok := element.(map[string]any); ok {
			id, _ = object[member].(string)
		}
		if allowed[id] || !checked[id] {
			kept = append(kept, element)
		}
	}
	body[name] = kept
	return len(kept) > 0
}

func (e *enforcement) atMostOne(field string) error {
	if list, _ := e.body[strings.TrimSuffix(field, "[]")].([]any); len(list) > 1 {
		return fmt.Errorf("%s must have at most one element: call once for each", field)
	}
	return nil
}

// never accepts a value that means "not set", and removes it.
func never(p fieldValue) error {
	switch v := p.value.(type) {
	case nil:
	case bool:
		if v {
			return fmt.Errorf("%s may not be set by a user", p.field)
		}
	default:
		return fmt.Errorf("%s may not be set by a user", p.field)
	}
	p.remove()
	return nil
}

// legalID requires the id of a user or group, or "".
func legalID(field, id string) error {
	if id != "" && !ids.Legal(id) {
		return malformed("%s must be an id of at most %d bytes: %s", field, ids.MaxBytes, ids.Rule)
	}
	return nil
}

// otherUser requires the id of a user whom users' calls may name, or "".
func otherUser(field, id string) error {
	if ids.Reserved(id) {
		return fmt.Errorf("%s names a user of the operator's own: name another", field)
	}
	return legalID(field, id)
}

// legalConversation requires the id of a conversation, or "".
func legalConversation(field, id string) error {
	if id != "" && !ids.LegalConversation(id) {
		return malformed("%s must be a conversation's id of at most %d bytes: %s", field, ids.MaxConversationBytes, ids.Rule)
	}
	return nil
}
