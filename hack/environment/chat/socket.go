package chat

import (
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

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// Identifiers of OpenIM's socket that the tests use (internal/msggateway/constant.go).
const (
	FramePull = sdkws.IDPull
	FrameSend = sdkws.IDSend
	framePush = sdkws.IDPush
)

const (
	// subprotocol and ticketPrefix are the native way into the gateway's socket: the ticket goes where no log and no proxy looks.
	subprotocol  = "openim.v1"
	ticketPrefix = "ticket."
	// kept bounds the pushes that nobody has asked for yet.
	kept = 256
)

// inJSON is how the socket's frames are written.
var inJSON = frame.Encoding{JSON: true}

// Socket is a user's WebSocket to the gateway.
type Socket struct {
	// UserID and PlatformID of the session.
	UserID     string
	PlatformID int32

	conn   *websocket.Conn
	next   atomic.Int64
	pushes chan Received
	closed chan struct{}
	end    End // once closed

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
	// URL is the gateway's socket endpoint.
	URL string
	// Client dials. Its transport may dial the gateway at an address that DNS does not know.
	Client *http.Client
	// Ticket is a single-use ticket.
	Ticket     string
	UserID     string
	PlatformID int32
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
	query := url.Values{"sdkType": {"js"}, "operationID": {"environment"}}
	conn, response, err := websocket.Dial(ctx, o.URL+"?"+query.Encode(), &websocket.DialOptions{
		HTTPClient: o.Client, Subprotocols: []string{subprotocol, ticketPrefix + o.Ticket}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if response != nil && response.StatusCode != http.StatusSwitchingProtocols {
			defer func() { _ = response.Body.Close() }()
			body, _ := io.ReadAll(io.LimitReader(response.Body, maxReply))
			return nil, &Refused{Status: response.StatusCode, Body: string(body)}
		}
		return nil, fmt.Errorf("opening a socket: %w", err)
	}
	conn.SetReadLimit(frame.MaxReply)
	s := &Socket{
		UserID: o.UserID, PlatformID: o.PlatformID, conn: conn, pushes: make(chan Received, kept), closed: make(chan struct{}),
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
	if reply.ID == framePush {
		for _, message := range pushed(reply.Data) {
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

// Do sends a frame and waits for its reply. A refusal is a Reply with an ErrCode.
func (s *Socket) Do(ctx context.Context, id int32, data []byte) (frame.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	incr := strconv.FormatInt(s.next.Add(1), 10)
	wait := make(chan frame.Reply, 1)
	s.mu.Lock()
	s.waiting[incr] = wait
	s.mu.Unlock()
	content, err := inJSON.EncodeRequest(
		frame.Request{ID: id, SendID: s.UserID, OperationID: "environment-" + incr, MsgIncr: incr, Data: data},
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
