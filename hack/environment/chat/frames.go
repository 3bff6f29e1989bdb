package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

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

	pushMessages protowire.Number = 1 // of sdkws.PushMessages: conversation to sdkws.PullMsgs
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
)

// Received is a message that a socket received.
type Received struct {
	Conversation string
	SendID       string
	RecvID       string
	ServerID     string
	ContentType  int64
	Seq          int64
	// Text of a text message.
	Text string
	At   time.Time
}

// Draft is a message before it is sent. SendID may be any user; the gateway must check it.
type Draft struct {
	SendID, RecvID, Text string
	PlatformID           int32
}

// encode writes a draft as sdkws.MsgData.
func (d Draft) encode() []byte {
	content, _ := json.Marshal(map[string]string{"content": d.Text}) // a string is always JSON
	out := text(nil, dataSendID, d.SendID)
	out = text(out, dataRecvID, d.RecvID)
	out = text(out, dataClientMsgID, rand.Text())
	out = number(out, dataPlatform, int64(d.PlatformID))
	out = number(out, dataSessionType, sessionSingle)
	out = number(out, dataContentType, contentText)
	out = protowire.AppendBytes(protowire.AppendTag(out, dataContent, protowire.BytesType), content)
	return number(out, dataCreateTime, time.Now().UnixMilli())
}

// SendDraft sends a draft unchanged. A refusal is a Reply with an ErrCode.
func (s *Socket) SendDraft(ctx context.Context, d Draft) (frame.Reply, error) {
	return s.Do(ctx, FrameSend, d.encode())
}

// Send sends a text as the socket's user.
func (s *Socket) Send(ctx context.Context, to, words string) (Message, error) {
	reply, err := s.SendDraft(ctx, Draft{SendID: s.UserID, RecvID: to, Text: words, PlatformID: s.PlatformID})
	if err != nil {
		return Message{}, err
	}
	if reply.ErrCode != 0 {
		return Message{}, fmt.Errorf("sending the message: errCode %d %q", reply.ErrCode, reply.ErrMsg)
	}
	var sent Message
	walk(reply.Data, func(n protowire.Number, value int64, content []byte) {
		switch n {
		case sentServerID:
			sent.ServerID = string(content)
		case sentClientID:
			sent.ClientID = string(content)
		case sentTime:
			sent.SendTime = value
		}
	})
	if sent.ServerID == "" {
		return sent, fmt.Errorf("sending the message: the reply has no serverMsgID")
	}
	return sent, nil
}

// Pull requests messages of a conversation by their sequence numbers, as the socket's user.
func (s *Socket) Pull(ctx context.Context, conversation string, seqs ...int64) (frame.Reply, error) {
	one := text(nil, oneConversation, conversation)
	for _, seq := range seqs {
		one = number(one, oneSeqs, seq)
	}
	data := text(nil, pullUser, s.UserID)
	return s.Do(ctx, FramePull, protowire.AppendBytes(protowire.AppendTag(data, pullConversation, protowire.BytesType), one))
}

// pushed decodes the messages of sdkws.PushMessages, without notifications.
func pushed(data []byte) []Received {
	var all []Received
	walk(data, func(n protowire.Number, _ int64, entry []byte) {
		if n != pushMessages {
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
				message := received(content)
				message.Conversation = conversation
				all = append(all, message)
			}
		})
	})
	return all
}

// received decodes sdkws.MsgData.
func received(data []byte) Received {
	m := Received{At: time.Now()}
	walk(data, func(n protowire.Number, value int64, content []byte) {
		switch n {
		case dataSendID:
			m.SendID = string(content)
		case dataRecvID:
			m.RecvID = string(content)
		case dataServerMsgID:
			m.ServerID = string(content)
		case dataContentType:
			m.ContentType = value
		case dataSeq:
			m.Seq = value
		case dataContent:
			var body struct {
				Content string `json:"content"`
			}
			if json.Unmarshal(content, &body) == nil {
				m.Text = body.Content
			}
		}
	})
	return m
}

// walk calls see for each field of a protobuf message, with the value of a number or the content of bytes. It stops at the first
// malformed field.
func walk(message []byte, see func(n protowire.Number, value int64, content []byte)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		var value uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			value, size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			content, size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(n, kind, message)
		}
		if size < 0 {
			return
		}
		message = message[size:]
		see(n, int64(value), content)
	}
}

func text(out []byte, n protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, n, protowire.BytesType), value)
}

func number(out []byte, n protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, n, protowire.VarintType), uint64(value))
}
