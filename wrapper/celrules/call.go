package celrules

import (
	"net/netip"
	"strings"
)

// Values of Route.Kind.
const (
	KindHTTP      = "http"
	KindWebSocket = "websocket"
)

// maxHeaderBytes limits the part of a client's header that rules see.
const maxHeaderBytes = 256

// Call is the input of the rules. A field without value is empty, not missing.
type Call struct {
	Identity   Identity
	Route      Route
	Connection Connection
	// Body is the request's JSON object as wire.DecodeObject returns it, or Message.Body. nil is an empty object.
	Body map[string]any
}

// Identity is the verified caller.
type Identity struct {
	UserID     string // empty for an administrator
	DeviceID   string
	PlatformID int32 // OpenIM's numbers, 1 to 9; 0 for an administrator
	Role       string
	Subject    string
	Issuer     string
}

// Route is the row of the route table.
type Route struct {
	Name       string // "msg/send_msg"; for a frame, the name of its request in the table
	Kind       string // KindHTTP or KindWebSocket
	Audience   string
	Audit      string
	Limit      string // the rate limit's class
	Identifier int32  // the frame's request identifier, 0 over HTTP
}

// Connection describes the origin of the call.
type Connection struct {
	IP        netip.Addr // as httpserver.ClientAddress returns it
	TLS       bool
	UserAgent string // rules see at most 256 bytes
	Origin    string // rules see at most 256 bytes
}

// Message is the part of a message on a socket that rules see. It does not contain the text.
type Message struct {
	ContentType int32
	SessionType int32
	RecvID      string
	GroupID     string
	Size        int // the content's bytes
}

// Body returns the message as the value of the variable body.
func (m Message) Body() map[string]any {
	return map[string]any{
		"contentType": int64(m.ContentType), "sessionType": int64(m.SessionType),
		"recvID": m.RecvID, "groupID": m.GroupID, "size": int64(m.Size),
	}
}

// clip cuts a client's text and makes it valid UTF-8.
func clip(s string) string {
	if len(s) > maxHeaderBytes {
		s = s[:maxHeaderBytes]
	}
	return strings.ToValidUTF8(s, "?")
}
