package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	pathDelete = "/msg/delete_msgs"
	pathPull   = "/msg/pull_msg_by_seq"
	// searched is how many of the newest numbers are searched for a message whose push did not arrive. Other checks at the same time use
	// a few.
	searched = 100
	// statusDeleted is the status of a message that is deleted for the user who pulls it (openimsdk/protocol constant.MsgDeleted).
	statusDeleted = 4
)

// pulledMessage is a message in the reply to a pull by the API. An entry without an id stands for a message that does not exist.
type pulledMessage struct {
	ClientMsgID string          `json:"clientMsgID"`
	Seq         json.Number     `json:"seq"`
	Status      int32           `json:"status"`
	Content     json.RawMessage `json:"content"`
}

// deleted reports whether the message is a mark of a deleted one: without content, whatever an empty one is in JSON.
func (m pulledMessage) deleted() bool {
	switch string(m.Content) {
	case "", `""`, "null", "[]":
		return m.Status == statusDeleted
	}
	return false
}

// remove deletes all messages of the check for both users, and checks that neither sees one any more.
//
// OpenIM deletes for one user at a time without a notification. It marks the message in MongoDB, where the message arrives later than in
// Redis, and does so even if the message is not there yet, unless it is the first of its document (each document has 100 messages). A pull
// that returns the mark proves that the message is in MongoDB and marked. Without the mark, remove deletes again until timing.settle has
// passed. The other ways to delete are not used: for all participants at once OpenIM sends and keeps a notification for each call, and
// /msg/delete_msg_physical destroys the messages of every conversation.
func (x *exchange) remove(ctx context.Context) error {
	began := time.Now()
	var last error
	for {
		unseen, err := x.find(ctx)
		if err == nil {
			err = x.removeOnce(ctx, time.Since(began) >= x.timing.settle)
		}
		settled := time.Since(began) >= x.timing.settle
		switch {
		case err == nil && unseen == 0:
			return nil
		case err == nil && settled:
			return x.missing()
		}
		if ctx.Err() == nil {
			last = err // a call that the deadline ends says nothing
		}
		if !sleep(ctx, x.timing.retry) {
			if last == nil {
				last = errors.New("deleting the message: not done in time")
			}
			return last
		}
	}
}

// missing returns an error if OpenIM accepted a message and does not have it: it may be stored later, and would not be deleted.
func (x *exchange) missing() error {
	for _, m := range x.sent {
		if m.accepted && m.seq == 0 {
			return errors.New("deleting the message: OpenIM accepted it and does not have it")
		}
	}
	return nil
}

// find finds the numbers of messages that are not known yet, and returns how many remain.
func (x *exchange) find(ctx context.Context) (unseen int, err error) {
	for _, m := range x.sent {
		if m.seq == 0 {
			unseen++
		}
	}
	if unseen == 0 {
		return 0, nil
	}
	newest, err := x.openim.NewestSeq(ctx, ids.CheckReceiver, conversation)
	if err != nil || newest == 0 {
		return unseen, err
	}
	all, err := x.pulled(ctx, ids.CheckReceiver, max(1, newest-searched+1), newest)
	if err != nil {
		return unseen, err
	}
	for _, m := range x.sent {
		for _, got := range all {
			if seq, err := got.Seq.Int64(); err == nil && seq > 0 && m.seq == 0 && got.ClientMsgID == m.id {
				m.seq = seq
				unseen--
			}
		}
	}
	return unseen, nil
}

// removeOnce deletes each message for both users. settled accepts that a message is not there at all.
func (x *exchange) removeOnce(ctx context.Context, settled bool) error {
	for _, m := range x.sent {
		if m.seq == 0 || m.removed {
			continue
		}
		for _, user := range []string{ids.CheckSender, ids.CheckReceiver} {
			if err := x.removeFor(ctx, user, m, settled); err != nil {
				return fmt.Errorf("deleting the message: %w", err)
			}
		}
		m.removed = true
	}
	return nil
}

func (x *exchange) removeFor(ctx context.Context, user string, m *sentMessage, settled bool) error {
	body, err := json.Marshal(map[string]any{"userID": user, "conversationID": conversation, "seqs": []int64{m.seq}})
	if err != nil {
		return err
	}
	if _, err := x.call(ctx, pathDelete, body); err != nil {
		return err
	}
	all, err := x.pulled(ctx, user, m.seq, m.seq)
	if err != nil {
		return err
	}
	for _, got := range all {
		if got.ClientMsgID == m.id {
			if got.deleted() {
				return nil
			}
			return fmt.Errorf("it is still visible to %s", user)
		}
	}
	if !settled {
		return fmt.Errorf("it is not in the store of %s yet", user)
	}
	return nil
}

// pulled returns the messages of a range of numbers, as a user sees them.
func (x *exchange) pulled(ctx context.Context, user string, begin, end int64) ([]pulledMessage, error) {
	body, err := json.Marshal(map[string]any{"userID": user, "order": 0, "seqRanges": []any{
		map[string]any{"conversationID": conversation, "begin": begin, "end": end, "num": end - begin + 1},
	}})
	if err != nil {
		return nil, err
	}
	reply, err := x.call(ctx, pathPull, body)
	if err != nil {
		return nil, err
	}
	var data struct {
		Msgs map[string]struct {
			Msgs []pulledMessage `json:"Msgs"`
		} `json:"msgs"`
	}
	if len(reply) > 0 && json.Unmarshal(reply, &data) != nil {
		return nil, fmt.Errorf("%s: the reply is not a list of messages", pathPull)
	}
	return data.Msgs[conversation].Msgs, nil
}

// call makes one call as the administrator.
func (x *exchange) call(ctx context.Context, path string, body []byte) (json.RawMessage, error) {
	reply, err := x.openim.Call(ctx, openimclient.Request{Path: path, Body: body, RequestID: wire.NewRequestID(), Repeatable: true})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case reply.ErrCode != wire.CodeOK:
		return nil, fmt.Errorf("%s: errCode %d", path, reply.ErrCode)
	}
	return reply.Data, nil
}
