package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// Identifiers of requests of OpenIM's socket (internal/msggateway/constant.go).
const (
	FrameNewestSeqs = sdkws.IDNewestSeqs
	FrameSend       = sdkws.IDSend
	FramePull       = sdkws.IDPull
)

const (
	// callTimeout limits one request over the socket. It exceeds the gateway's longest deadline.
	callTimeout = 30 * time.Second
	// kept is the number of pushed messages that wait for Receive. Further ones are dropped: pull them by their seqs.
	kept = 256
	// maxRefusal limits the part of a refusal that is read, in bytes.
	maxRefusal = 4096
)

// inJSON is how the socket's frames are written.
var inJSON = frame.Encoding{JSON: true}

// Socket is a user's WebSocket to the gateway. It is safe for concurrent use.
type Socket struct {
	// UserID and PlatformID of the session.
	UserID     string
	PlatformID int32

	operation string
	conn      *websocket.Conn
	next      atomic.Int64
	pushes    chan Received
	closed    chan struct{}
	end       End // once closed

	mu      sync.Mutex
	waiting map[string]chan frame.Reply
}

// End describes how a socket ended.
type End struct {
	At time.Time
	// Code and Reason of the close frame. Code is -1 when there was none.
	Code   int
	Reason string
	Err    error
}

func (e End) String() string {
	if e.Code < 0 {
		return fmt.Sprintf("without a close frame: %v", e.Err)
	}
	return fmt.Sprintf("close frame %d %q", e.Code, e.Reason)
}

// Opening holds the parameters of a new socket.
type Opening struct {
	// URL is the gateway's socket endpoint: client.Client.WSAddr, or the same with http or https.
	URL string
	// Client dials. Its transport may dial the gateway at an address that DNS does not know.
	Client *http.Client
	// Ticket is the ticket of the session that opens this one socket.
	Ticket client.Ticket
	// UserID and PlatformID of the session.
	UserID     string
	PlatformID int32
	// Operation is a name for OpenIM's log. Default "client".
	Operation string
}

// Refused is the answer to a refused opening.
type Refused struct {
	Status int
	Body   string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("opening a socket: HTTP %d %.300q", r.Status, r.Body)
}

// Open opens a socket. It stays open until Close, or until the other side closes it.
func Open(ctx context.Context, o Opening) (*Socket, error) {
	operation := cmp.Or(o.Operation, "client")
	query := url.Values{"sdkType": {"js"}, "operationID": {operation}}
	conn, response, err := websocket.Dial(ctx, o.URL+"?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: o.Client, Subprotocols: o.Ticket.Subprotocols(), CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			defer func() { _ = response.Body.Close() }()
			body, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
			return nil, &Refused{Status: response.StatusCode, Body: string(body)}
		}
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	conn.SetReadLimit(frame.MaxReply)
	s := &Socket{
		UserID: o.UserID, PlatformID: o.PlatformID, operation: operation, conn: conn,
		pushes: make(chan Received, kept), closed: make(chan struct{}),
		waiting: map[string]chan frame.Reply{},
	}
	go s.read() //nolint:gosec // it ends with the connection
	return s, nil
}

// read reads frames until the connection ends. It needs no context with the socket's lifetime.
func (s *Socket) read() {
	defer close(s.closed)
	for {
		kind, content, err := s.conn.Read(context.Background())
		if err != nil {
			s.end = End{At: time.Now(), Code: int(websocket.CloseStatus(err)), Err: err}
			if closed, ok := errors.AsType[websocket.CloseError](err); ok {
				s.end.Reason = closed.Reason
			}
			return
		}
		if kind != websocket.MessageBinary {
			continue // OpenIM's own text pongs
		}
		reply, err := inJSON.DecodeReply(content)
		if err != nil {
			continue
		}
		s.take(reply)
	}
}

func (s *Socket) take(reply frame.Reply) {
	if reply.ID == sdkws.IDPush {
		for _, message := range messages(reply.Data) {
			select {
			case s.pushes <- message:
			default: // no receiver
			}
		}
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait := s.waiting[reply.MsgIncr]; wait != nil {
		delete(s.waiting, reply.MsgIncr)
		wait <- reply
	}
}

// Do sends a request of OpenIM's socket and waits for its reply, at most 30 seconds. A refusal is a Reply with an ErrCode.
func (s *Socket) Do(ctx context.Context, id int32, data []byte) (frame.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	incr := strconv.FormatInt(s.next.Add(1), 10)
	wait := make(chan frame.Reply, 1)
	s.mu.Lock()
	s.waiting[incr] = wait
	s.mu.Unlock()
	defer func() { // no reply may ever come
		s.mu.Lock()
		delete(s.waiting, incr)
		s.mu.Unlock()
	}()
	content, err := inJSON.EncodeRequest(
		frame.Request{ID: id, SendID: s.UserID, OperationID: s.operation + "-" + incr, MsgIncr: incr, Data: data},
	)
	if err != nil {
		return frame.Reply{}, fmt.Errorf("frame %d: %w", id, err)
	}
	if err := s.conn.Write(ctx, websocket.MessageBinary, content); err != nil {
		return frame.Reply{}, fmt.Errorf("frame %d: %w", id, err)
	}
	select {
	case reply := <-wait:
		return reply, nil
	case <-s.closed:
		return frame.Reply{}, fmt.Errorf("waiting for the reply to frame %d: the socket ended %s", id, s.end)
	case <-ctx.Done():
		return frame.Reply{}, fmt.Errorf("waiting for the reply to frame %d: %w", id, context.Cause(ctx))
	}
}

// Receive waits for a pushed message that wanted accepts, and discards the others.
func (s *Socket) Receive(ctx context.Context, wanted func(Received) bool) (Received, error) {
	for {
		select {
		case message := <-s.pushes:
			if wanted(message) {
				return message, nil
			}
		case <-s.closed:
			return Received{}, fmt.Errorf("waiting for a pushed message: the socket ended %s", s.end)
		case <-ctx.Done():
			return Received{}, fmt.Errorf("waiting for a pushed message: %w", context.Cause(ctx))
		}
	}
}

// Ended waits until the other side has closed the socket, and returns how.
func (s *Socket) Ended(ctx context.Context) (End, error) {
	select {
	case <-s.closed:
		return s.end, nil
	case <-ctx.Done():
		return End{}, fmt.Errorf("waiting for the end of %s's socket: %w", s.UserID, context.Cause(ctx))
	}
}

// Alive reports whether the socket is still open.
func (s *Socket) Alive() bool {
	select {
	case <-s.closed:
		return false
	default:
		return true
	}
}

// Close closes the socket from this side.
func (s *Socket) Close() { _ = s.conn.Close(websocket.StatusNormalClosure, "") }
