package chat_test

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

	"github.com/openimstack/openim-operator/hack/environment/chat"
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
func served(t *testing.T, answer func(*websocket.Conn, frame.Request)) chat.Opening {
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
	return chat.Opening{URL: "ws" + strings.TrimPrefix(server.URL, "http"), Ticket: "good", UserID: "alice", PlatformID: 2}
}

func reply(conn *websocket.Conn, r frame.Reply) {
	_ = conn.Write(context.Background(), websocket.MessageBinary, inJSON.EncodeReply(r))
}

func TestAMessageIsSentAsTheSocketsUser(t *testing.T) {
	g := NewWithT(t)
	requests := make(chan frame.Request, 1)
	s, err := chat.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		requests <- r
		reply(conn, frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr, Data: join(field(1, []byte("server-id")), field(2, []byte("client-id")), value(3, 7))})
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	sent, err := s.Send(t.Context(), "bob", "hello")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sent).To(Equal(chat.Message{ServerID: "server-id", ClientID: "client-id", SendTime: 7}))
	request := <-requests
	g.Expect(request.ID).To(Equal(int32(chat.FrameSend)))
	g.Expect(request.SendID).To(Equal("alice"))
	g.Expect(request.Data).To(ContainSubstring("alice"))
	g.Expect(request.Data).To(ContainSubstring(`{"content":"hello"}`))
}

func TestARefusedFrameIsAReplyAndARefusedMessageAnError(t *testing.T) {
	g := NewWithT(t)
	s, err := chat.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
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
	message := join(field(1, []byte("alice")), field(2, []byte("bob")), field(5, []byte("server-id")), value(11, 101), field(12, content), value(14, 3))
	push := field(1, join(field(1, []byte("si_alice_bob")), field(2, field(1, message))))
	notification := field(2, join(field(1, []byte("n_alice_bob")), field(2, field(1, message))))
	s, err := chat.Open(t.Context(), served(t, func(conn *websocket.Conn, r frame.Request) {
		reply(conn, frame.Reply{ID: 2001, Data: join(notification, push)})
		reply(conn, frame.Reply{ID: r.ID, MsgIncr: r.MsgIncr})
	}))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(s.Close)
	_, err = s.Do(t.Context(), 1001, nil)
	g.Expect(err).NotTo(HaveOccurred())
	got, err := s.Receive(t.Context(), func(chat.Received) bool { return true })
	g.Expect(err).NotTo(HaveOccurred())
	got.At = time.Time{}
	g.Expect(got).To(Equal(chat.Received{
		Conversation: "si_alice_bob", SendID: "alice", RecvID: "bob", ServerID: "server-id", ContentType: 101, Seq: 3, Text: "hello bob",
	}))
}

func TestTheEndOfASocketIsReported(t *testing.T) {
	g := NewWithT(t)
	s, err := chat.Open(t.Context(), served(t, func(conn *websocket.Conn, _ frame.Request) {
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
	opening.Ticket = "used"
	_, err := chat.Open(t.Context(), opening)
	g.Expect(err).To(MatchError(And(ContainSubstring("HTTP 200"), ContainSubstring("no such ticket"))))
}
