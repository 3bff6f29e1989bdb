package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/gateway"
)

// logoutTimeout limits the logout at the end.
const logoutTimeout = 5 * time.Second

// account is a logged-in device.
type account struct {
	way     gateway.Way
	client  *login.Client
	device  login.Device
	session *login.Session // nil once it has ended
}

// enter opens a socket. It logs in again if the session has ended by itself.
func (a *account) enter(ctx context.Context) (*socket.Socket, error) {
	ticket, err := a.ticket(ctx)
	if ended(err) {
		a.session = nil
		ticket, err = a.ticket(ctx)
	}
	if err != nil {
		return nil, err
	}
	return socket.Open(ctx, socket.Opening{
		URL: a.client.WSAddr(), Client: a.way.HTTP, Ticket: ticket, UserID: a.session.UserID, PlatformID: a.session.PlatformID,
		Operation: "kubectl-openimstack",
	})
}

func (a *account) ticket(ctx context.Context) (login.Ticket, error) {
	if a.session == nil {
		session, err := a.client.Login(ctx, a.device)
		if err != nil {
			return login.Ticket{}, err
		}
		a.session = session
	}
	return a.session.Ticket(ctx)
}

func (a *account) check(ctx context.Context) error {
	err := a.session.Check(ctx)
	if ended(err) || errors.Is(err, login.ErrRevoked) {
		a.session = nil // there is nothing to log out of
	}
	return err
}

// logout ends the session. The device stays enrolled.
func logout(ctx context.Context, a *account, notes io.Writer) {
	if a.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	if err := a.session.Revoke(ctx, login.ThisSession); err != nil {
		fmt.Fprintf(notes, "could not log out: %v: the session ends by itself at %s at the latest\n", err,
			a.session.Expires.Local().Format(time.DateTime))
	}
}
