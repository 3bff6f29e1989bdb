package socket_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

var inJSON = frame.Encoding{JSON: true}

// field is a protobuf field of bytes.
func field(n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), content)
}

func value(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// served is a gateway's socket that does what a test says with each frame.
func served(t *testing.T, answer func(*websocket.Conn, frame.Request)) socket.Opening {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Sec-WebSocket-Protocol"), "ticket.good") {
			_, _ = io.WriteString(w, `{"errCode":1507,"errMsg":"no such ticket"}`)
			return
		}
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"openim.v1"}})
		if err != nil {
			return
		}
		for {
			_, content, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if request, err := inJSON.DecodeRequest(content); err == nil {
				answer(conn, request)
			}
		}
	}))
	t.Cleanup(server.Close)
	return socket.Opening{
		URL: "ws" + strings.TrimPrefix(server.URL, "http"), Ticket: client.Ticket{Text: "good"}, UserID: "alice", PlatformID: 2,
	}
}

func reply(conn *websocket.Conn, r frame.Reply) {
	_ = conn.Write(context.Background(), websocket.MessageBinary, inJSON.EncodeReply(r))
}

func TestAMessageIsSentAsTheSocketsUser(t *testing.T) {
	g := NewWithT(t)
	requests := make(chan frame.Request, 1)
	s, err := socket.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		requests <- r
		reply(
			conn,
			frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr, Data: join(field(1, []byte("server-id")), field(2, []byte("client-id")), value(3, 7))},
		)
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	sent, err := s.Send(t.Context(), "bob", "hello")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sent).To(Equal(socket.Receipt{ServerID: "server-id", ClientID: "client-id", SendTime: 7}))
	request := <-requests
	g.Expect(request.ID).To(Equal(int32(socket.FrameSend)))
	g.Expect(request.SendID).To(Equal("alice"))
	g.Expect(request.Data).To(ContainSubstring("alice"))
	g.Expect(request.Data).To(ContainSubstring(`{"content":"hello"}`))
}

func TestARefusedFrameIsAReplyAndARefusedMessageAnError(t *testing.T) {
	g := NewWithT(t)
	s, err := socket.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		reply(conn, frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr, ErrCode: 1002, ErrMsg: "not yours"})
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	answer, err := s.Pull(t.Context(), "si_bob_carol", 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(answer.ErrCode).To(Equal(1002))
	_, err = s.Send(t.Context(), "bob", "hello")
	g.Expect(err).To(MatchError(ContainSubstring(`errCode 1002 "not yours"`)))
}

func TestAPushedMessageIsReceivedWithItsText(t *testing.T) {
	g := NewWithT(t)
	content, err := json.Marshal(map[string]string{"content": "hello bob"})
	g.Expect(err).NotTo(HaveOccurred())
	message := join(
		field(1, []byte("alice")),
		field(2, []byte("bob")),
		field(5, []byte("server-id")),
		value(11, 101),
		field(12, content),
		value(14, 3),
	)
	push := field(1, join(field(1, []byte("si_alice_bob")), field(2, field(1, message))))
	notification := field(2, join(field(1, []byte("n_alice_bob")), field(2, field(1, message))))
	s, err := socket.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		reply(conn, frame.Reply{ID: 2001, Data: join(notification, push)})
		reply(conn, frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr})
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	_, err = s.Do(t.Context(), 1001, nil)
	g.Expect(err).NotTo(HaveOccurred())
	got, err := s.Receive(t.Context(), func(socket.Received) bool { return true })
	g.Expect(err).NotTo(HaveOccurred())
	got.At = time.Time{}
	g.Expect(got).To(Equal(socket.Received{
		Conversation: "si_alice_bob", SendID: "alice", RecvID: "bob", ServerID: "server-id", ContentType: 101, Seq: 3, Text: "hello bob",
	}))
}

func TestTheEndOfASocketIsReported(t *testing.T) {
	g := NewWithT(t)
	s, err := socket.Open(t.Context(), served(t, func(conn *websocket.Conn, _ frame.Request) {
		_ = conn.Close(4001, "revoked")
	}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Alive()).To(BeTrue())
	_, err = s.Do(t.Context(), 1001, nil)
	g.Expect(err).To(MatchError(ContainSubstring(`close frame 4001 "revoked"`)))
	end, err := s.Ended(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(end.Code).To(Equal(4001))
	g.Expect(end.At).To(BeTemporally("~", time.Now(), time.Minute))
	g.Expect(s.Alive()).To(BeFalse())
}

func TestARefusedSocketStatesTheReason(t *testing.T) {
	g := NewWithT(t)
	opening := served(t, func(*websocket.Conn, frame.Request) {})
	opening.Ticket = client.Ticket{Text: "used"}
	_, err := socket.Open(t.Context(), opening)
	g.Expect(err).To(MatchError(And(ContainSubstring("HTTP 200"), ContainSubstring("no such ticket"))))
}

// seqs encodes the reply to the request for the newest sequence numbers.
func seqs(conversation string, newest uint64) []byte {
	return field(1, join(field(1, []byte(conversation)), value(2, newest)))
}

func TestMissedMessagesArePulledInOrder(t *testing.T) {
	g := NewWithT(t)
	message := func(seq uint64) []byte {
		return field(1, join(field(1, []byte("bob")), field(5, []byte("s")), value(14, seq), value(16, 1700000000000)))
	}
	pulls := 0
	s, err := socket.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		answer := frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr}
		switch r.ID {
		case socket.FrameNewestSeqs:
			answer.Data = join(seqs("si_bob_carol", 90), seqs("si_alice_bob", 4))
		case socket.FramePull:
			if pulls++; pulls > 1 {
				answer.ErrCode, answer.ErrMsg = 1002, "not yours"
				break
			}
			// OpenIM may answer in any order, and an attacker with what was not asked for.
			answer.Data = join(
				field(1, join(field(1, []byte("si_alice_bob")), field(2, join(message(4), message(2), message(9))))),
				field(1, join(field(1, []byte("si_bob_carol")), field(2, message(3)))),
			)
		}
		reply(conn, answer)
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	g.Expect(s.NewestSeq(t.Context(), "si_alice_bob")).To(Equal(int64(4)))
	g.Expect(s.NewestSeq(t.Context(), "si_alice_dave")).To(BeZero())
	got, err := s.Range(t.Context(), "si_alice_bob", 2, 4)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(HaveLen(2))
	g.Expect([]int64{got[0].Seq, got[1].Seq}).To(Equal([]int64{2, 4}))
	g.Expect(got[0].Created).To(Equal(time.UnixMilli(1700000000000)))
	g.Expect(s.Range(t.Context(), "si_alice_bob", 5, 4)).To(BeEmpty())
	_, err = s.Range(t.Context(), "si_alice_bob", 1, socket.MaxRange+1)
	g.Expect(err).To(MatchError(ContainSubstring("more than 100 at a time")))
	_, err = s.Range(t.Context(), "si_alice_bob", 2, 4)
	g.Expect(err).To(MatchError(ContainSubstring(`errCode 1002 "not yours"`)))
}

func TestAConversationHasOneNameForBothUsers(t *testing.T) {
	g := NewWithT(t)
	g.Expect(socket.Conversation("bob", "alice")).To(Equal("si_alice_bob"))
	g.Expect(socket.Conversation("alice", "bob")).To(Equal("si_alice_bob"))
}
