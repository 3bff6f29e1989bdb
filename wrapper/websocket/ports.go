package websocket

import (
	"context"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Identity is the verified user of a socket.
type Identity struct {
	UserID     string
	DeviceID   string
	PlatformID int32 // OpenIM's numbers, 1 to 9
	SessionID  string
	Expires    time.Time // the session's absolute end
	// Session is opaque data of Sessions. Attach, Upstream, Members and Profiles receive it unchanged.
	Session any
}

// Cause is why a session ended.
type Cause string

// Values of Cause.
const (
	CauseRevoked Cause = "revoked" // the client receives a kick frame
	// CauseReplaced: another device of the user logged in. The client receives a kick frame.
	CauseReplaced Cause = "replaced"
	CauseExpired  Cause = "expired" // the client receives 1501 when it reconnects
)

// Sessions verifies credentials and reports the end of sessions.
type Sessions interface {
	// Authenticate verifies a session's token. Official SDKs connect with the same token again and again.
	Authenticate(ctx context.Context, token string) (Identity, *wire.Failure)
	// Redeem verifies a ticket, which is valid once.
	Redeem(ctx context.Context, ticket string) (Identity, *wire.Failure)
	// Attach registers end, which is called once, immediately when the session ends, or during Attach if it has ended already. end does not
	// block. detach removes the registration.
	Attach(id Identity, end func(Cause)) (detach func())
}

// Upstream returns OpenIM's token of a user. refused is the hash of a token that OpenIM has just refused: another one is required.
type Upstream interface {
	Token(ctx context.Context, id Identity, refused string) (token, hash string, err error)
}

// Members reports for each conversation (si_, sg_, n_, sn_ ids, at most MaxAsked) whether the user is a participant, in the same order.
type Members interface {
	Member(ctx context.Context, id Identity, conversationIDs []string) ([]bool, error)
}

// MaxConversationsPerCall limits the conversations of one call of Members.
const MaxConversationsPerCall = 500

// Sender is the profile of a user that others see.
type Sender struct{ Nickname, FaceURL string }

// Profiles returns the profile of a user, in a group the one there. The result may be cached.
type Profiles interface {
	Sender(ctx context.Context, id Identity, groupID string) (Sender, error)
}

// Authorizer decides on one frame, or on a connection (Frame.ID 0): rate limits, the owner's rules, and whether the audit log accepts
// events. Nil permits the frame.
type Authorizer interface {
	Frame(ctx context.Context, id Identity, f *Frame) *Refusal
}

// Refusal is an error reply to one frame. The socket stays open.
type Refusal struct {
	ErrCode int    // OpenIM's errCode
	Text    string // one sentence for the client
	Reason  string // a fixed word for metrics and the audit log
	Detail  string // for the audit log only
}

// AuditLog receives the events for the audit log. It neither blocks nor fails: Judge decides whether it can accept more.
type AuditLog interface {
	Event(ctx context.Context, e Event)
}

// Frame describes a client's frame. It does not contain the text of a message.
type Frame struct {
	ID          int32 // OpenIM's request identifier; 0: the connection itself
	Name        string
	Class       string // rate limit class of the table
	Audit       string // audit class of the table
	Encoding    string
	Bytes       int // size as received
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
	OnlineOnly   bool // the client requested not to store the message

	// Of a pull.
	Conversations []string // named by the client
	Foreign       []string // those that are not the user's
	Users         int      // number of users that a subscription names
}

// Kind of an event.
type Kind string

// Values of Kind.
const (
	KindOpened Kind = "socket_opened"
	KindClosed Kind = "socket_closed"
	KindFrame  Kind = "frame"
)

// Values of Event.Verdict.
const (
	VerdictAllowed = "allowed"
	VerdictTrimmed = "trimmed" // allowed without the conversations that are not the user's
	VerdictRefused = "refused"
	VerdictFailed  = "failed" // a server behind the gateway failed
)

// Event is one event for the audit log.
type Event struct {
	Kind     Kind
	Identity Identity
	Frame    *Frame
	Verdict  string
	Reason   string // a fixed word; of a closed socket: the close reason
	Detail   string
	ErrCode  int
	Latency  time.Duration // time in the frame check; of a closed socket: how long it was open
}
