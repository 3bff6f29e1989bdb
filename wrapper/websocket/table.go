package websocket

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
)

// Rule is what is done with one field of a request.
type Rule string

// Rules.
const (
	Self    Rule = "self"         // must be the session's user; filled in when absent
	Parties Rule = "conversation" // the user must be a party: what is not his is left out, and a request that has nothing else is refused
	Group   Rule = "group"        // the user must be a member
	Peer    Rule = "peer"         // a user id; OpenIM asks the block list and, if so configured, friendship
	Named   Rule = "id"           // a user id of legal characters, of whom nothing else is asked
	Session Rule = "session"      // overwritten from the session
	Shown   Rule = "shown"        // left out, unless it is how the sender is shown to others
	Server  Rule = "server"       // overwritten or left out: OpenIM's or ours to say
	Listed  Rule = "listed"       // one of a list, else refused
	Bounded Rule = "bounded"      // as it is, within the bound; beyond it refused
	Inside  Rule = "inside"       // a message, whose fields have rules of their own
)

// Shape is how a field is written in protobuf.
type Shape string

// Shapes.
const (
	Number   Shape = "number"   // int32, int64, enum, bool
	Text     Shape = "text"     // string
	Raw      Shape = "bytes"    // bytes
	Message  Shape = "message"  // a message inside
	Numbers  Shape = "numbers"  // repeated numbers, packed or not
	Switches Shape = "switches" // map<string, bool>
)

// Field is one field of a request's protobuf message. Fields that are not listed are left out; one that stands
// twice where protobuf expects it once is malformed.
type Field struct {
	Number protowire.Number
	Name   string
	Rule   Rule
	Shape  Shape
	// Bound: bytes of a text, the largest number, entries of a list, over all lists of the request.
	Bound    int64
	Repeated bool
	Entry    int64   // of a repeated field: bytes of each text, the largest of the numbers
	Fields   []Field // of a message
}

// Request is one identifier of OpenIM's socket.
type Request struct {
	ID      int32
	Name    string // OpenIM's constant
	Message string // protobuf type of its data
	// Why is what it is for. Refused is why it is never passed on; empty: it is, under its fields' rules.
	Why     string
	Refused string
	Class   string // limit class
	Audit   string // audit class
	Fields  []Field
}

// Limit classes of frames.
const (
	ClassMessage = "message"
	ClassRead    = "read"
	ClassSocket  = "socket" // opening one
)

// Audit classes of frames.
const (
	AuditRoutine = "routine" // every few seconds by itself
	AuditPrivate = "private" // reads one person's messages
	AuditWrite   = "write"
)

// Identifiers that OpenIM sends by itself.
const (
	idSend     = 1003
	idNewest   = 1001
	idRanges   = 1002
	idSeqs     = 1005
	idRead     = 1006
	idLast     = 1007
	idPush     = 2001
	idKick     = 2002
	idLogout   = 2003
	idPresence = 2005
)

// Platforms of OpenIM's, 1 to 10.
const maxPlatforms = 10

// self is the field that nearly every request has.
var self = Field{Number: 1, Name: "userID", Rule: Self, Bound: ids.MaxBytes, Shape: Text}

// conversations is a list of them.
var conversations = Field{
	Number: 2, Name: "conversationIDs", Rule: Parties, Bound: bounds.Conversations, Shape: Text, Repeated: true, Entry: ids.MaxConversationBytes,
}

var order = Field{Number: 3, Name: "order", Rule: Bounded, Bound: 1, Shape: Number}

// Requests are all identifiers that a client may name. What is not here is refused. Numbers and types:
// internal/msggateway/constant.go and message_handler.go of open-im-server v3.8.3, the same to v3.8.3-patch.16;
// field numbers: openimsdk/protocol sdkws.proto, msg.proto, push.proto.
var Requests = []Request{
	{
		ID: idNewest, Name: "WSGetNewestSeq", Message: "sdkws.GetMaxSeqReq", Why: "the newest seq of each own conversation",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{self},
	},
	{
		ID: idRanges, Name: "WSPullMsgBySeqList", Message: "sdkws.PullMessageBySeqsReq", Why: "messages by ranges of seqs",
		Class: ClassRead, Audit: AuditPrivate, Fields: []Field{self, {
			Number: 2, Name: "seqRanges", Rule: Inside, Bound: bounds.Conversations, Shape: Message, Repeated: true, Fields: []Field{
				{Number: 1, Name: "conversationID", Rule: Parties, Bound: ids.MaxConversationBytes, Shape: Text},
				{Number: 2, Name: "begin", Rule: Bounded, Bound: bounds.Seq, Shape: Number},
				{Number: 3, Name: "end", Rule: Bounded, Bound: bounds.Seq, Shape: Number},
				{Number: 4, Name: "num", Rule: Bounded, Bound: bounds.Pulled, Shape: Number},
			},
		}, order},
	},
	{
		ID: idSend, Name: "WSSendMsg", Message: "sdkws.MsgData", Why: "send a message",
		Class: ClassMessage, Audit: AuditWrite, Fields: []Field{
			{Number: 1, Name: "sendID", Rule: Self, Bound: ids.MaxBytes, Shape: Text},
			{Number: 2, Name: "recvID", Rule: Peer, Bound: ids.MaxBytes, Shape: Text},
			{Number: 3, Name: "groupID", Rule: Group, Bound: ids.MaxBytes, Shape: Text},
			{Number: 4, Name: "clientMsgID", Rule: Bounded, Bound: ids.MaxBytes, Shape: Text},
			{Number: 5, Name: "serverMsgID", Rule: Server, Shape: Text},
			{Number: 6, Name: "senderPlatformID", Rule: Session, Shape: Number},
			{Number: 7, Name: "senderNickname", Rule: Server, Shape: Text},
			{Number: 8, Name: "senderFaceURL", Rule: Server, Shape: Text},
			{Number: 9, Name: "sessionType", Rule: Listed, Bound: bounds.Int32, Shape: Number},
			{Number: 10, Name: "msgFrom", Rule: Server, Shape: Number},
			{Number: 11, Name: "contentType", Rule: Listed, Bound: bounds.Int32, Shape: Number},
			{Number: 12, Name: "content", Rule: Bounded, Bound: bounds.Content, Shape: Raw},
			{Number: 14, Name: "seq", Rule: Server, Shape: Number},
			{Number: 15, Name: "sendTime", Rule: Server, Shape: Number},
			{Number: 16, Name: "createTime", Rule: Server, Shape: Number},
			{Number: 17, Name: "status", Rule: Server, Shape: Number},
			{Number: 18, Name: "isRead", Rule: Server, Shape: Number},
			{Number: 19, Name: "options", Rule: Listed, Bound: bounds.Options, Shape: Switches, Repeated: true},
			{Number: 20, Name: "offlinePushInfo", Rule: Inside, Shape: Message, Fields: []Field{
				{Number: 1, Name: "title", Rule: Shown, Bound: bounds.Push, Shape: Text},
				{Number: 2, Name: "desc", Rule: Bounded, Bound: bounds.Push, Shape: Text},
				{Number: 3, Name: "ex", Rule: Bounded, Bound: bounds.Push, Shape: Text},
				{Number: 4, Name: "iOSPushSound", Rule: Bounded, Bound: bounds.Push, Shape: Text},
				{Number: 5, Name: "iOSBadgeCount", Rule: Bounded, Bound: 1, Shape: Number},
				{Number: 6, Name: "signalInfo", Rule: Bounded, Bound: bounds.Push, Shape: Text},
			}},
			{Number: 21, Name: "atUserIDList", Rule: Named, Bound: bounds.Users, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
			{Number: 22, Name: "attachedInfo", Rule: Bounded, Bound: bounds.Note, Shape: Text},
			{Number: 23, Name: "ex", Rule: Bounded, Bound: bounds.Note, Shape: Text},
		},
	},
	{ID: 1004, Name: "WSSendSignalMsg", Message: "sdkws.MsgData", Why: "signalling", Refused: "OpenIM answers it with an error at every release"},
	{
		ID: idSeqs, Name: "WSPullMsg", Message: "msg.GetSeqMessageReq", Why: "messages by their seqs",
		Class: ClassRead, Audit: AuditPrivate, Fields: []Field{self, {
			Number: 2, Name: "conversations", Rule: Inside, Bound: bounds.Conversations, Shape: Message, Repeated: true, Fields: []Field{
				{Number: 2, Name: "conversationID", Rule: Parties, Bound: ids.MaxConversationBytes, Shape: Text},
				{Number: 3, Name: "seqs", Rule: Bounded, Bound: bounds.Pulled, Shape: Numbers, Repeated: true, Entry: bounds.Seq},
			},
		}, order},
	},
	{
		ID: idRead, Name: "WSGetConvMaxReadSeq", Message: "msg.GetConversationsHasReadAndMaxSeqReq", Why: "newest and read seqs of conversations",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{self,
			conversations},
	},
	{
		ID: idLast, Name: "WsPullConvLastMessage", Message: "msg.GetLastMessageReq", Why: "the last message of conversations",
		Class: ClassRead, Audit: AuditPrivate, Fields: []Field{self,
			conversations},
	},
	{
		ID: idLogout, Name: "WsLogoutMsg", Message: "push.DelUserPushTokenReq", Why: "forget the device's push token and close the socket",
		Class: ClassRead, Audit: AuditWrite, Fields: []Field{self, {Number: 2, Name: "platformID", Rule: Session, Bound: maxPlatforms, Shape: Number}},
	},
	{
		ID: 2004, Name: "WsSetBackgroundStatus", Message: "sdkws.SetAppBackgroundStatusReq", Why: "the app went to the background or came back",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{self, {Number: 2, Name: "isBackground", Rule: Bounded, Bound: 1, Shape: Number}},
	},
	{
		ID: idPresence, Name: "WsSubUserOnlineStatus", Message: "sdkws.SubUserOnlineStatus", Why: "who is online; open to every user, as in OpenIM, but bounded",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{
			{Number: 1, Name: "subscribeUserID", Rule: Named, Bound: bounds.Presence, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
			{Number: 2, Name: "unsubscribeUserID", Rule: Named, Bound: bounds.Presence, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
		},
	},
}

// Find returns the row of an identifier; nil when there is none.
func Find(id int32) *Request {
	for i := range Requests {
		if Requests[i].ID == id {
			return &Requests[i]
		}
	}
	return nil
}

// ContentTypes are what a client may send: what the official SDKs make of a user's doing. Not among them are revocations and
// reactions (calls of the API), streams, and all notifications (1000 to 5000), for which OpenIM skips block list, friendship, membership and mute.
var ContentTypes = map[int32]string{
	101: "text", 102: "picture", 103: "voice", 104: "video", 105: "file", 106: "text with mentions", 107: "merged messages",
	108: "card", 109: "location", 110: "custom", 113: "typing", 114: "quote", 115: "face", 117: "advanced text", 118: "markdown",
	119: "custom, opens no conversation", 120: "custom, online only",
}

// SessionTypes are where a client may send to. OpenIM has two more: 2, which it refuses itself, and 4, notifications.
var SessionTypes = map[int32]string{sessionSingle: "single chat", sessionGroup: "group"}

const (
	sessionSingle = 1
	sessionGroup  = 3
)

// Prefixes of conversation ids (pkg/msgprocessor/conversation.go).
const (
	notificationPrefix = "n_"
	groupPrefix        = "sg_"
	singlePrefix       = "si_"
)

// OptionKeys are the options of a message that the official SDKs send. All others are OpenIM's own: isNotNotification would
// turn a message into a notification.
var OptionKeys = []string{
	"history", "persistent", "offlinePush", "unreadCount", "conversationUpdate", "senderSync", "notPrivate", "senderConversationUpdate",
}
