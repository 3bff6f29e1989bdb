package websocket

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Replies are checked as well: OpenIM finds the last message of a conversation by a pattern, reports the seqs of groups that a user has
// left, and a future release may have unknown faults. A user receives what they requested and what is theirs. Everything else is removed
// and counted.

// layout describes the conversations and messages in a reply's data.
type layout struct {
	maps        []protowire.Number // fields that are maps by conversation
	lists       []protowire.Number // fields that are lists of conversations
	messages    []protowire.Number // path from a map's value to its messages
	hasMessages bool               // the values contain messages
}

// layouts describes sdkws.PullMessageBySeqsResp, sdkws.PushMessages, sdkws.GetMaxSeqResp, msg.GetSeqMessageResp, msg.GetLastMessageResp and
// msg.GetConversationsHasReadAndMaxSeqResp of openimsdk/protocol. Other fields of these messages are removed.
var layouts = map[int32]layout{
	idNewest: {maps: []protowire.Number{1, 2}},
	idRanges: {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, hasMessages: true},
	idSeqs:   {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, hasMessages: true},
	idRead:   {maps: []protowire.Number{1}, lists: []protowire.Number{2}},
	idLast:   {maps: []protowire.Number{1}, hasMessages: true},
	idPush:   {maps: []protowire.Number{1, 2}, messages: []protowire.Number{1}, hasMessages: true},
}

// errUnreadable means that data of OpenIM's does not have the layout of the table.
var errUnreadable = errors.New("decoding OpenIM's reply: not the protobuf message of the table")

// Reasons for which data of OpenIM's is removed.
const (
	dropUnasked    = "unasked"      // a reply without a pending request
	dropForeign    = "foreign"      // a conversation that was not requested or is not the user's
	dropOther      = "other"        // a message of another conversation
	dropField      = "unknown_data" // a field that is not in the table
	dropUnreadable = "unreadable"
	dropUnknown    = "unknown_request"
)

// filter filters the data of one reply or push to a user.
type filter struct {
	user    string
	layout  layout
	allowed func(conversation string) bool
	changed bool
	dropped map[string]int // by reason
}

// drop counts removed data.
func (v *filter) drop(reason string) {
	if v.dropped == nil {
		v.dropped = map[string]int{}
	}
	v.dropped[reason]++
	v.changed = true
}

// data returns the part of a reply's data that the user may see.
func (v *filter) data(in []byte) ([]byte, error) {
	return filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
		switch {
		case slices.Contains(v.layout.maps, number) && typ == protowire.BytesType:
			return v.entry(content)
		case slices.Contains(v.layout.lists, number) && typ == protowire.BytesType:
			return content, v.passConversation(string(content)), nil
		}
		v.drop(dropField)
		return nil, false, nil
	})
}

// entry filters one entry of a map by conversation: key 1, value 2.
func (v *filter) entry(in []byte) ([]byte, bool, error) {
	key, err := keyOf(in)
	if err != nil {
		return nil, false, err
	}
	if !v.passConversation(key) {
		return nil, false, nil
	}
	if !v.layout.hasMessages {
		return in, true, nil
	}
	kept := true
	out, err := filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
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

// list filters sdkws.PullMsgs.
func (v *filter) list(key string, in []byte) ([]byte, error) {
	return filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
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

// passConversation reports whether the user may see a conversation, and counts it if not.
func (v *filter) passConversation(conversation string) bool {
	if v.allowed(conversation) {
		return true
	}
	v.drop(dropForeign)
	return false
}

// message reports whether the message in belongs to the conversation key, and counts it if not.
func (v *filter) message(key string, in []byte) (bool, error) {
	a, err := readAddress(in)
	if err != nil {
		return false, err
	}
	if a.belongsTo(key, v.user) {
		return true, nil
	}
	v.drop(dropOther)
	return false, nil
}

// address holds the sender and receiver of a message (sdkws.MsgData).
type address struct {
	sender, receiver, group string
	session                 uint64
	hasOtherText            bool // it has any other text
}

// Further fields of sdkws.MsgData: see complete.go.
const (
	fieldRecvID      = 2
	fieldGroupID     = 3
	fieldSessionType = 9
)

func readAddress(in []byte) (a address, err error) {
	_, err = filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
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
				a.hasOtherText = a.hasOtherText || len(content) > 0
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

// Session types of messages that OpenIM itself sends, beyond those of clients.
const (
	sessionOldGroup = 2
	sessionSystem   = 4
)

// belongsTo reports whether a message is of a conversation in which the user takes part. OpenIM replaces a deleted message by one without
// any field, which belongs to every conversation.
func (a address) belongsTo(conversation, user string) bool {
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

// keyOf returns the key of a map entry. A second key is an error.
func keyOf(in []byte) (key string, err error) {
	seen := false
	_, err = filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
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

// filterFields writes the fields of a message for which keep returns true. content is a text's or message's content without its length,
// or the encoding of a number. It copies nothing as long as nothing has changed.
func filterFields(in []byte, keep func(protowire.Number, protowire.Type, []byte) ([]byte, bool, error)) ([]byte, error) {
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

// conversationsIn returns the conversations that a reply names.
func conversationsIn(in []byte, l layout) (named []string, err error) {
	_, err = filterFields(in, func(number protowire.Number, typ protowire.Type, content []byte) ([]byte, bool, error) {
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

// visible reports which of the conversations that OpenIM names without a request are the user's. The id of a pair decides by itself.
// Groups, which OpenIM still lists after the user has left them, and ids with two readings are checked with Members.
func (g *frameChecker) visible(ctx context.Context, id Identity, named []string) (map[string]bool, error) {
	visible := make(map[string]bool, len(named))
	chats := map[string][]string{} // by the conversation to check
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
	for part := range slices.Chunk(asked, MaxConversationsPerCall) {
		answers, err := g.members.Member(ctx, id, part)
		if err != nil || len(answers) != len(part) {
			return nil, errors.New("checking the conversations of a reply: no result")
		}
		for i, is := range answers {
			for _, conversation := range chats[part[i]] {
				visible[conversation] = is
			}
		}
	}
	return visible, nil
}
