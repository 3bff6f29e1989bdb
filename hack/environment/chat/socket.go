package chat

import "github.com/openimstack/openim-operator/clients/go/socket"

// Types of the Go client, whose sockets the tests' users have.
type (
	// Socket is a user's socket.
	Socket = socket.Socket
	// Opening holds the parameters of a new socket.
	Opening = socket.Opening
	// End describes how a socket ended.
	End = socket.End
	// Refused is the answer to a refused opening.
	Refused = socket.Refused
	// Received is a message that a socket received.
	Received = socket.Received
	// Draft is a message before it is sent.
	Draft = socket.Draft
	// Message is OpenIM's receipt of a message.
	Message = socket.Receipt
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
