package routes

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
)

// bound is the limit of a field of a user's body. A body with a field without bound is refused, and a test fails.
type bound struct {
	bytes    int   // maximum of a text
	min, max int64 // range of a number
	whole    bool  // a number: the whole range of its type, for hashes
	entries  int   // maximum of a list or map
}

// Shorthands for the table below.
func text(bytes int) bound        { return bound{bytes: bytes} }
func upTo(largest int64) bound    { return bound{max: largest} }
func from(least, m int64) bound   { return bound{min: least, max: m} }
func listOf(n int, e bound) bound { e.entries = n; return e }

var (
	idText = text(ids.MaxBytes)
	hash64 = bound{whole: true}
	users  = listOf(bounds.Users, idText)
	groups = listOf(bounds.Groups, idText)
)

// fieldBounds has the bounds of fields by name, for all routes. "path field" is the bound of a field of one route.
var fieldBounds = map[string]bound{
	// Ids. The identity rules check their characters.
	"userID": idText, "userID1": idText, "userID2": idText, "ownerUserID": idText, "fromUserID": idText, "toUserID": idText,
	"friendUserID": idText, "blackUserID": idText, "inviterUserID": idText, "oldOwnerUserID": idText, "newOwnerUserID": idText,
	"creatorUserID": idText, "notificationUserID": idText, "account": idText, "groupID": idText, "uuid": idText, "versionID": idText,
	"conversationID": text(ids.MaxConversationBytes),

	"userIDs": users, "userIDList": users, "friendUserIDs": users, "memberUserIDs": users, "adminUserIDs": users,
	"kickedUserIDs": users, "invitedUserIDs": users, "groupIDs": groups,
	"conversationIDs": listOf(bounds.Conversations, text(ids.MaxConversationBytes)),
	// SDKs request the profiles of all users in the caller's list of conversations.
	"/user/get_users_info userIDs": listOf(bounds.Records, idText),
	// OpenIM searches these among the caller's own records, without side effects.
	"/conversation/get_conversations conversationIDs": listOf(bounds.Records, text(ids.MaxConversationBytes)),

	// Messages.
	"seq": from(1, bounds.Seq), "seqs": listOf(bounds.Seqs, from(1, bounds.Seq)), "hasReadSeq": upTo(bounds.Seq),
	"minSeq": upTo(bounds.Seq), "maxSeq": upTo(bounds.Seq), "begin": upTo(bounds.Seq), "end": upTo(bounds.Seq),
	"num": upTo(bounds.Pulled), "order": upTo(1), "seqRanges": {entries: bounds.Conversations}, "count": upTo(bounds.Conversations),

	// Pages, versions and times.
	"pageNumber": upTo(bounds.PageNumber), "showNumber": upTo(bounds.PageSize), "version": hash64, "idHash": hash64,
	"time": upTo(bounds.Millis), "createTime": upTo(bounds.Millis), "expireTime": upTo(bounds.Millis),
	"notificationUpdateTime": upTo(bounds.Millis), "millisecond": upTo(bounds.Millis),
	"mutedSeconds": upTo(bounds.Seconds), "burnDuration": upTo(bounds.Seconds), "msgDestructTime": upTo(bounds.Seconds),
	"reqList": {entries: bounds.Groups},

	// Enumerations and counts.
	"appMangerLevel": upTo(bounds.Enum), "globalRecvMsgOpt": upTo(bounds.Enum), "recvMsgOpt": upTo(bounds.Enum), "genre": upTo(bounds.Enum),
	"handleResult": from(-1, 1), "handleResults": listOf(bounds.Options, from(-1, 1)), "joinSource": upTo(bounds.Enum),
	"applyMemberFriend": upTo(bounds.Enum), "lookMemberInfo": upTo(bounds.Enum), "needVerification": upTo(bounds.Enum),
	"groupType": upTo(bounds.Enum), "groupAtType": upTo(bounds.Enum), "conversationType": upTo(bounds.Enum), "status": upTo(bounds.Enum),
	"roleLevel": upTo(bounds.Enum), "filter": upTo(bounds.Enum), "platform": upTo(bounds.Enum), "platformID": upTo(bounds.Enum),
	"type": upTo(bounds.Int32), "memberCount": upTo(bounds.Int32), "appUnreadCount": upTo(bounds.Int32),
	"members": {entries: bounds.Options},

	// Texts.
	"nickname": text(bounds.Short), "groupName": text(bounds.Short), "remark": text(bounds.Short), "keyword": text(bounds.Short),
	"faceURL": text(bounds.Address), "reqMsg": text(bounds.Notice), "handleMsg": text(bounds.Notice), "reqMessage": text(bounds.Notice),
	"handledMsg": text(bounds.Notice), "reason": text(bounds.Notice), "ex": text(bounds.Notice), "notification": text(bounds.Notice),
	"introduction": text(bounds.Notice), "attachedInfo": text(bounds.Note),
	"/conversation/set_conversations conversation.ex": text(bounds.Note),
	// A notification about several members contains the ex of each of them.
	"/group/set_group_member_info members[].ex": text(bounds.Address),
	// A favourite may contain the content of a message.
	"value": text(bounds.Content),

	// Objects and logs.
	"name": text(bounds.Address), "urlPrefix": text(bounds.Address), "contentType": text(bounds.Short), "cause": text(bounds.Short),
	"group": text(bounds.Short), "hash": text(bounds.Short), "size": upTo(bounds.Size), "partSize": upTo(bounds.Size),
	"maxParts": upTo(bounds.Signed), "partNumbers": listOf(bounds.Signed, from(1, bounds.Parts)),
	"parts": listOf(bounds.Parts, text(bounds.Short)), "uploadID": text(bounds.Token), "id": text(bounds.Token),
	"query": listOf(bounds.Options, text(bounds.Short)), "fcmToken": text(bounds.Token),
	"appFramework": text(bounds.Short), "fileURLs": {entries: bounds.Options}, "URL": text(bounds.Address), "filename": text(bounds.Short),
	"/third/logs/upload version": text(bounds.Short),
}

// boundOf returns the bound of a field of a route, in the notation of Route.Users.
func boundOf(path, field string) (bound, bool) {
	if b, ok := fieldBounds[path+" "+field]; ok {
		return b, true
	}
	b, ok := fieldBounds[strings.TrimRight(field[strings.LastIndex(field, ".")+1:], "[]{}")]
	return b, ok
}

// bind sets the bound of every field of a body, and returns the fields without one.
func (s *shape) bind(path, field string) (unbound []string) {
	b, ok := boundOf(path, field)
	switch {
	case s.fields != nil:
		for name, member := range s.fields {
			unbound = append(unbound, member.bind(path, join(field, name))...)
		}
		return unbound
	case s.elem != nil || s.values != nil:
		inner := s.elem
		if inner == nil {
			inner = s.values
		}
		s.bound = b
		if !ok || b.entries == 0 {
			unbound = append(unbound, field)
		}
		return append(unbound, inner.bind(path, field+"[]")...)
	}
	s.bound = b
	switch {
	case s.scalar == "bool":
	case s.scalar == scalarText && b.bytes == 0, s.scalar != scalarText && !b.whole && b.max == 0:
		unbound = append(unbound, field)
	}
	return unbound
}

// fieldsWithoutBound lists the fields of users' routes without bound, as "path field". A test checks that there are none, and bodies with
// such a field are refused.
var fieldsWithoutBound = func() (all []string) {
	for i := range Table {
		r := &Table[i]
		form := shapes[r.Upstream()]
		if !r.ForUsers() || form == nil {
			continue
		}
		for _, field := range form.bind(r.Upstream(), "") {
			all = append(all, r.Upstream()+" "+field)
		}
	}
	return all
}()

// text returns an error for a text that is too long.
func (b bound) text(field, value string) error {
	if len(value) > b.bytes {
		return malformed("%s is longer than %d bytes", field, b.bytes)
	}
	return nil
}

// number returns an error for a number out of range. A number beyond int64 is a hash, or too large.
func (b bound) number(field string, value int64, fits bool) error {
	switch {
	case b.whole:
		return nil
	case !fits || value < b.min || value > b.max:
		return malformed("%s must be %d to %d", field, b.min, b.max)
	}
	return nil
}

func (b bound) list(field string, n int) error {
	if n > b.entries {
		return malformed("%s has %d entries: send at most %d at a time", field, n, b.entries)
	}
	return nil
}
