package chat

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/protobuf/encoding/protowire"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

const (
	alice = "alice"
	bob   = "bob"
)

// room is a gateway's socket endpoint with one conversation, of alice and bob, and opens sockets to it for alice.
type room struct {
	url string

	mu       sync.Mutex
	messages []sdkws.Message
	sockets  []*websocket.Conn
	// opened counts the sockets so far; refuse is the answer instead of another one.
	opened int
	refuse []error
	// valid is the state of the session.
	valid error
	// onSend is what happens when a message was stored, instead of the receipt.
	onSend func(*websocket.Conn)
	// at is the time of each message.
	at time.Time
}

func newRoom(t *testing.T) *room {
	t.Helper()
	r := &room{at: time.Now()}
	server := httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(server.Close)
	r.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return r
}

func (r *room) enter(ctx context.Context) (*socket.Socket, error) {
	r.mu.Lock()
	if len(r.refuse) > 0 {
		err := r.refuse[0]
		r.refuse = r.refuse[1:]
		r.mu.Unlock()
		return nil, err
	}
	r.mu.Unlock()
	return socket.Open(ctx, socket.Opening{URL: r.url, Ticket: login.Ticket{Text: "t"}, UserID: alice, PlatformID: platformLinux})
}

func (r *room) check(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.valid
}

func (r *room) serve(w http.ResponseWriter, request *http.Request) {
	conn, err := websocket.Accept(w, request, &websocket.AcceptOptions{Subprotocols: []string{"openim.v1"}})
	if err != nil {
		return
	}
	r.mu.Lock()
	r.sockets = append(r.sockets, conn)
	r.opened++
	r.mu.Unlock()
	encoding := frame.Encoding{JSON: true}
	for {
		_, content, err := conn.Read(request.Context())
		if err != nil {
			return
		}
		f, err := encoding.DecodeRequest(content)
		if err != nil {
			return
		}
		if data, answered := r.answer(conn, f); answered {
			reply := encoding.EncodeReply(frame.Reply{ID: f.ID, MsgIncr: f.MsgIncr, Data: data})
			_ = conn.Write(request.Context(), websocket.MessageBinary, reply)
		}
	}
}

func (r *room) answer(conn *websocket.Conn, f frame.Request) ([]byte, bool) {
	switch f.ID {
	case sdkws.IDNewestSeqs:
		r.mu.Lock()
		defer r.mu.Unlock()
		entry := protowire.AppendVarint(protowire.AppendTag(bytesField(1, []byte(socket.Conversation(alice, bob))), 2, protowire.VarintType),
			uint64(len(r.messages)))
		return bytesField(1, entry), true
	case sdkws.IDPull:
		return r.list(0), true
	case sdkws.IDSend:
		id := r.store(sdkws.Unmarshal(f.Data))
		if r.onSend != nil {
			r.onSend(conn)
			return nil, false
		}
		return bytesField(1, []byte(id)), true
	}
	return nil, true
}

// list encodes the messages from an index on, as a push and the reply to a pull do.
func (r *room) list(from int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var pulled []byte
	for _, m := range r.messages[from:] {
		one := bytesField(5, []byte(m.ServerMsgID))
		one = protowire.AppendVarint(protowire.AppendTag(one, 14, protowire.VarintType), uint64(m.Seq))
		pulled = append(pulled, bytesField(1, append(m.Marshal(), one...))...)
	}
	return bytesField(1, append(bytesField(1, []byte(socket.Conversation(alice, bob))), bytesField(2, pulled)...))
}

// store appends a message and returns its ID.
func (r *room) store(m sdkws.Message) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	m.Seq = int64(len(r.messages) + 1)
	m.ServerMsgID = fmt.Sprint("server-", m.Seq)
	r.messages = append(r.messages, m)
	return m.ServerMsgID
}

// say stores a message of a user, without a push.
func (r *room) say(from, text string) {
	r.store(sdkws.Message{
		SendID: from, ContentType: sdkws.ContentText, Content: fmt.Appendf(nil, `{"content":%q}`, text), CreateTime: r.at.UnixMilli(),
	})
}

// push stores a message of a user and pushes it to the newest socket.
func (r *room) push(t *testing.T, from, text string) {
	t.Helper()
	r.say(from, text)
	r.mu.Lock()
	conn, index := r.sockets[len(r.sockets)-1], len(r.messages)-1
	r.mu.Unlock()
	encoding := frame.Encoding{JSON: true}
	reply := encoding.EncodeReply(frame.Reply{ID: sdkws.IDPush, Data: r.list(index)})
	if err := conn.Write(t.Context(), websocket.MessageBinary, reply); err != nil {
		t.Error(err)
	}
}

// cut closes the newest socket with a code.
func (r *room) cut(code websocket.StatusCode) {
	r.mu.Lock()
	conn := r.sockets[len(r.sockets)-1]
	r.mu.Unlock()
	_ = conn.Close(code, "")
}

func (r *room) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

func bytesField(n protowire.Number, content []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), content)
}
