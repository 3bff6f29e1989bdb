package websocket

import (
	"context"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Identity is who a socket belongs to.
type Identity struct {
	UserID     string
	DeviceID   string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	SessionID  string
	Expires    time.Time // the session's absolute end
	// Session is what Sessions keeps of the session. Attach, Upstream, Members and Profiles get it back as it was given; nothing here looks
	// into it.
	Session any
}

// Cause is why a session ended.
type Cause string

// Causes.
const (
	CauseRevoked Cause = "revoked" // the client is told that it was kicked
	CauseExpired Cause = "expired" // the client learns it when it comes back, with 1501
)

// Sessions knows who a credential belongs to and when that ends.
type Sessions interface {
	// Authenticate knows a session by its token: the way of the official SDKs, which connect with it again and again.
	Authenticate(ctx context.Context, token string) (Identity, *wire.Failure)
	// Redeem takes a ticket, once.
	Redeem(ctx context.Context, ticket string) (Identity, *wire.Failure)
	// Attach has end called, once and at once, when the session ends; during Attach if it has ended already.
	// end does not block. detach forgets it.
	Attach(id Identity, end func(Cause)) (detach func())
}

// Upstream gives OpenIM's token of a user. refused is the hash of a token that OpenIM has just refused: another is wanted.
type Upstream interface {
	Token(ctx context.Context, id Identity, refused string) (token, hash string, err error)
}

// Members says which conversations (si_, sg_, n_, sn_ ids, at most MaxAsked) a user is part of, in the same order.
type Members interface {
	Member(ctx context.Context, id Identity, conversationIDs []string) ([]bool, error)
}

// MaxAsked bounds one call of Members.
const MaxAsked = 500

// Sender is how a user is shown to others.
type Sender struct{ Nickname, FaceURL string }

// Profiles says how a user is shown, in a group under the name there. It may answer from memory.
type Profiles interface {
	Sender(ctx context.Context, id Identity, groupID string) (Sender, error)
}

// Judge decides on one frame, or on a connection (Frame.ID 0): limits, the stack's rules, and whether the trail can take it. Nil lets it pass.
type Judge interface {
	Frame(ctx context.Context, id Identity, f *Frame) *Refusal
}

// Refusal is an answer to one frame. The socket goes on.
type Refusal struct {
	ErrCode int    // of OpenIM
	Text    string // one sentence for the client
	Reason  string // a fixed word for metrics and the trail
	Detail  string // for the trail alone
}

// Trail is told what happened. It neither blocks nor fails: whether it can take more is the Judge's question.
type Trail interface {
	Event(ctx context.Context, e Event)
}

// Frame is what the guard found in a client's frame. It holds no text of a message.
type Frame struct {
	ID          int32 // OpenIM's request identifier; 0: the connection itself
	Name        string
	Class       string // limit class of the table
	Audit       string // audit class of the table
	Encoding    string
	Bytes       int // as it came
	OperationID string
	RemoteIP    string
	SocketID    string

	// Of a message.
	ClientMsgID  string
	RecvID       string
	GroupID      string
	SessionType  int32
	ContentType  int32
	ContentBytes int
	OnlineOnly   bool // asked to be kept nowhere

	// Of a pull.
	Conversations []string // named by the client
	Foreign       []string // those of them that are not his
	Users         int      // named by a subscription
}

// Kind of an event.
type Kind string

// Kinds.
const (
	KindOpened Kind = "socket_opened"
	KindClosed Kind = "socket_closed"
	KindFrame  Kind = "frame"
)

// Verdicts on a frame or a connection.
const (
	VerdictAllowed = "allowed"
	VerdictTrimmed = "trimmed" // allowed without the conversations that are not his
	VerdictRefused = "refused"
	VerdictFailed  = "failed" // something behind us did not work
)

// Event is one line of the trail.
type Event struct {
	Kind     Kind
	Identity Identity
	Frame    *Frame
	Verdict  string
	Reason   string // a fixed word; of a closed socket: why
	Detail   string
	ErrCode  int
	Latency  time.Duration // spent in the guard; of a closed socket: how long it was open
}
