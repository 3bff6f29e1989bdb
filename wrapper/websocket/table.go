package websocket

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
)

// Rule is the check of one field of a request.
type Rule string

// Values of Rule.
const (
	Self         Rule = "self"         // must be the session's user; filled in when absent
	Conversation Rule = "conversation" // the user must be a participant: others are removed, and a request without any is refused
	Group        Rule = "group"        // the user must be a member
	Peer         Rule = "peer"         // a user id; OpenIM checks the block list and, if configured, friendship
	ID           Rule = "id"           // a user id of legal characters, without further checks
	Session      Rule = "session"      // overwritten from the session
	Shown        Rule = "shown"        // replaced by the sender's name if set
	Server       Rule = "server"       // overwritten or removed: only the server sets it
	Listed       Rule = "listed"       // one of a list; otherwise refused
	Bounded      Rule = "bounded"      // unchanged within the bound; otherwise refused
	Inside       Rule = "inside"       // a message whose fields have rules
)

// Shape is the encoding of a field in protobuf.
type Shape string

// Values of Shape.
const (
	Number   Shape = "number"   // int32, int64, enum, bool
	Text     Shape = "text"     // string
	Bytes    Shape = "bytes"    // bytes
	Message  Shape = "message"  // a nested message
	Numbers  Shape = "numbers"  // repeated numbers, packed or not
	Switches Shape = "switches" // map<string, bool>
)

// Field is one field of a request's protobuf message. Fields that are not in the table are removed. A field that occurs twice although
// protobuf expects it once is malformed.
type Field struct {
	Number protowire.Number
	Name   string
	Rule   Rule
	Shape  Shape
	// Bound is the maximum: bytes of a text, the value of a number, or the entries of a list, over all lists of the request.
	Bound    int64
	Repeated bool
	Entry    int64   // of a repeated field: maximum bytes of each text, maximum of the numbers
	Fields   []Field // of a nested message
}

// Request is one request of OpenIM's WebSocket.
type Request struct {
	ID      int32
	Name    string // the name of OpenIM's constant
	Message string // protobuf type of its data
	// Why is the purpose. Refused is the reason why it is never passed on; empty: it is passed on under the rules of its fields.
	Why     string
	Refused string
	Class   string // rate limit class
	Audit   string // audit class
	Fields  []Field
}

// Rate limit classes of frames.
const (
	ClassMessage = "message"
	ClassRead    = "read"
	ClassSocket  = "socket" // opening a socket
)

// Audit classes of frames.
const (
	AuditRoutine = "routine" // sent periodically by SDKs
	AuditPrivate = "private" // reads a user's messages
	AuditWrite   = "write"
)

// Identifiers of requests and pushes.
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

// maxPlatforms is the largest of OpenIM's platform numbers, 1 to 10.
const maxPlatforms = 10

// self is the field of the user, which nearly every request has.
var self = Field{Number: 1, Name: "userID", Rule: Self, Bound: ids.MaxBytes, Shape: Text}

// conversations is a list of conversations.
var conversations = Field{
	Number: 2, Name: "conversationIDs", Rule: Conversation, Bound: bounds.Conversations, Shape: Text, Repeated: true,
	Entry: ids.MaxConversationBytes,
}

var order = Field{Number: 3, Name: "order", Rule: Bounded, Bound: 1, Shape: Number}

// Requests lists all requests that a client may send. All others are refused. Numbers and types: internal/msggateway/constant.go and
// message_handler.go of open-im-server v3.8.3, the same up to v3.8.3-patch.16. Field numbers: openimsdk/protocol sdkws.proto, msg.proto,
// push.proto.
var Requests = []Request{
	{
		ID: idNewest, Name: "WSGetNewestSeq", Message: "sdkws.GetMaxSeqReq", Why: "the newest seq of each own conversation",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{self},
	},
	{
		ID: idRanges, Name: "WSPullMsgBySeqList", Message: "sdkws.PullMessageBySeqsReq", Why: "messages by ranges of seqs",
		Class: ClassRead, Audit: AuditPrivate, Fields: []Field{self, {
			Number: 2, Name: "seqRanges", Rule: Inside, Bound: bounds.Conversations, Shape: Message, Repeated: true, Fields: []Field{
				{Number: 1, Name: "conversationID", Rule: Conversation, Bound: ids.MaxConversationBytes, Shape: Text},
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
			{Number: 12, Name: "content", Rule: Bounded, Bound: bounds.Content, Shape: Bytes},
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
			{Number: 21, Name: "atUserIDList", Rule: ID, Bound: bounds.Users, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
			{Number: 22, Name: "attachedInfo", Rule: Bounded, Bound: bounds.Note, Shape: Text},
			{Number: 23, Name: "ex", Rule: Bounded, Bound: bounds.Note, Shape: Text},
		},
	},
	{ID: 1004, Name: "WSSendSignalMsg", Message: "sdkws.MsgData", Why: "signalling",
		Refused: "OpenIM answers it with an error at every release"},
	{
		ID: idSeqs, Name: "WSPullMsg", Message: "msg.GetSeqMessageReq", Why: "messages by their seqs",
		Class: ClassRead, Audit: AuditPrivate, Fields: []Field{self, {
			Number: 2, Name: "conversations", Rule: Inside, Bound: bounds.Conversations, Shape: Message, Repeated: true, Fields: []Field{
				{Number: 2, Name: "conversationID", Rule: Conversation, Bound: ids.MaxConversationBytes, Shape: Text},
				{Number: 3, Name: "seqs", Rule: Bounded, Bound: bounds.Pulled, Shape: Numbers, Repeated: true, Entry: bounds.Seq},
			},
		}, order},
	},
	{
		ID: idRead, Name: "WSGetConvMaxReadSeq", Message: "msg.GetConversationsHasReadAndMaxSeqReq",
		Why:   "newest and read seqs of conversations",
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
		Class: ClassRead, Audit: AuditWrite, Fields: []Field{self,
			{Number: 2, Name: "platformID", Rule: Session, Bound: maxPlatforms, Shape: Number}},
	},
	{
		ID: 2004, Name: "WsSetBackgroundStatus", Message: "sdkws.SetAppBackgroundStatusReq",
		Why:   "the app went to the background or came back",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{self,
			{Number: 2, Name: "isBackground", Rule: Bounded, Bound: 1, Shape: Number}},
	},
	{
		ID: idPresence, Name: "WsSubUserOnlineStatus", Message: "sdkws.SubUserOnlineStatus",
		Why:   "who is online; open to every user, as in OpenIM, but bounded",
		Class: ClassRead, Audit: AuditRoutine, Fields: []Field{
			{Number: 1, Name: "subscribeUserID", Rule: ID, Bound: bounds.Presence, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
			{Number: 2, Name: "unsubscribeUserID", Rule: ID, Bound: bounds.Presence, Shape: Text, Repeated: true, Entry: ids.MaxBytes},
		},
	},
}

// Find returns the row of a request's identifier, nil if there is none.
func Find(id int32) *Request {
	for i := range Requests {
		if Requests[i].ID == id {
			return &Requests[i]
		}
	}
	return nil
}

// ContentTypes are the content types that a client may send: those that the official SDKs send for a user's action. Not among them are
// revocations and reactions (which are calls of the API), streams, and all notifications (1000 to 5000), for which OpenIM checks neither
// block list, friendship, membership nor mute.
var ContentTypes = map[int32]string{
	101: "text", 102: "picture", 103: "voice", 104: "video", 105: "file", 106: "text with mentions", 107: "merged messages",
	108: "card", 109: "location", 110: "custom", 113: "typing", 114: "quote", 115: "face", 117: "advanced text", 118: "markdown",
	119: "custom, opens no conversation", 120: "custom, online only",
}

// SessionTypes are the session types that a client may send to. OpenIM has two more: 2, which it refuses itself, and 4, notifications.
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

// OptionKeys are the options of a message that the official SDKs send. All others are for OpenIM only: isNotNotification would turn a
// message into a notification.
var OptionKeys = []string{
	"history", "persistent", "offlinePush", "unreadCount", "conversationUpdate", "senderSync", "notPrivate", "senderConversationUpdate",
}
