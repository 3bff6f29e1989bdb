package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Session is the result of a login. Its methods call the gateway with the session's token. A Session stays valid until Expires,
// or until it is not used for Idle, or until it is revoked.
type Session struct {
	ID         string
	UserID     string
	DeviceID   string
	PlatformID int32
	Expires    time.Time     // the session ends at this time at the latest
	Idle       time.Duration // the session ends after this time without a call

	client *Client
	token  string
}

// Token returns the session's token, which authenticates each call. An official OpenIM SDK takes it as the user's token. Who
// holds the token can act as the user: keep it in memory, and log in again instead of storing it.
func (s *Session) Token() string { return s.token }

// String returns a text without the ticket itself.
func (t Ticket) String() string { return "ticket until " + t.Expires.Format(time.RFC3339) }

// GoString is String.
func (t Ticket) GoString() string { return t.String() }

// String returns a text without the token.
func (s *Session) String() string { return "session " + s.ID + " of " + s.UserID }

// GoString is String.
func (s *Session) GoString() string { return s.String() }

// LogValue returns the same text as String.
func (s *Session) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Scope selects the sessions that Revoke ends.
type Scope string

// Scopes of Session.Revoke.
const (
	ThisSession Scope = "session" // this session: log out
	ThisDevice  Scope = "device"  // all sessions of this device
	Everywhere  Scope = "user"    // all sessions of the user
)

// Revoke ends sessions of the session's user and closes their WebSockets. Devices stay enrolled: they can log in again.
func (s *Session) Revoke(ctx context.Context, scope Scope) error {
	return s.post(ctx, wire.PathRevokeSessions, map[string]any{"scope": scope}, nil)
}

// Ticket authorises the opening of one WebSocket, once. The gateway refuses it after Expires, 30 seconds after its issue.
type Ticket struct {
	Text    string
	Expires time.Time
}

// Names of the WebSocket's subprotocols. They repeat constants of package websocket, which applications need not import.
const (
	subprotocol  = "openim.v1"
	ticketPrefix = "ticket."
)

// Subprotocols returns the subprotocols that the program must offer when it opens the WebSocket at Client.WSAddr.
func (t Ticket) Subprotocols() []string { return []string{subprotocol, ticketPrefix + t.Text} }

// Ticket requests a ticket for one WebSocket, so that no token has to be written into the WebSocket's address.
func (s *Session) Ticket(ctx context.Context) (Ticket, error) {
	var reply struct {
		Ticket  string `json:"ticket"`
		Expires int64  `json:"expires"`
	}
	err := s.post(ctx, wire.PathTickets, struct{}{}, &reply)
	return Ticket{Text: reply.Ticket, Expires: time.Unix(reply.Expires, 0)}, err
}

// IssuedCode is a one-time enrolment code for another device of the user. Show the code to the user and do not store it.
type IssuedCode = internalapi.IssuedCode

// IssueCode requests an enrolment code for another device of the same user. platformID is OpenIM's number of the platform that
// the code is for; 0 permits any platform.
//
// The login must not be older than two minutes: on ErrLoginTooOld log in again and repeat the call. The code ends with the
// session: do not revoke the session before the other device is enrolled.
func (s *Session) IssueCode(ctx context.Context, platformID int32) (IssuedCode, error) {
	var reply IssuedCode
	err := s.post(ctx, wire.PathCodes, map[string]any{"platformID": platformID}, &reply)
	return reply, err
}

// EnrolledDevice is a device as the gateway's registry stores it.
type EnrolledDevice = internalapi.Device

// Devices returns all devices of the user, revoked ones included.
func (s *Session) Devices(ctx context.Context) ([]EnrolledDevice, error) {
	var reply internalapi.Devices
	err := s.post(ctx, wire.PathDevices, struct{}{}, &reply)
	return reply.Devices, err
}

// RevokeDevice revokes a device of the user permanently, and ends the device's sessions and the enrolment codes that the
// device issued. To revoke another device than the session's own, the login must not be older than two minutes: see
// ErrLoginTooOld.
func (s *Session) RevokeDevice(ctx context.Context, deviceID string) error {
	return s.post(ctx, wire.PathRevokeDevice, map[string]any{"deviceID": deviceID}, nil)
}

// Check reports by its error whether the session is still valid: nil, ErrExpired, ErrRevoked, ErrReplaced or ErrNoSession. Any other error
// says nothing about the session.
func (s *Session) Check(ctx context.Context) error {
	return s.post(ctx, wire.PathSession, struct{}{}, nil)
}

func (s *Session) post(ctx context.Context, path string, in, out any) error {
	return s.client.post(ctx, path, s.token, in, out)
}
