package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// content is the text of each message.
var content = []byte(`{"content":"wrapper check"}`)

// The sender writes JSON and the receiver reads gob: both encodings of OpenIM's SDKs are used.
var (
	senderEncoding   = frame.Encoding{JSON: true}
	receiverEncoding = frame.Encoding{}
)

// attempt is one login of both users on a platform, and a message between them.
type attempt struct {
	*exchange
	on               int32
	sender, receiver *socket
	// received is the message as it was pushed.
	received sdkws.Listed
}

// attempt makes one attempt. disturbed reports that another one may succeed.
func (x *exchange) attempt(ctx context.Context, platform int32) (findings []Finding, disturbed bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := &attempt{exchange: x, on: platform}
	defer a.close()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"login", a.login}, {"message sent", a.first}, {"message pushed", a.push}, {"message pulled", a.pull}} {
		err := step.do(ctx)
		findings = append(findings, found(step.name, err))
		if errors.Is(err, errKicked) {
			x.used = slices.DeleteFunc(x.used, func(p int32) bool { return p == platform }) // another check's, which revokes the tokens
		}
		if isDisturbed(err) {
			return findings, true
		}
		if err != nil {
			return findings, false
		}
	}
	return findings, false
}

// close closes both sockets.
func (a *attempt) close() {
	for _, s := range []*socket{a.sender, a.receiver} {
		if s != nil {
			s.close()
		}
	}
}

// login obtains a token for each user and opens both sockets.
func (a *attempt) login(ctx context.Context) (err error) {
	if a.receiver, err = a.open(ctx, ids.CheckReceiver, receiverEncoding); err == nil {
		a.sender, err = a.open(ctx, ids.CheckSender, senderEncoding)
	}
	if err != nil {
		return err
	}
	sleep(ctx, a.timing.online)
	return nil
}

func (a *attempt) open(ctx context.Context, user string, e frame.Encoding) (*socket, error) {
	token, err := a.openim.MintUserToken(ctx, user, a.on)
	if err != nil {
		return nil, fmt.Errorf("obtaining a token for %s: %w", user, err)
	}
	if !slices.Contains(a.used, a.on) {
		a.used = append(a.used, a.on)
	}
	return open(ctx, a.socket, user, a.on, token.Token, a.prefix, e)
}

// first sends the first message.
func (a *attempt) first(ctx context.Context) error { return a.send(ctx) }

// send sends a message from the sender to the receiver.
func (a *attempt) send(ctx context.Context) error {
	m := &sentMessage{id: a.prefix + strconv.Itoa(len(a.sent)+1)}
	a.sent = append(a.sent, m)
	reply, err := a.sender.do(ctx, sdkws.IDSend, sdkws.Message{
		SendID: ids.CheckSender, RecvID: ids.CheckReceiver, ClientMsgID: m.id, PlatformID: a.on, SessionType: sdkws.SessionSingle,
		ContentType: sdkws.ContentText, Content: content, CreateTime: time.Now().UnixMilli(),
		NoOfflinePush: true, // if the receiver's login fails, OpenIM would notify a push service
	}.Marshal())
	if err != nil {
		return fmt.Errorf("sending a message: %w", err)
	}
	m.accepted = true
	if sent := sdkws.UnmarshalSent(reply); sent.ClientMsgID != m.id || sent.ServerMsgID == "" {
		return errors.New("sending a message: the reply names another message")
	}
	return nil
}

// push waits for the push of a message, and sends another if there is none: while openim-push believes that the receiver is offline, it
// pushes nothing.
func (a *attempt) push(ctx context.Context) error {
	for i := range maxMessages {
		if i > 0 {
			if err := a.send(ctx); err != nil {
				return err
			}
		}
		late := time.NewTimer(a.timing.push)
		select {
		case a.received = <-a.receiver.pushed:
			late.Stop()
			a.noteSeq(a.received.ClientMsgID, a.received.Seq)
			return a.check(a.received)
		case <-late.C:
		case <-a.receiver.ended:
			return a.receiver.end
		case <-ctx.Done():
			return errors.New("waiting for a pushed message: none in time")
		}
	}
	return fmt.Errorf("waiting for a pushed message: OpenIM accepted %d messages and pushed none within %s", maxMessages, a.timing.push)
}

// pull requests the pushed message by its number, as the receiver.
func (a *attempt) pull(ctx context.Context) (err error) {
	for range maxMessages {
		var reply []byte
		reply, err = a.receiver.do(ctx, sdkws.IDPull, sdkws.Pull(ids.CheckReceiver, conversation, a.received.Seq))
		if err != nil {
			return fmt.Errorf("pulling the message: %w", err)
		}
		for _, m := range sdkws.Messages(reply) {
			if m.ClientMsgID == a.received.ClientMsgID {
				return a.check(m)
			}
		}
		err = errors.New("pulling the message: the reply lacks it")
		if !sleep(ctx, a.timing.retry) {
			return err
		}
	}
	return err
}

// check checks that a message arrived as it was sent.
func (*attempt) check(m sdkws.Listed) error {
	switch {
	case m.Conversation != conversation:
		return errors.New("the message is in another conversation")
	case m.SendID != ids.CheckSender || m.RecvID != ids.CheckReceiver || !bytes.Equal(m.Content, content):
		return errors.New("the message arrived with another sender, receiver or content")
	case m.Seq <= 0:
		return errors.New("the message arrived without its sequence number")
	}
	return nil
}

// noteSeq records the number of a message.
func (x *exchange) noteSeq(id string, seq int64) {
	for _, m := range x.sent {
		if m.id == id && seq > 0 {
			m.seq = seq
		}
	}
}
