package check

import (
	"context"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Timeout bounds a whole check. The contract takes less than a second, the message about four, and a few more after a collision.
const Timeout = time.Minute

// Mode is how far a check goes.
type Mode string

// Values of Mode.
const (
	// ModeContract writes nothing.
	ModeContract Mode = "Contract"
	// ModeMessages also sends a message between two users of the check's own, and deletes it. It needs Options.Socket.
	ModeMessages Mode = "Messages"
)

// Modes lists the values of Mode.
var Modes = []Mode{ModeContract, ModeMessages}

// Options say what is checked.
type Options struct {
	Mode    Mode
	Release routes.Release
	// Socket is msggateway's address, ws://host:port. Empty: the WebSocket is left out of the contract.
	Socket string
}

// OpenIM is what the contract needs of OpenIM's API.
type OpenIM interface {
	// Prove checks the administrator's token.
	Prove(ctx context.Context) error
	// Call makes a call as the administrator.
	Call(ctx context.Context, r openimclient.Request) (wire.Envelope, error)
	// CallAs makes a call with a token of the caller's choice. The reply is OpenIM's own.
	CallAs(ctx context.Context, r openimclient.Request, token string) (wire.Envelope, error)
}

// Messenger is what the check with a message needs of OpenIM's API. openimclient.Client implements it.
type Messenger interface {
	OpenIM
	RegisterUser(ctx context.Context, u openimclient.User) error
	MintUserToken(ctx context.Context, userID string, platformID int32) (openimclient.UserToken, error)
	ForceLogout(ctx context.Context, userID string, platformID int32) error
	// NewestSeq returns the newest sequence number of a user's conversation.
	NewestSeq(ctx context.Context, userID, conversationID string) (int64, error)
}

// Finding is one thing that was checked.
type Finding struct {
	// Name is "token", "refused token", the path of a route, "refused handshake", or a step of the check with a message.
	Name string `json:"name"`
	// Problem is what is wrong, empty when nothing is. It holds no secret.
	Problem string `json:"problem,omitempty"`
}

// found returns the finding of a step.
func found(name string, err error) Finding {
	if err != nil {
		return Finding{Name: name, Problem: err.Error()}
	}
	return Finding{Name: name}
}

// hasProblem reports whether something is wrong.
func hasProblem(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Problem != "" })
}

// Run checks OpenIM within Timeout, and returns all findings in the order of the checks. No message is sent to an OpenIM that breaks the
// contract: it might not be deleted again.
func Run(ctx context.Context, o Messenger, options Options) []Finding {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	findings := Contract(ctx, o, options.Release)
	if options.Socket == "" || findings[0].Problem != "" {
		return findings
	}
	findings = append(findings, handshakes(ctx, options.Socket)...)
	if options.Mode != ModeMessages || hasProblem(findings) {
		return findings
	}
	return append(findings, messages(ctx, o, options.Socket, usual)...)
}
