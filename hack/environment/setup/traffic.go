package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
)

const (
	// trafficInterval is the pause between two messages, and between two calls. The stand-in for MongoDB reads all messages of all
	// conversations for each message that OpenIM stores, so that its work grows with the square of their number.
	trafficInterval = 500 * time.Millisecond
	// reconnectInterval is the pause between two attempts to open a socket again.
	reconnectInterval = 200 * time.Millisecond
	// pullBatch is the number of messages that one call pulls: a call for each would meet the gateway's limits.
	pullBatch = 50
	// maxNoted bounds the errors that a Traffic keeps.
	maxNoted = 20
)

// Traffic is a trickle of messages between two users of a stack while something happens to the stack: the sender sends over a socket, the
// receiver reads from a socket, and the sender calls a REST route. Sockets that end are opened again, as an application would.
type Traffic struct {
	environment *Environment
	stack       *v1alpha1.OpenIMStack
	from, to    *User
	// stopSending ends the sender and the caller, stopReceiving everything.
	stopSending, stopReceiving context.CancelFunc
	senders, receivers         sync.WaitGroup

	mutex   sync.Mutex
	counted TrafficReport
	// failing is the time of the first failed call.
	failing time.Time
	pushed  map[string]bool
}

// TrafficReport is what a Traffic counted.
type TrafficReport struct {
	// Acknowledged are the server's identifiers of messages whose sending was acknowledged, and Unacknowledged counts the others.
	Acknowledged   []string
	Unacknowledged int
	// NotPushed are the acknowledged messages that the receiver's sockets did not receive.
	NotPushed []string
	// Calls of the REST route, and those that failed.
	Calls, FailedCalls int
	// FailedFor is the time from the first failed call to the last.
	FailedFor time.Duration
	// SenderOpened and ReceiverOpened count the sockets that were opened.
	SenderOpened, ReceiverOpened int
	// Errors are the first errors.
	Errors []string
}

func (r TrafficReport) String() string {
	text := fmt.Sprintf("%d messages acknowledged, %d not, %d not pushed; %d calls, %d failed within %s; "+
		"sockets opened: sender %d, receiver %d",
		len(r.Acknowledged), r.Unacknowledged, len(r.NotPushed), r.Calls, r.FailedCalls, r.FailedFor.Round(100*time.Millisecond),
		r.SenderOpened, r.ReceiverOpened)
	if len(r.Errors) > 0 {
		text += "; first errors: " + strings.Join(r.Errors[:min(3, len(r.Errors))], "; ")
	}
	return text
}

// StartTraffic enrols a device for each of the two users, and starts the trickle. It returns when both sockets are open.
func (e *Environment) StartTraffic(ctx context.Context, stack *v1alpha1.OpenIMStack, from, to string) (*Traffic, error) {
	alive, stopReceiving := context.WithCancel(ctx)
	sending, stopSending := context.WithCancel(alive)
	t := &Traffic{
		environment: e, stack: stack, stopSending: stopSending, stopReceiving: stopReceiving, pushed: map[string]bool{},
	}
	if err := t.start(alive, sending, from, to); err != nil {
		stopReceiving()
		return nil, fmt.Errorf("starting the traffic from %s to %s: %w", from, to, err)
	}
	return t, nil
}

func (t *Traffic) start(alive, sending context.Context, from, to string) error {
	admin, err := t.environment.Admin(alive, t.stack)
	if err != nil {
		return err
	}
	gateways, err := t.environment.Gateways(alive, t.stack)
	if err != nil {
		return err
	}
	if t.from, err = gateways[0].NewUser(alive, admin, from); err != nil {
		return err
	}
	if t.to, err = gateways[0].NewUser(alive, admin, to); err != nil {
		return err
	}
	receiver, sender := t.open(alive, t.to, &t.counted.ReceiverOpened), t.open(alive, t.from, &t.counted.SenderOpened)
	if err := alive.Err(); err != nil {
		return err
	}
	t.receivers.Go(func() { t.receive(alive, receiver) })
	t.senders.Go(func() { t.send(sending, alive, sender) })
	t.senders.Go(func() { t.call(sending, alive) })
	return nil
}

// afterStop bounds how long Stop waits for messages that are under way.
const afterStop = 5 * time.Second

// Stop ends the trickle and returns what it counted.
func (t *Traffic) Stop() TrafficReport {
	t.stopSending()
	t.senders.Wait()
	// What has not arrived by then is counted below.
	_ = wait.PollUntilContextTimeout(context.Background(), pollInterval, afterStop, true, func(context.Context) (bool, error) {
		return len(t.notPushed()) == 0, nil
	})
	t.stopReceiving()
	t.receivers.Wait()
	report := t.counted
	report.NotPushed = t.notPushed()
	return report
}

func (t *Traffic) notPushed() []string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return slices.DeleteFunc(slices.Clone(t.counted.Acknowledged), func(id string) bool { return t.pushed[id] })
}

// Acknowledged returns the number of messages that were acknowledged so far, and of those that were pushed.
func (t *Traffic) Acknowledged() (acknowledged, pushed int) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return len(t.counted.Acknowledged), len(t.pushed)
}

// open opens a user's socket at any gateway's pod that accepts it, until the context ends. The user's session stays the same.
func (t *Traffic) open(ctx context.Context, user *User, opened *int) *chat.Socket {
	for ctx.Err() == nil {
		forwards, stop := context.WithCancel(ctx)
		gateways, err := t.environment.Gateways(forwards, t.stack)
		for _, gateway := range gateways {
			var socket *chat.Socket
			if socket, err = gateway.Open(forwards, user); err == nil {
				t.count(func() { *opened++ })
				context.AfterFunc(ctx, stop)
				return socket
			}
		}
		stop()
		t.note(ctx, "opening a socket", err)
		pause(ctx, reconnectInterval)
	}
	return nil
}

func (t *Traffic) send(ctx, alive context.Context, socket *chat.Socket) {
	for number := 0; ctx.Err() == nil; number++ {
		if !socket.Alive() {
			if socket = t.open(alive, t.from, &t.counted.SenderOpened); socket == nil {
				return
			}
		}
		// A message that is under way when the trickle ends is waited for: otherwise nobody knows whether it was sent.
		sent, err := socket.Send(alive, t.to.UserID, fmt.Sprint("traffic ", number))
		if err == nil {
			t.count(func() { t.counted.Acknowledged = append(t.counted.Acknowledged, sent.ServerID) })
		} else {
			t.count(func() { t.counted.Unacknowledged++ })
			t.note(ctx, "sending", err)
		}
		pause(ctx, trafficInterval)
	}
	socket.Close()
}

func (t *Traffic) receive(alive context.Context, socket *chat.Socket) {
	for alive.Err() == nil {
		message, err := socket.Receive(alive, func(m chat.Received) bool { return m.SendID == t.from.UserID })
		if err == nil {
			t.count(func() { t.pushed[message.ServerID] = true })
			continue
		}
		if alive.Err() != nil {
			break
		}
		t.note(alive, "receiving", err)
		if socket = t.open(alive, t.to, &t.counted.ReceiverOpened); socket == nil {
			return
		}
	}
	socket.Close()
}

// call calls a route that asks rpc-user. A pod of the gateway that does not answer is replaced by another.
func (t *Traffic) call(ctx, alive context.Context) {
	var gateway *Gateway
	for ctx.Err() == nil {
		if gateway == nil {
			gateways, err := t.environment.Gateways(alive, t.stack)
			if err != nil {
				t.note(ctx, "calling", err)
				pause(ctx, reconnectInterval)
				continue
			}
			gateway = &gateways[0]
		}
		_, err := gateway.As(t.from).Profiles(alive, t.to.UserID)
		t.count(func() { t.counted.Calls++ })
		if err != nil {
			t.count(t.failed)
			t.note(ctx, "calling", err)
			gateway = nil
		}
		pause(ctx, trafficInterval)
	}
}

// failed counts a failed call. The caller holds the mutex.
func (t *Traffic) failed() {
	if t.failing.IsZero() {
		t.failing = time.Now()
	}
	t.counted.FailedCalls++
	t.counted.FailedFor = time.Since(t.failing)
}

func (t *Traffic) count(add func()) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	add()
}

func (t *Traffic) note(ctx context.Context, doing string, err error) {
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		err = errors.New("no gateway answers")
	}
	t.count(func() {
		if len(t.counted.Errors) < maxNoted {
			t.counted.Errors = append(t.counted.Errors, time.Now().Format("15:04:05.000 ")+doing+": "+err.Error())
		}
	})
}

// Lost returns the acknowledged messages that the receiver cannot pull by their sequence numbers.
func (t *Traffic) Lost(ctx context.Context, report TrafficReport) ([]string, error) {
	admin, err := t.environment.Admin(ctx, t.stack)
	if err != nil {
		return nil, err
	}
	conversation := chat.Conversation(t.from.UserID, t.to.UserID)
	newest, err := admin.NewestSeq(ctx, t.to.UserID, conversation)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for begin := max(1, newest-int64(len(report.Acknowledged)+report.Unacknowledged)-10); begin <= newest; begin += pullBatch {
		end := min(begin+pullBatch-1, newest)
		messages, err := admin.PullRange(ctx, t.to.UserID, conversation, begin, end)
		if err != nil {
			return nil, fmt.Errorf("pulling messages %d to %d of %d: %w", begin, end, newest, err)
		}
		for _, message := range messages {
			found[message.ServerID] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(report.Acknowledged), func(id string) bool { return found[id] }), nil
}

// pause waits, or returns early when the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
