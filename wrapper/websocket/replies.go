package websocket

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// What OpenIM sends is looked at as well: it answers a request for the last message of a conversation by a pattern, knows the seqs of
// groups that a user has left, and a release to come may have a way in that nobody knows of yet. A user gets what they asked for and
// what is theirs; the rest is left out and counted.

// layout is where a reply's data have conversations and messages.
type layout struct {
	maps     []protowire.Number // fields that are maps by conversation
	lists    []protowire.Number // fields that are lists of conversations
	messages []protowire.Number // path from a map's value to its messages
	holds    bool               // the values hold messages
}

// layouts: sdkws.PullMessageBySeqsResp, sdkws.PushMessages, sdkws.GetMaxSeqResp, msg.GetSeqMessageResp, msg.GetLastMessageResp and
// msg.GetConversationsHasReadAndMaxSeqResp of openimsdk/protocol. Other fields of these are left out.
var layouts = map[int32]layout{
	idNewest: {maps: []protowire.Number{1, 2}},
	idRanges: {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, holds: true},
	idSeqs:   {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, holds: true},
	idRead:   {maps: []protowire.Number{1}, lists: []protowire.Number{2}},
	idLast:   {maps: []protowire.Number{1}, holds: true},
	idPush:   {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, holds: true},
}

// errUnreadable is data of OpenIM's that are not what the table says.
var errUnreadable = errors.New("openim's data are not the reply's protobuf message")

// Reasons for what is left out of OpenIM's frames.
const (
	dropUnasked    = "unasked"      // an answer to no open request
	dropForeign    = "foreign"      // a conversation that was not asked for or is not the user's
	dropOther      = "other"        // a message of another conversation
	dropField      = "unknown_data" // a field that the table does not have
	dropUnreadable = "unreadable"
	dropUnknown    = "unknown_request"
)

// review is one look at the data of a reply or push to a user.
type review struct {
	user    string
	layout  layout
	allowed func(conversation string) bool
	changed bool
	dropped map[string]int // by reason
}

func (v *review) drop(reason string) {
	if v.dropped == nil {
		v.dropped = map[string]int{}
	}
	v.dropped[reason]++
	v.changed = true
}

// data returns what of a reply's data the user may see.
func (v *review) data(in []byte) ([]byte, error) {
	return eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		switch {
		case slices.Contains(v.layout.maps, number) && typ == protowire.BytesType:
			return v.entry(content)
		case slices.Contains(v.layout.lists, number) && typ == protowire.BytesType:
			return content, v.passes(string(content)), nil
		}
		v.drop(dropField)
		return nil, false, nil
	})
}

// entry is one of a map by conversation: key 1, value 2.
func (v *review) entry(in []byte) ([]byte, bool, error) {
	key, err := keyOf(in)
	if err != nil {
		return nil, false, err
	}
	if !v.passes(key) {
		return nil, false, nil
	}
	if !v.layout.holds {
		return in, true, nil
	}
	kept := true
	out, err := eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		if number != 2 {
			return content, true, nil
		}
		if typ != protowire.BytesType {
			return nil, false, errUnreadable
		}
		if len(v.layout.messages) == 0 {
			var err error
			kept, err = v.message(key, content)
			return content, kept, err
		}
		content, err := v.list(key, content)
		return content, true, err
	})
	return out, kept, err
}

// list is sdkws.PullMsgs.
func (v *review) list(key string, in []byte) ([]byte, error) {
	return eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		if number != v.layout.messages[0] {
			return content, true, nil
		}
		if typ != protowire.BytesType {
			return nil, false, errUnreadable
		}
		keep, err := v.message(key, content)
		return content, keep, err
	})
}

func (v *review) passes(conversation string) bool {
	if v.allowed(conversation) {
		return true
	}
	v.drop(dropForeign)
	return false
}

func (v *review) message(key string, in []byte) (bool, error) {
	a, err := readAddress(in)
	if err != nil {
		return false, err
	}
	if a.isOf(key, v.user) {
		return true, nil
	}
	v.drop(dropOther)
	return false, nil
}

// address is who a message is from and to (sdkws.MsgData).
type address struct {
	sender, receiver, group string
	session                 uint64
	says                    bool // it holds any other text
}

// Fields of sdkws.MsgData beside those that complete.go reads.
const (
	fieldRecvID      = 2
	fieldGroupID     = 3
	fieldSessionType = 9
)

func readAddress(in []byte) (a address, err error) {
	_, err = eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		switch typ {
		case protowire.BytesType:
			switch number {
			case fieldSendID:
				a.sender = string(content)
			case fieldRecvID:
				a.receiver = string(content)
			case fieldGroupID:
				a.group = string(content)
			default:
				a.says = a.says || len(content) > 0
			}
		case protowire.VarintType:
			if number == fieldSessionType {
				a.session, _ = protowire.ConsumeVarint(content)
			}
		}
		return content, true, nil
	})
	return a, err
}

// Session types of messages that OpenIM makes itself, beside those of clients.
const (
	sessionOldGroup = 2
	sessionSystem   = 4
)

// isOf reports whether a message is one of a conversation, and one that the user takes part in. In the place of a message that was
// deleted OpenIM has one that says nothing at all.
func (a address) isOf(conversation, user string) bool {
	if a == (address{}) {
		return true
	}
	c, ok := wire.ParseConversation(conversation)
	if !ok {
		return false
	}
	switch a.session {
	case sessionOldGroup, sessionGroup:
		kind := wire.GroupChat
		if a.session == sessionOldGroup {
			kind = wire.OldGroupChat
		}
		return a.group != "" && c.Rest == a.group && (c.Kind == kind || c.Kind == wire.NotificationQueue)
	case sessionSingle, sessionSystem:
		kind := wire.SingleChat
		if a.session == sessionSystem {
			kind = wire.SystemChat
		}
		if a.sender != user && a.receiver != user || c.Kind != kind && c.Kind != wire.NotificationQueue {
			return false
		}
		low, high := min(a.sender, a.receiver), max(a.sender, a.receiver)
		return c.Rest == low+"_"+high || c.Kind == wire.SystemChat && c.Rest == high+"_"+low
	}
	return false
}

// keyOf reads a map entry's key, which stands once.
func keyOf(in []byte) (key string, err error) {
	seen := false
	_, err = eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		if number == 1 {
			if seen || typ != protowire.BytesType {
				return nil, false, errUnreadable
			}
			key, seen = string(content), true
		}
		return content, true, nil
	})
	return key, err
}

// eachField goes through a message's fields and writes those that keep says. content is a text's or message's content without its
// length, or a number as it is written. What is kept unchanged is not copied unless something before it changed.
func eachField(in []byte, keep func(protowire.Number, protowire.Type, []byte) ([]byte, bool, error)) ([]byte, error) {
	var out []byte
	copied := false
	for at := 0; at < len(in); {
		number, typ, n := protowire.ConsumeTag(in[at:])
		if n < 0 || typ == protowire.StartGroupType || typ == protowire.EndGroupType {
			return nil, errUnreadable
		}
		size := protowire.ConsumeFieldValue(number, typ, in[at+n:])
		if size < 0 {
			return nil, errUnreadable
		}
		end := at + n + size
		content := in[at+n : end]
		if typ == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(content)
		}
		got, ok, err := keep(number, typ, content)
		if err != nil {
			return nil, err
		}
		same := ok && len(got) == len(content) && (len(got) == 0 || &got[0] == &content[0])
		if !same && !copied {
			out, copied = append(make([]byte, 0, len(in)), in[:at]...), true
		}
		switch {
		case same && copied:
			out = append(out, in[at:end]...)
		case ok && !same:
			out = protowire.AppendTag(out, number, typ)
			if typ == protowire.BytesType {
				out = protowire.AppendBytes(out, got)
			} else {
				out = append(out, got...)
			}
		}
		at = end
	}
	if !copied {
		return in, nil
	}
	return out, nil
}

// conversationsIn are the conversations that a reply names, as far as it can be read.
func conversationsIn(in []byte, l layout) (named []string, err error) {
	_, err = eachField(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		switch {
		case typ != protowire.BytesType:
		case slices.Contains(l.maps, number):
			key, err := keyOf(content)
			if err != nil {
				return nil, false, err
			}
			named = append(named, key)
		case slices.Contains(l.lists, number):
			named = append(named, string(content))
		}
		return content, true, nil
	})
	return named, err
}

// visible says which of the conversations that OpenIM names of its own accord a user may know the seqs of. Pairs are told by their
// names; groups, which OpenIM lists after a user has left them, and names that can be read in two ways are asked for.
func (g *guard) visible(ctx context.Context, id Identity, named []string) (map[string]bool, error) {
	visible := make(map[string]bool, len(named))
	chats := map[string][]string{} // by what is asked for
	for _, conversation := range named {
		c, ok := wire.ParseConversation(conversation)
		if !ok {
			continue
		}
		if group, is := c.Group(); is {
			chats[groupPrefix+group] = append(chats[groupPrefix+group], conversation)
			continue
		}
		peers, certain := c.Peers(id.UserID)
		switch {
		case len(peers) == 0:
		case certain:
			visible[conversation] = true
		default:
			chats[conversation] = append(chats[conversation], conversation)
		}
	}
	asked := make([]string, 0, len(chats))
	for chat := range chats {
		asked = append(asked, chat)
	}
	slices.SortFunc(asked, strings.Compare)
	for part := range slices.Chunk(asked, MaxAsked) {
		answers, err := g.members.Member(ctx, id, part)
		if err != nil || len(answers) != len(part) {
			return nil, errors.New("whose conversations these are cannot be found out")
		}
		for i, is := range answers {
			for _, conversation := range chats[part[i]] {
				visible[conversation] = is
			}
		}
	}
	return visible, nil
}
