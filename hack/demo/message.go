package main

import (
	"context"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

// deliveryTimeout bounds how long a message may take from alice's socket to bob's.
const deliveryTimeout = 5 * time.Second

// message sends a message over alice's socket, waits for it at bob's socket, and prints where else it was observed: in Kafka by the
// counters of its producer and consumer, in Redis and MongoDB by reading them.
func (s *demo) message(ctx context.Context) error {
	if err := s.openSockets(ctx); err != nil {
		return err
	}
	text := "hello bob, it is " + time.Now().UTC().Format("15:04:05.000 on 2006-01-02")
	var got chat.Received
	var began time.Time
	d, err := s.Follow(ctx, s.stack, s.admin, alice, bob, text, func(ctx context.Context) (chat.Message, error) {
		began = time.Now()
		sent, err := s.aliceSocket.Send(ctx, bob, text)
		if err != nil {
			return sent, err
		}
		receiving, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("bob received no message within %s", deliveryTimeout))
		defer cancel()
		got, err = s.bobSocket.Receive(receiving, func(m chat.Received) bool { return m.ServerID == sent.ServerID })
		return sent, err
	})
	if err != nil {
		return err
	}
	if got.Text != text || got.SendID != alice {
		return fmt.Errorf("bob received another message than alice sent: %q from %s", got.Text, got.SendID)
	}
	say := s.Journal.Say
	say("alice's socket > gateway > msggateway  serverMsgID %s", d.Sent.ServerID)
	say("rpc-msg > Kafka                        its counter %s: +%.0f", chat.Produced, d.Counted[chat.Produced])
	say("Kafka > push > gateway > bob's socket  %s after alice sent it: %s to %s: %q", rounded(got.At.Sub(began)), got.SendID, got.RecvID, got.Text)
	say("Kafka > msgtransfer > Redis            MALLOC_SEQ:%s is at %d%s", d.Conversation, d.Cached.CurrentSeq, cached(d.Cached))
	say("Kafka > msgtransfer > MongoDB          its counter %s: +%.0f", chat.Persisted, d.Counted[chat.Persisted])
	say("found in MongoDB                       collection msg, doc_id %s, seq %d: %s to %s: %s", chat.Document(d.Conversation, d.Seq), d.Seq, d.Stored.SendID, d.Stored.RecvID, d.Stored.Content)
	say("an administrator reads it as bob       newest_seq %d (was %d), pull_msg_by_seq %d: %s", d.Seq, d.Before, d.Seq, d.Pulled.Content)
	say("alice's socket to MongoDB              %s at most", d.Took.Round(10*time.Millisecond))
	return nil
}

func cached(c chat.Cached) string {
	if c.Message {
		return ", and the message is cached"
	}
	return ", and the message is not cached"
}
