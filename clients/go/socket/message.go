package socket

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
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
	// Created is when the sender's device made the message, by that device's clock. Zero when it says nothing.
	Created time.Time
	// Text of a text message.
	Text string
	// At is when the message arrived here.
	At time.Time
}

// Receipt is OpenIM's receipt of a message.
type Receipt struct {
	ServerID string `json:"serverMsgID"`
	ClientID string `json:"clientMsgID"`
	SendTime int64  `json:"sendTime"` // milliseconds since 1970
}

// Conversation returns the ID of the conversation of two users.
func Conversation(a, b string) string {
	users := []string{a, b}
	slices.Sort(users)
	return "si_" + users[0] + "_" + users[1]
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
		SendID: d.SendID, RecvID: d.RecvID, ClientMsgID: rand.Text(), PlatformID: d.PlatformID, SessionType: sdkws.SessionSingle,
		ContentType: sdkws.ContentText, Content: content, CreateTime: time.Now().UnixMilli(),
	}.Marshal()
}

// SendDraft sends a draft unchanged. A refusal is a Reply with an ErrCode.
func (s *Socket) SendDraft(ctx context.Context, d Draft) (frame.Reply, error) {
	return s.Do(ctx, FrameSend, d.encode())
}

// Send sends a text as the socket's user.
func (s *Socket) Send(ctx context.Context, to, words string) (Receipt, error) {
	reply, err := s.SendDraft(ctx, Draft{SendID: s.UserID, RecvID: to, Text: words, PlatformID: s.PlatformID})
	if err != nil {
		return Receipt{}, err
	}
	if reply.ErrCode != 0 {
		return Receipt{}, fmt.Errorf("sending the message: errCode %d %q", reply.ErrCode, reply.ErrMsg)
	}
	got := sdkws.UnmarshalSent(reply.Data)
	sent := Receipt{ServerID: got.ServerMsgID, ClientID: got.ClientMsgID, SendTime: got.SendTime}
	if sent.ServerID == "" {
		return sent, fmt.Errorf("sending the message: the reply has no serverMsgID")
	}
	return sent, nil
}

// Pull requests messages of a conversation by their sequence numbers, as the socket's user.
func (s *Socket) Pull(ctx context.Context, conversation string, seqs ...int64) (frame.Reply, error) {
	return s.Do(ctx, FramePull, sdkws.Pull(s.UserID, conversation, seqs...))
}

// Range returns the messages of a conversation whose sequence numbers are from first to last, in their order, as the socket's user. OpenIM
// leaves out those that the user deleted or may not see.
func (s *Socket) Range(ctx context.Context, conversation string, first, last int64) ([]Received, error) {
	if first > last {
		return nil, nil
	}
	if last-first >= MaxRange {
		return nil, fmt.Errorf("pulling %d messages: more than %d at a time: ask for fewer", last-first+1, MaxRange)
	}
	seqs := make([]int64, 0, last-first+1)
	for seq := first; seq <= last; seq++ {
		seqs = append(seqs, seq)
	}
	reply, err := s.Pull(ctx, conversation, seqs...)
	switch {
	case err != nil:
		return nil, err
	case reply.ErrCode != 0:
		return nil, fmt.Errorf("pulling messages: errCode %d %q", reply.ErrCode, reply.ErrMsg)
	}
	var all []Received
	for _, m := range messages(reply.Data) {
		if m.Conversation == conversation && m.Seq >= first && m.Seq <= last {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Received) int { return cmp.Compare(a.Seq, b.Seq) })
	return all, nil
}

// MaxRange is the largest number of messages that Range pulls.
const MaxRange = 100

// NewestSeq returns the newest sequence number of a conversation as the socket's user sees it, 0 for an empty conversation.
func (s *Socket) NewestSeq(ctx context.Context, conversation string) (int64, error) {
	reply, err := s.Do(ctx, FrameNewestSeqs, sdkws.NewestSeqs(s.UserID))
	switch {
	case err != nil:
		return 0, err
	case reply.ErrCode != 0:
		return 0, fmt.Errorf("reading the newest sequence numbers: errCode %d %q", reply.ErrCode, reply.ErrMsg)
	}
	return sdkws.UnmarshalNewestSeqs(reply.Data)[conversation], nil
}

// messages decodes the messages of a push, or of the reply to a pull, without notifications.
func messages(data []byte) []Received {
	var all []Received
	for _, m := range sdkws.Messages(data) {
		got := Received{
			Conversation: m.Conversation, SendID: m.SendID, RecvID: m.RecvID, ServerID: m.ServerMsgID, ContentType: m.ContentType, Seq: m.Seq,
			At: time.Now(),
		}
		if m.CreateTime > 0 {
			got.Created = time.UnixMilli(m.CreateTime)
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
