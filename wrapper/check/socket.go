package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	coder "github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// disturbedError is a failure that another login of the same user on the same platform causes, or msggateway when it restarts. Another
// attempt may succeed.
type disturbedError struct{ cause error }

func (d *disturbedError) Error() string { return d.cause.Error() }

// Unwrap returns the cause.
func (d *disturbedError) Unwrap() error { return d.cause }

var errKicked = errors.New("msggateway closed the socket because of another login")

// maxPushed bounds the pushes of own messages that are not yet received, maxReplies the frames that are no push.
const (
	maxPushed  = 2 * maxMessages
	maxReplies = 8
)

// socket is a WebSocket of one of the two users.
type socket struct {
	userID   string
	encoding frame.Encoding
	conn     *coder.Conn
	// prefix begins the ids of the messages of this check. All other messages are ignored.
	prefix   string
	requests int

	pushed  chan sdkws.Listed
	replies chan frame.Reply
	ended   chan struct{}
	end     error // once ended
}

// open opens a user's socket, which ends with ctx.
func open(ctx context.Context, address, userID string, platform int32, token, prefix string, e frame.Encoding) (*socket, error) {
	conn, err := websocket.DialOpenIM(ctx, address, userID, platform, token, e)
	if err != nil {
		return nil, &disturbedError{err}
	}
	s := &socket{
		userID: userID, encoding: e, conn: conn, prefix: prefix,
		pushed: make(chan sdkws.Listed, maxPushed), replies: make(chan frame.Reply, maxReplies), ended: make(chan struct{}),
	}
	go func() {
		defer close(s.ended)
		s.end = &disturbedError{s.read(ctx)}
	}()
	return s, nil
}

// close closes the socket.
func (s *socket) close() { _ = s.conn.CloseNow() }

// read reads frames until the socket ends.
func (s *socket) read(ctx context.Context) error {
	for {
		kind, data, err := s.conn.Read(ctx)
		if err != nil {
			return errors.New("the socket to msggateway ended early")
		}
		if kind != coder.MessageBinary {
			continue
		}
		reply, err := s.encoding.DecodePushed(data)
		if err != nil {
			return fmt.Errorf("decoding a frame of msggateway: not in the encoding %s", s.encoding)
		}
		switch reply.ID {
		case sdkws.IDKick:
			return errKicked
		case sdkws.IDPush:
			s.keepOwn(reply.Data)
		default:
			select {
			case s.replies <- reply:
			default: // nobody waits for it
			}
		}
	}
}

// keepOwn keeps the pushed messages of this check.
func (s *socket) keepOwn(data []byte) {
	for _, m := range sdkws.Messages(data) {
		if !strings.HasPrefix(m.ClientMsgID, s.prefix) {
			continue
		}
		select {
		case s.pushed <- m:
		default: // more than were sent
		}
	}
}

// do sends a request and waits for its reply. A refusal is an error with its errCode.
func (s *socket) do(ctx context.Context, id int32, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s.requests++
	number := strconv.Itoa(s.requests)
	out, err := s.encoding.EncodeRequest(
		frame.Request{ID: id, SendID: s.userID, OperationID: wire.NewRequestID(), MsgIncr: number, Data: data},
	)
	if err != nil {
		return nil, err
	}
	if s.conn.Write(ctx, coder.MessageBinary, out) != nil {
		return nil, s.why(ctx, id)
	}
	for {
		select {
		case reply := <-s.replies:
			switch {
			case reply.MsgIncr != number:
			case reply.ErrCode != wire.CodeOK:
				return nil, fmt.Errorf("request %d: errCode %d", id, reply.ErrCode)
			default:
				return reply.Data, nil
			}
		case <-s.ended:
			return nil, s.end
		case <-ctx.Done():
			return nil, s.why(ctx, id)
		}
	}
}

// why returns why a request has no reply: the socket's end if it has ended.
func (s *socket) why(ctx context.Context, id int32) error {
	select {
	case <-s.ended:
		return s.end
	default:
	}
	if ctx.Err() != nil {
		return fmt.Errorf("request %d: no reply in time", id)
	}
	return &disturbedError{fmt.Errorf("request %d: writing to the socket failed", id)}
}
