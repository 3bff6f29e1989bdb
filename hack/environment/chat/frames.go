package chat

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
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
	content, _ := json.Marshal(map[string]string{"content": d.Text}) //nolint:errchkjson // strings cannot fail
	return sdkws.Message{
		SendID: d.SendID, RecvID: d.RecvID, ClientMsgID: rand.Text(), PlatformID: d.PlatformID, SessionType: sessionSingle,
		ContentType: contentText, Content: content, CreateTime: time.Now().UnixMilli(),
	}.Marshal()
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
	got := sdkws.UnmarshalSent(reply.Data)
	sent := Message{ServerID: got.ServerMsgID, ClientID: got.ClientMsgID, SendTime: got.SendTime}
	if sent.ServerID == "" {
		return sent, fmt.Errorf("sending the message: the reply has no serverMsgID")
	}
	return sent, nil
}

// Pull requests messages of a conversation by their sequence numbers, as the socket's user.
func (s *Socket) Pull(ctx context.Context, conversation string, seqs ...int64) (frame.Reply, error) {
	return s.Do(ctx, FramePull, sdkws.Pull(s.UserID, conversation, seqs...))
}

// pushed decodes the messages of sdkws.PushMessages, without notifications.
func pushed(data []byte) []Received {
	var all []Received
	for _, m := range sdkws.Messages(data) {
		got := Received{
			Conversation: m.Conversation, SendID: m.SendID, RecvID: m.RecvID, ServerID: m.ServerMsgID, ContentType: m.ContentType, Seq: m.Seq,
			At: time.Now(),
		}
		var body struct {
			Content string `json:"content"`
		}
		if json.Unmarshal(m.Content, &body) == nil {
			got.Text = body.Content
		}
		all = append(all, got)
	}
	return all
}
