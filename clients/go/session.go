package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Session is a login that lasts.
type Session struct {
	ID         string
	UserID     string
	DeviceID   string
	PlatformID int32
	Expires    time.Time     // at the latest
	Idle       time.Duration // and after so long without a call

	client *Client
	token  string
}

// Token is what goes with each call: an official OpenIM SDK takes it as the user's token. Whoever has it is the user.
func (s *Session) Token() string { return s.token }

// String leaves the ticket out.
func (t Ticket) String() string { return "ticket until " + t.Expires.Format(time.RFC3339) }

// GoString is String.
func (t Ticket) GoString() string { return t.String() }

// String leaves the token out.
func (s *Session) String() string { return "session " + s.ID + " of " + s.UserID }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// LogValue is String.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Scope is how much Revoke ends.
type Scope string

// Scopes.
const (
	ThisSession Scope = "session" // this one: log out
	ThisDevice  Scope = "device"  // all of this device
	Everywhere  Scope = "user"    // all of the user
)

// Revoke ends sessions of the user's own, with their sockets. Devices stay enrolled.
func (s *Session) Revoke(ctx context.Context, scope Scope) error {
	return s.post(ctx, wire.PathRevokeSessions, map[string]any{"scope": scope}, nil)
}

// Ticket opens one WebSocket, once.
type Ticket struct {
	Text    string
	Expires time.Time
}

// The names of the WebSocket's subprotocols, as package realtime has them. Clients do not carry that package.
const (
	subprotocol  = "openim.v1"
	ticketPrefix = "ticket."
)

// Subprotocols are what to offer when the WebSocket is opened at WSAddr.
func (t Ticket) Subprotocols() []string { return []string{subprotocol, ticketPrefix + t.Text} }

// Ticket gets a ticket for one WebSocket, so that the token need not stand in an address.
func (s *Session) Ticket(ctx context.Context) (Ticket, error) {
	var reply struct {
		Ticket  string `json:"ticket"`
		Expires int64  `json:"expires"`
	}
	err := s.post(ctx, wire.PathTickets, struct{}{}, &reply)
	return Ticket{Text: reply.Ticket, Expires: time.Unix(reply.Expires, 0)}, err
}

// IssuedCode is a one-time code with which the user enrols another device. Show it to him and keep it nowhere.
type IssuedCode = internalapi.IssuedCode

// IssueCode gets a code for another device of the same user; platformID 0 is any. ErrLoginTooOld: log in again first. The code ends with
// the session: keep it until the other device is enrolled.
func (s *Session) IssueCode(ctx context.Context, platformID int32) (IssuedCode, error) {
	var reply IssuedCode
	err := s.post(ctx, wire.PathCodes, map[string]any{"platformID": platformID}, &reply)
	return reply, err
}

// EnrolledDevice is a device as the gateway knows it.
type EnrolledDevice = internalapi.Device

// Devices are the user's own, revoked ones included.
func (s *Session) Devices(ctx context.Context) ([]EnrolledDevice, error) {
	var reply internalapi.Devices
	err := s.post(ctx, wire.PathDevices, struct{}{}, &reply)
	return reply.Devices, err
}

// RevokeDevice ends a device of the user's own for good, with its sessions and the codes that it issued. For another device than the
// session's: ErrLoginTooOld, as IssueCode.
func (s *Session) RevokeDevice(ctx context.Context, deviceID string) error {
	return s.post(ctx, wire.PathRevokeDevice, map[string]any{"deviceID": deviceID}, nil)
}

// Check asks whether the session is still good.
func (s *Session) Check(ctx context.Context) error {
	return s.post(ctx, wire.PathSession, struct{}{}, nil)
}

func (s *Session) post(ctx context.Context, path string, in, out any) error {
	return s.client.post(ctx, path, s.token, in, out)
}
