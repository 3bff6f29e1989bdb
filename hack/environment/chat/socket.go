package chat

import "github.com/openimstack/openim-operator/clients/go/socket"

// The users' sockets are those of the Go client.
type (
	Socket   = socket.Socket
	Opening  = socket.Opening
	End      = socket.End
	Refused  = socket.Refused
	Received = socket.Received
	Draft    = socket.Draft
	Message  = socket.Receipt
)

// Identifiers of the requests that the tests forge.
const (
	FramePull = socket.FramePull
	FrameSend = socket.FrameSend
)

// Functions of the client's sockets.
var (
	Open         = socket.Open
	Conversation = socket.Conversation
)
