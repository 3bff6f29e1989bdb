package sdkws

import "google.golang.org/protobuf/encoding/protowire"

// Field numbers of OpenIM's messages (openimsdk/protocol sdkws.proto, msg.proto).
const (
	dataSendID      protowire.Number = 1 // of sdkws.MsgData
	dataRecvID      protowire.Number = 2
	dataClientMsgID protowire.Number = 4
	dataServerMsgID protowire.Number = 5
	dataPlatform    protowire.Number = 6
	dataSessionType protowire.Number = 9
	dataContentType protowire.Number = 11
	dataContent     protowire.Number = 12
	dataSeq         protowire.Number = 14
	dataCreateTime  protowire.Number = 16
	dataOptions     protowire.Number = 19

	listMessages protowire.Number = 1 // of sdkws.PushMessages and msg.GetSeqMessageResp: conversation to sdkws.PullMsgs
	entryKey     protowire.Number = 1 // of an entry of a map
	entryValue   protowire.Number = 2
	pullMessages protowire.Number = 1 // of sdkws.PullMsgs

	sentServerID protowire.Number = 1 // of msg.SendMsgResp
	sentClientID protowire.Number = 2
	sentTime     protowire.Number = 3

	pullUser         protowire.Number = 1 // of msg.GetSeqMessageReq
	pullConversation protowire.Number = 2
	oneConversation  protowire.Number = 2 // of its conversations
	oneSeqs          protowire.Number = 3

	newestUser protowire.Number = 1 // of sdkws.GetMaxSeqReq
	newestMax  protowire.Number = 1 // of sdkws.GetMaxSeqResp: conversation to seq
)

// Identifiers of requests and frames (OpenIM's internal/msggateway/constant.go).
const (
	IDNewestSeqs = 1001 // of each conversation of the user
	IDSend       = 1003
	IDPull       = 1005 // messages by their seqs
	IDPush       = 2001
	IDKick       = 2002
)

// OpenIM's numbers.
const (
	SessionSingle = 1
	ContentText   = 101
)

// Message is a message of one user to another (sdkws.MsgData).
type Message struct {
	SendID, RecvID           string
	ClientMsgID, ServerMsgID string
	PlatformID               int32
	SessionType, ContentType int64
	Content                  []byte
	Seq                      int64
	CreateTime               int64 // milliseconds since 1970
	// NoOfflinePush keeps OpenIM from handing the message to a push service. Marshal writes it, Messages does not read it.
	NoOfflinePush bool
}

// offlinePush is the key of the option (openimsdk/protocol constant.IsOfflinePush). A missing option means yes.
const offlinePush = "offlinePush"

// Marshal encodes what a client sets: not ServerMsgID and Seq.
func (m Message) Marshal() []byte {
	out := text(nil, dataSendID, m.SendID)
	out = text(out, dataRecvID, m.RecvID)
	out = text(out, dataClientMsgID, m.ClientMsgID)
	out = number(out, dataPlatform, int64(m.PlatformID))
	out = number(out, dataSessionType, m.SessionType)
	out = number(out, dataContentType, m.ContentType)
	out = message(out, dataContent, m.Content)
	out = number(out, dataCreateTime, m.CreateTime)
	if m.NoOfflinePush {
		out = message(out, dataOptions, number(text(nil, entryKey, offlinePush), entryValue, 0))
	}
	return out
}

// Listed is a message in a list of messages by conversation.
type Listed struct {
	Conversation string
	Message
}

// Messages decodes the messages of a push (sdkws.PushMessages) or of the reply to a pull (msg.GetSeqMessageResp), without notifications.
func Messages(data []byte) []Listed {
	var all []Listed
	walk(data, func(n protowire.Number, _ int64, entry []byte) {
		if n != listMessages {
			return
		}
		var conversation string
		var messages []byte
		walk(entry, func(n protowire.Number, _ int64, content []byte) {
			switch n {
			case entryKey:
				conversation = string(content)
			case entryValue:
				messages = content
			}
		})
		walk(messages, func(n protowire.Number, _ int64, content []byte) {
			if n == pullMessages {
				all = append(all, Listed{conversation, Unmarshal(content)})
			}
		})
	})
	return all
}

// Unmarshal decodes one message. Malformed data ends at its first error.
func Unmarshal(data []byte) (m Message) {
	walk(data, func(n protowire.Number, value int64, content []byte) {
		switch n {
		case dataSendID:
			m.SendID = string(content)
		case dataRecvID:
			m.RecvID = string(content)
		case dataClientMsgID:
			m.ClientMsgID = string(content)
		case dataServerMsgID:
			m.ServerMsgID = string(content)
		case dataPlatform:
			m.PlatformID = int32(value) //nolint:gosec // as protobuf decodes an int32
		case dataSessionType:
			m.SessionType = value
		case dataContentType:
			m.ContentType = value
		case dataContent:
			m.Content = content
		case dataSeq:
			m.Seq = value
		case dataCreateTime:
			m.CreateTime = value
		}
	})
	return m
}

// Sent is the reply to a sent message (msg.SendMsgResp).
type Sent struct {
	ServerMsgID, ClientMsgID string
	SendTime                 int64 // milliseconds since 1970
}

// UnmarshalSent decodes the reply to a sent message.
func UnmarshalSent(data []byte) (sent Sent) {
	walk(data, func(n protowire.Number, value int64, content []byte) {
		switch n {
		case sentServerID:
			sent.ServerMsgID = string(content)
		case sentClientID:
			sent.ClientMsgID = string(content)
		case sentTime:
			sent.SendTime = value
		}
	})
	return sent
}

// Pull encodes the request for messages of a conversation by their sequence numbers (msg.GetSeqMessageReq).
func Pull(userID, conversation string, seqs ...int64) []byte {
	one := text(nil, oneConversation, conversation)
	for _, seq := range seqs {
		one = number(one, oneSeqs, seq)
	}
	return message(text(nil, pullUser, userID), pullConversation, one)
}

// NewestSeqs encodes the request for the newest sequence number of each conversation of a user (sdkws.GetMaxSeqReq).
func NewestSeqs(userID string) []byte { return text(nil, newestUser, userID) }

// UnmarshalNewestSeqs decodes the reply (sdkws.GetMaxSeqResp): the newest sequence number of each conversation. Malformed data ends at its
// first error.
func UnmarshalNewestSeqs(data []byte) map[string]int64 {
	newest := map[string]int64{}
	walk(data, func(n protowire.Number, _ int64, entry []byte) {
		if n != newestMax {
			return
		}
		var conversation string
		var seq int64
		walk(entry, func(n protowire.Number, value int64, content []byte) {
			switch n {
			case entryKey:
				conversation = string(content)
			case entryValue:
				seq = value
			}
		})
		newest[conversation] = seq
	})
	return newest
}
