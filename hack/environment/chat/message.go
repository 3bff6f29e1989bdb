package chat

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// Numbers of OpenIM's protocol (openimsdk/protocol constant/constant.go).
const (
	platformIOS     = 1
	registeredTwice = 1102 // errCode: the user exists already
	// docSize is how many messages one document of MongoDB's collection msg holds.
	docSize = 100
)

// Document returns the doc_id under which MongoDB holds a message of a conversation.
func Document(conversation string, seq int64) string {
	return fmt.Sprintf("%s:%d", conversation, (seq-1)/docSize)
}

// Register creates users. It reports whether they were new; existing users are not an error.
func (a Admin) Register(ctx context.Context, users ...string) (created bool, err error) {
	type user struct {
		UserID   string `json:"userID"`
		Nickname string `json:"nickname"`
	}
	var body struct {
		Users []user `json:"users"`
	}
	for _, name := range users {
		body.Users = append(body.Users, user{name, name})
	}
	const route = "/user/user_register"
	reply, err := a.Post(ctx, route, body)
	switch {
	case err != nil:
		return false, err
	case reply.OK():
		return true, nil
	case reply.Code == registeredTwice:
		return false, nil
	default:
		return false, fmt.Errorf("calling %s: %s", route, reply)
	}
}

// Send sends a text from one user to another.
func (a Admin) Send(ctx context.Context, from, to, text string) (Message, error) {
	var sent Message
	err := a.call(ctx, "/msg/send_msg", map[string]any{
		"sendID": from, "recvID": to, "senderNickname": from, "senderPlatformID": platformIOS,
		"content": map[string]string{"content": text}, "contentType": sdkws.ContentText, "sessionType": sdkws.SessionSingle,
	}, &sent)
	if err == nil && sent.ServerID == "" {
		return sent, fmt.Errorf("/msg/send_msg answered success without a serverMsgID")
	}
	return sent, err
}

// NewestSeq returns the newest sequence number of a conversation as a user sees it, or 0 for an empty conversation.
func (a Admin) NewestSeq(ctx context.Context, user, conversation string) (int64, error) {
	var data struct {
		MaxSeqs map[string]json.Number `json:"maxSeqs"` // protobuf's JSON writes 64-bit numbers as strings
	}
	if err := a.call(ctx, "/msg/newest_seq", map[string]string{"userID": user}, &data); err != nil {
		return 0, err
	}
	seq, err := cmp.Or(data.MaxSeqs[conversation], "0").Int64()
	if err != nil {
		return 0, fmt.Errorf("/msg/newest_seq answered an invalid sequence number: %w", err)
	}
	return seq, nil
}

// Pulled is a message as a user pulls it.
type Pulled struct {
	ServerID string      `json:"serverMsgID"`
	SendID   string      `json:"sendID"`
	RecvID   string      `json:"recvID"`
	Seq      json.Number `json:"seq"`
	// Content is JSON; for a text {"content": text}. On the wire it is base64, as protobuf's bytes are.
	Content []byte `json:"content"`
}

// Pull pulls one message by its sequence number, as a user of the conversation.
func (a Admin) Pull(ctx context.Context, user, conversation string, seq int64) (Pulled, error) {
	messages, err := a.PullRange(ctx, user, conversation, seq, seq)
	if err != nil {
		return Pulled{}, err
	}
	for _, message := range messages {
		if message.Seq.String() == fmt.Sprint(seq) {
			return message, nil
		}
	}
	return Pulled{}, fmt.Errorf("/msg/pull_msg_by_seq returned no message %d of %s", seq, conversation)
}

// PullRange pulls the messages with the sequence numbers from begin to end by one call, as a user of the conversation.
func (a Admin) PullRange(ctx context.Context, user, conversation string, begin, end int64) ([]Pulled, error) {
	var data struct {
		Msgs map[string]struct {
			Msgs []Pulled `json:"Msgs"`
		} `json:"msgs"`
	}
	err := a.call(ctx, "/msg/pull_msg_by_seq", map[string]any{
		"userID":    user,
		"seqRanges": []map[string]any{{"conversationID": conversation, "begin": begin, "end": end, "num": end - begin + 1}},
	}, &data)
	return data.Msgs[conversation].Msgs, err
}
