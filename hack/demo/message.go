package main

import (
	"context"
	"time"

	"github.com/openimstack/openim-operator/test/harness/chat"
)

// message sends one and says where it was seen: Kafka by the counters of those who put it in and take it out, Redis and MongoDB by
// reading them.
func (s *show) message(ctx context.Context) error {
	text := "hello bob, it is " + time.Now().UTC().Format("15:04:05.000 on 2006-01-02")
	d, err := s.Deliver(ctx, s.stack, s.admin, alice, bob, text)
	if err != nil {
		return err
	}
	say := s.Journal.Say
	say("gateway > backend > api > rpc-msg  POST /admin/v1/msg/send_msg: serverMsgID %s", d.Sent.ServerID)
	say("rpc-msg > Kafka                    its counter %s: +%.0f", chat.Produced, d.Counted[chat.Produced])
	say("Kafka > msgtransfer > Redis        MALLOC_SEQ:%s is at %d%s", d.Conversation, d.Cached.CurrentSeq, cached(d.Cached))
	say("Kafka > msgtransfer > MongoDB      its counter %s: +%.0f", chat.Persisted, d.Counted[chat.Persisted])
	say("found in MongoDB                   collection msg, doc_id %s, seq %d: %s to %s: %s", chat.Document(d.Conversation, d.Seq), d.Seq, d.Stored.SendID, d.Stored.RecvID, d.Stored.Content)
	say("bob reads it through the gateway   newest_seq %d (was %d), pull_msg_by_seq %d: %s", d.Seq, d.Before, d.Seq, d.Pulled.Content)
	say("from the gateway to MongoDB it took %s at most", d.Took.Round(10*time.Millisecond))
	return nil
}

func cached(c chat.Cached) string {
	if c.Message {
		return ", and the message is cached"
	}
	return ", and the message is not cached"
}
