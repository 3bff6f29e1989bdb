package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/openim"
)

const (
	// deliveryTimeout bounds how long a message may take from the gateway to MongoDB.
	deliveryTimeout = 30 * time.Second
	// pollInterval is the pause between two polls.
	pollInterval = 200 * time.Millisecond
)

// Delivery is what was observed of a message on its way through OpenIM.
type Delivery struct {
	Conversation string
	Sent         chat.Message
	// Before and Seq are the newest sequence numbers of the conversation before the message and with it.
	Before, Seq int64
	// Pulled is the message as the receiver pulls it by its sequence number.
	Pulled chat.Pulled
	// Cached is the message's state in Redis, and Stored its document in MongoDB.
	Cached chat.Cached
	Stored chat.Stored
	// Counted holds the increase of each counter.
	Counted map[string]float64
	// Took is the time from sending until the message was in MongoDB.
	Took time.Duration
}

// counters lists the metrics with which OpenIM's processes count messages.
var counters = map[string]openim.Name{
	chat.Produced: openim.RPCMsg, chat.Persisted: openim.MsgTransfer,
}

// Deliver sends a text from one user to another through the gateway, as an administrator, and follows the message into MongoDB.
func (e *Environment) Deliver(ctx context.Context, stack *v1alpha1.OpenIMStack, admin chat.Admin, from, to, text string) (Delivery, error) {
	return e.Follow(
		ctx,
		stack,
		admin,
		from,
		to,
		text,
		func(ctx context.Context) (chat.Message, error) { return admin.Send(ctx, from, to, text) },
	)
}

// Follow calls send, which sends text from one user to another, and follows the message into MongoDB. The administrator only reads.
func (e *Environment) Follow(
	ctx context.Context,
	stack *v1alpha1.OpenIMStack,
	admin chat.Admin,
	from, to, text string,
	send func(context.Context) (chat.Message, error),
) (Delivery, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the port-forwards
	defer cancel()
	d := Delivery{Conversation: chat.Conversation(from, to)}
	var err error
	if d.Before, err = admin.NewestSeq(ctx, to, d.Conversation); err != nil {
		return d, err
	}
	counted, err := e.counters(ctx, stack)
	if err != nil {
		return d, err
	}
	before, err := counted(ctx)
	if err != nil {
		return d, err
	}

	start := time.Now()
	if d.Sent, err = send(ctx); err != nil {
		return d, err
	}
	err = wait.PollUntilContextTimeout(ctx, pollInterval, deliveryTimeout, true, func(ctx context.Context) (bool, error) {
		d.Seq, err = admin.NewestSeq(ctx, to, d.Conversation)
		return d.Seq > d.Before, err
	})
	if err != nil {
		return d, fmt.Errorf(
			"waiting for a sequence number of message %s (it was %d before): check the logs of rpc-msg and msgtransfer: %w",
			d.Sent.ServerID,
			d.Before,
			err,
		)
	}
	if d.Pulled, err = admin.Pull(ctx, to, d.Conversation, d.Seq); err != nil {
		return d, err
	}
	if err := e.inStores(ctx, stack, &d); err != nil {
		return d, err
	}
	d.Took = time.Since(start)
	if d.Counted, err = increases(ctx, before, counted); err != nil {
		return d, err
	}
	return d, d.check(from, to, text)
}

// inStores waits until the message is in MongoDB, and reads its state in Redis.
func (e *Environment) inStores(ctx context.Context, stack *v1alpha1.OpenIMStack, d *Delivery) error {
	redis, err := e.ForwardService(ctx, stack.Spec.Dependencies.Redis.Addresses[0])
	if err != nil {
		return err
	}
	var password corev1.Secret
	if ref := stack.Spec.Dependencies.Redis.CredentialsRef; ref != nil {
		if err := e.Cluster.Get(ctx, types.NamespacedName{Namespace: stack.Namespace, Name: ref.Name}, &password); err != nil {
			return fmt.Errorf("reading the Secret of Redis: %w", err)
		}
	}
	number := int(ptr.Deref(stack.Spec.Dependencies.Redis.Database, 0))
	if d.Cached, err = chat.FindInRedis(ctx, redis, string(password.Data[v1alpha1.KeyPassword]), number, d.Conversation, d.Seq); err != nil {
		return err
	}
	database := stack.Spec.Dependencies.MongoDB.Database
	if database == "" {
		database = openim.DefaultDatabase(stack.Namespace, stack.Name)
	}
	if d.Stored, err = e.stored(ctx, stack.Spec.Dependencies.MongoDB.Addresses[0], database, d.Conversation, d.Seq); err != nil {
		return fmt.Errorf("waiting for message %d of %s in MongoDB: check the log of msgtransfer: %w", d.Seq, d.Conversation, err)
	}
	return nil
}

// stored waits until a message is in MongoDB. A port-forward ends with one lost connection to the kubelet, which a busy machine loses now
// and then: so each attempt that did not reach MongoDB is followed by one through a new port-forward.
func (e *Environment) stored(
	ctx context.Context, address v1alpha1.Address, database, conversation string, seq int64,
) (found chat.Stored, err error) {
	var forwarded string
	waited := wait.PollUntilContextTimeout(ctx, pollInterval, deliveryTimeout, true, func(attempt context.Context) (bool, error) {
		if forwarded == "" {
			if forwarded, err = e.ForwardService(ctx, address); err != nil {
				return false, nil //nolint:nilerr // tried again, and returned when the time is over
			}
		}
		found, err = chat.FindInMongoDB(attempt, forwarded, database, conversation, seq)
		if err != nil && !errors.Is(err, chat.ErrNotStored) {
			forwarded = ""
		}
		return err == nil, nil
	})
	if waited != nil && err == nil {
		err = waited
	}
	return found, err
}

// counters opens the metrics ports of the processes that count messages and returns a function that reads the counters.
func (e *Environment) counters(
	ctx context.Context,
	stack *v1alpha1.OpenIMStack,
) (func(context.Context) (map[string]float64, error), error) {
	pages := map[openim.Name]string{}
	for _, process := range counters {
		if pages[process] != "" {
			continue
		}
		address, err := e.ForwardComponent(ctx, client.ObjectKeyFromObject(stack), string(process), string(openim.Metrics))
		if err != nil {
			return nil, err
		}
		pages[process] = address
	}
	return func(ctx context.Context) (map[string]float64, error) {
		read := map[string]float64{}
		for name, process := range counters {
			value, err := chat.Counter(ctx, pages[process], name, nil)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", process, err)
			}
			read[name] = value
		}
		return read, nil
	}, nil
}

// increases waits until all counters have increased and returns the increases. msgtransfer counts a batch after it has written it.
func increases(
	ctx context.Context,
	before map[string]float64,
	counted func(context.Context) (map[string]float64, error),
) (map[string]float64, error) {
	up := map[string]float64{}
	err := wait.PollUntilContextTimeout(ctx, pollInterval, deliveryTimeout, true, func(ctx context.Context) (bool, error) {
		now, err := counted(ctx)
		all := err == nil
		for name, value := range now {
			up[name] = value - before[name]
			all = all && up[name] > 0
		}
		return all, err
	})
	if err != nil {
		return up, fmt.Errorf("waiting for OpenIM's counters to increase (%v): %w", up, err)
	}
	return up, nil
}

// check compares the message that was found with the one that was sent.
func (d Delivery) check(from, to, text string) error {
	content := string(d.Pulled.Content)
	switch {
	case d.Pulled.ServerID != d.Sent.ServerID || d.Pulled.SendID != from || d.Pulled.RecvID != to:
		return fmt.Errorf("pulled by seq %d: another message than the one sent: %+v", d.Seq, d.Pulled)
	case d.Stored.ServerID != d.Sent.ServerID || d.Stored.SendID != from || d.Stored.RecvID != to:
		return fmt.Errorf(
			"MongoDB holds another message under seq %d than the one sent: %s from %s to %s",
			d.Seq,
			d.Stored.ServerID,
			d.Stored.SendID,
			d.Stored.RecvID,
		)
	case !isText(d.Stored.Content, text) || !isText(content, text):
		return fmt.Errorf("the text of message %d changed on its way: pulled %.200q, in MongoDB %.200q", d.Seq, content, d.Stored.Content)
	case d.Cached.CurrentSeq < d.Seq:
		return fmt.Errorf("Redis has handed out sequence numbers up to %d only, the message has %d", d.Cached.CurrentSeq, d.Seq)
	}
	return nil
}

// isText reports whether OpenIM's content, JSON in a string, holds the text.
func isText(content, text string) bool {
	var body struct {
		Content string `json:"content"`
	}
	return json.Unmarshal([]byte(strings.TrimSpace(content)), &body) == nil && body.Content == text
}
