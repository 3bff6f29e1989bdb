package celrules

import (
	"net/netip"
	"strings"
)

// Kinds of Route.
const (
	KindHTTP      = "http"
	KindWebSocket = "websocket"
)

// maxHeaderBytes is how much of a client's header a rule sees.
const maxHeaderBytes = 256

// Call is what the rules judge. What is empty is empty to the rules, and not missing.
type Call struct {
	Identity   Identity
	Route      Route
	Connection Connection
	// Body is the request's JSON object as wire.DecodeObject gives it, or Message.Body. nil is an empty object.
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

// Route is the row of the table.
type Route struct {
	Name       string // "msg/send_msg"; of a frame, the table's name of its request
	Kind       string // KindHTTP or KindWebSocket
	Audience   string
	Audit      string
	Limit      string // the limit class
	Identifier int32  // the frame's request identifier, 0 over HTTP
}

// Connection is where the call came from.
type Connection struct {
	IP        netip.Addr // as httpserver.ClientAddress found it
	TLS       bool
	UserAgent string // what a rule sees of it is cut at 256 bytes
	Origin    string // likewise
}

// Message is what a rule sees of a message that is sent over a socket: never its text.
type Message struct {
	ContentType int32
	SessionType int32
	RecvID      string
	GroupID     string
	Size        int // of the content, in bytes
}

// Body is the message as the rules' variable body.
func (m Message) Body() map[string]any {
	return map[string]any{
		"contentType": int64(m.ContentType), "sessionType": int64(m.SessionType),
		"recvID": m.RecvID, "groupID": m.GroupID, "size": int64(m.Size),
	}
}

// clip bounds a text of the client's and makes it valid UTF-8.
func clip(s string) string {
	if len(s) > maxHeaderBytes {
		s = s[:maxHeaderBytes]
	}
	return strings.ToValidUTF8(s, "?")
}
