package websocket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func users(from, to int) []string {
	out := make([]string, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("user%d", i))
	}
	return out
}

func subscription(more, less []string) pb {
	out := pb{}
	for _, u := range more {
		out = out.str(1, u)
	}
	for _, u := range less {
		out = out.str(2, u)
	}
	return out
}

// TestSubscriptionsAreCountedBySocket: without a limit, sixty frames of 3,000 users each made 180,000 subscriptions in msggateway.
func TestSubscriptionsAreCountedBySocket(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.alice()
	g.Expect(alice.ask(idPresence, subscription(users(0, bounds.Presence), nil)).ErrCode).To(BeZero())
	over := alice.ask(idPresence, subscription([]string{"one-more"}, nil))
	g.Expect(over.ErrCode).To(Equal(wire.CodeArgs))
	g.Expect(over.ErrMsg).To(ContainSubstring("unsubscribe"))
	g.Expect(alice.ask(idPresence, subscription(users(0, bounds.Presence), nil)).ErrCode).To(BeZero(), "the same again are no more")
	g.Expect(alice.ask(idPresence, subscription([]string{"one-more"},
		[]string{"nobody", "user-unknown"})).ErrCode).To(Equal(wire.CodeArgs), "who was not there frees no place")
	g.Expect(alice.ask(idPresence, subscription([]string{"one-more", "user1"}, []string{"user1"})).ErrCode).To(Equal(wire.CodeArgs),
		"taken out and put in again")
	g.Expect(alice.ask(idPresence, subscription(nil, []string{"user0"})).ErrCode).To(BeZero())
	g.Expect(alice.ask(idPresence, subscription([]string{"one-more"}, nil)).ErrCode).To(BeZero(), "a subscription is free again")
	g.Expect(w.openIM.Received()).To(HaveLen(4), "what was refused reached nobody")

	again := w.connect("alice", "alice-token", 1, frame.Encoding{})
	g.Expect(again.ask(idPresence, subscription(users(0, bounds.Presence), nil)).ErrCode).To(BeZero(), "another socket has its own")
}

func TestAPushHasTheSendersRealName(t *testing.T) {
	for name, c := range map[string]struct{ sent, shown string }{
		"a forged name": {"Your Bank", "Alice"}, "no title": {"", ""}, "their own": {"Alice", "Alice"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			gd := newGuard()
			gd.profiles = named{"Alice"}
			info := pb{}
			if c.sent != "" {
				info = info.str(1, c.sent)
			}
			o, _, err := decide(t, gd, idSend, textMessage().sub(20, info.str(2, "hi")).str(23, "what follows"))
			g.Expect(err).NotTo(HaveOccurred())
			got := fields(o.request.Data)[20]
			g.Expect(got).To(HaveLen(1))
			g.Expect(fields(o.request.Data)[23]).To(Equal([]any{"what follows"}), "the rest of the message is whole")
			inner := fields([]byte(got[0].(string)))
			g.Expect(inner[2]).To(Equal([]any{"hi"}))
			if c.shown == "" {
				g.Expect(inner).NotTo(HaveKey(protoNumber(1)))
				return
			}
			g.Expect(inner[1]).To(Equal([]any{c.shown}))
		})
	}
	o, _, err := decide(t, newGuard(), idSend, textMessage().sub(20, pb{}.str(1, "Your Bank")))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(o.request.Data)).NotTo(ContainSubstring("Your Bank"), "who the sender is cannot be found out")
}

type named struct{ name string }

func (n named) Sender(context.Context, Identity, string) (Sender, error) {
	if n.name == "" {
		return Sender{}, errors.New("away")
	}
	return Sender{Nickname: n.name}, nil
}

func TestAMessageNeedsAnExistingReceiver(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t, func(w *testEnv) {
		w.member = func(_, conversation string) bool { return conversation == "si_alice_bob" }
	})
	alice := w.alice()
	to := func(user string) int {
		return alice.ask(idSend, pb{}.str(2, user).str(4, "m").num(9, 1).num(11, 101).str(12, "{}")).ErrCode
	}
	g.Expect(to("zzz1")).To(Equal(wire.CodeNoPermission), "OpenIM would keep a conversation for a year")
	g.Expect(to("bob")).To(BeZero())
	w.mu.Lock()
	w.down["members"] = true
	w.mu.Unlock()
	g.Expect(to("bob")).To(BeZero(), "it is remembered")
	g.Expect(to("carol")).To(Equal(wire.CodeInternal))
}

func TestAMessagesContentIsBounded(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.alice()
	send := func(size int) int {
		return alice.ask(idSend, pb{}.str(2, "bob").str(4, "m").num(9, 1).num(11, 101).str(12, strings.Repeat("x", size))).ErrCode
	}
	g.Expect(send(bounds.Content + 1)).To(Equal(wire.CodeArgs))
	g.Expect(send(bounds.Content)).To(BeZero(), "the socket goes on")
}

// TestALongOperationIDDoesNotCloseTheSocket: SDKs from v3.8.3-patch.11 on join the identifiers of messages into operationID.
func TestALongOperationIDDoesNotCloseTheSocket(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat("0123456789abcdef0123456789abcdef,", wire.MaxOperationIDBytes/33), ",")
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			alice := w.connect("alice", "alice-token", 1, enc)
			alice.operation = long
			got := alice.ask(idNewest, nil)
			g.Expect(got.ErrCode).To(BeZero())
			g.Expect(got.OperationID).To(Equal(long), "as the client wrote it")
			g.Expect(alice.ask(idSend, pb{}.str(2, "carol").num(9, 9)).OperationID).To(Equal(long), "in a refusal too")
			sent := w.openIM.Received()[0]
			g.Expect(sent.OperationID).To(Equal(wire.BoundOperationID(long)))
			g.Expect(len(sent.OperationID)).To(BeNumerically("<=", wire.MaxPassedOperationIDBytes))
			for _, e := range w.eventsOf(KindFrame) {
				g.Expect(e.Frame.OperationID).To(Equal(sent.OperationID))
			}
			alice.operation = "é\n"
			g.Expect(alice.ask(idNewest, nil).OperationID).To(Equal("é\n"))
			alice.operation = ""
			g.Expect(alice.ask(idNewest, nil).OperationID).To(BeEmpty())
			g.Expect(w.openIM.Received()[2].OperationID).NotTo(BeEmpty(), "OpenIM wants one")
			alice.operation = "short"
			g.Expect(alice.ask(idNewest, nil).OperationID).To(Equal("short"))
		})
	}
}

func TestALongOperationIDInTheURL(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	long := strings.Repeat("0123456789abcdef,", wire.MaxOperationIDBytes/17)
	for _, q := range []string{
		strings.Replace(query("alice", "alice-token", 1, frame.Encoding{}), "op1", long, 1),
		packed(map[string]any{"token": "alice-token", "userID": "alice", "platformID": 1, "operationID": long[:len(long)/2]}),
	} {
		ws, _, e := w.dial(q, nil)
		g.Expect(ws).NotTo(BeNil(), e.ErrMsg)
	}
	for _, q := range w.openIM.Queries() {
		g.Expect(len(q.Get("operationID"))).To(BeNumerically("<=", wire.MaxPassedOperationIDBytes))
		g.Expect(q.Get("operationID")).To(HavePrefix("0123456789abcdef,"))
	}
}

func TestTwoRequestsWithTheSameMsgIncrGetTheirReplies(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.connect("alice", "alice-token", 1, frame.Encoding{})
	for range 3 {
		alice.incr = 41
		alice.send(idNewest, nil)
	}
	for range 3 {
		got := alice.next()
		g.Expect(got.MsgIncr).To(Equal("42"))
		g.Expect(got.ErrCode).To(BeZero())
	}
}

func TestPendingRequestsAreLimited(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.connect("alice", "alice-token", 1, frame.Encoding{})
	w.openIM.Freeze()
	for range maxPending {
		alice.send(idNewest, nil)
	}
	got := alice.ask(idNewest, nil)
	g.Expect(got.ErrCode).To(Equal(wire.CodeInternal))
	g.Expect(got.ErrMsg).To(ContainSubstring("too many"))
	w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: idNewest, MsgIncr: "1", OperationID: "op"})
	g.Expect(alice.next().MsgIncr).To(Equal("1"))
	w.openIM.Thaw()
	g.Expect(alice.ask(idNewest, nil).ErrCode).To(BeZero(), "a request is free again")

	var q pendingRequests
	now := time.Now()
	for range maxPending {
		g.Expect(q.add(&frame.Request{ID: idNewest}, nil, now)).To(BeTrue())
	}
	g.Expect(q.add(&frame.Request{ID: idNewest}, nil, now)).To(BeFalse())
	g.Expect(q.add(&frame.Request{ID: idNewest}, nil, now.Add(pendingTimeout+1))).To(BeTrue(),
		"requests without a reply are discarded after the timeout")

	var large pendingRequests
	long := strings.Repeat("x", wire.MaxOperationIDBytes)
	sent := 0
	for large.add(&frame.Request{ID: idNewest, MsgIncr: fmt.Sprint(sent), OperationID: long}, nil, now) {
		sent++
	}
	g.Expect(sent).To(Equal(31), "by bytes")
	_, ok := large.take(frame.Reply{ID: idNewest, MsgIncr: "7"})
	g.Expect(ok).To(BeTrue())
	g.Expect(large.add(&frame.Request{ID: idNewest, OperationID: long}, nil, now)).To(BeTrue())
	for i := range sent {
		large.take(frame.Reply{ID: idNewest, MsgIncr: fmt.Sprint(i)})
	}
	large.take(frame.Reply{ID: idNewest, MsgIncr: "w1"})
	g.Expect(large.bytes).To(BeZero())
	g.Expect(large.open).To(BeEmpty())
}
