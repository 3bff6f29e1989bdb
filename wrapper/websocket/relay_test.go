package websocket

import (
	"net/url"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var encodings = []frame.Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}}

func TestARequestAndItsReplyInEveryEncoding(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t, func(w *testEnv) {
				w.openIM.Answer = func(msggatewaytest.Req) msggatewaytest.Resp {
					return msggatewaytest.Resp{Data: seqsOf(10000, "si_alice_bob")}
				}
			})
			alice := w.connect("alice", "alice-token", 1, enc)
			got := alice.ask(1001, pb{}.str(1, "alice"))
			g.Expect(got.ReqIdentifier).To(BeEquivalentTo(1001))
			g.Expect(got.ErrCode).To(BeZero())
			g.Expect(got.MsgIncr).To(Equal("1"))
			g.Expect(got.Data).To(BeEquivalentTo(seqsOf(10000, "si_alice_bob")))
			g.Expect(w.openIM.Received()).To(HaveLen(1))
			g.Expect(w.openIM.Received()[0]).To(Equal(msggatewaytest.Req{ReqIdentifier: 1001, SendID: "alice", OperationID: "op",
				MsgIncr: "1", Data: pb{}.str(1, "alice")}))
		})
	}
}

func TestAPushArrivesLive(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			w := newEnv(t)
			alice := w.connect("alice", "alice-token", 1, enc)
			eventually(t, "upstream is there", func() bool {
				return w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: 2001, Data: toAlice("push")}) == 1
			})
			NewWithT(t).Expect(alice.next()).To(Equal(msggatewaytest.Resp{ReqIdentifier: 2001, Data: toAlice("push")}))
		})
	}
}

func TestMsggatewayReceivesOpenIMsTokenAndAllParameters(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	w.alice()
	q := w.openIM.Queries()[0]
	g.Expect(q.Get("token")).To(Equal(openIMToken))
	g.Expect(q.Get("isBackground")).To(Equal("false"))
	g.Expect(q.Get("operationID")).To(Equal("op1"))
	g.Expect(q.Get("sdkType")).To(Equal("go"))
	g.Expect(q.Encode()).NotTo(ContainSubstring("alice-token"))
}

func TestATokenThatOpenIMRefusesIsRenewedOnce(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t, func(w *testEnv) {
		w.openIM.Check = func(q url.Values) (int, string) {
			if q.Get("token") == openIMToken {
				return wire.CodeTokenNotExist, "no such token " + q.Get("token")
			}
			return 0, ""
		}
	})
	w.alice()
	g.Expect(w.refused).To(Equal([]string{"hash1"}))
}

func TestARevokedSessionLosesItsSocketImmediatelyAndReceivesTheReason(t *testing.T) {
	for _, enc := range encodings {
		t.Run(enc.String(), func(t *testing.T) {
			g := NewWithT(t)
			w := newEnv(t)
			alice := w.connect("alice", "alice-token", 1, enc)
			start := time.Now()
			w.endSession("session-alice-token", CauseRevoked)
			g.Expect(alice.next().ReqIdentifier).To(BeEquivalentTo(2002))
			g.Expect(alice.closed()).To(Equal(4401))
			g.Expect(time.Since(start)).To(BeNumerically("<", defaultTiming.heartbeat/2), "at once, and not with the next ping")
			eventually(t, "nothing is left",
				func() bool { return w.relay.Count() == 0 && w.openIM.Connections() == 0 && w.attachments() == 0 })
			g.Expect(w.eventsOf(KindClosed)[0].Reason).To(Equal("revoked"))

			_, resp, e := w.dial(query("alice", "alice-token", 1, enc), nil)
			g.Expect(resp.StatusCode).To(Equal(200))
			g.Expect(e.ErrCode).To(Equal(wire.CodeTokenKicked))
		})
	}
}
