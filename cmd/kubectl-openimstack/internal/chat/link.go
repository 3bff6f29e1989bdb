package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
)

// closeSession is the code of a close frame with which the gateway ends a socket because of its session (docs/websocket.md).
const closeSession = 4401

// errReplaced ends the command when another socket took the place of this one. To connect again would throw the other one out in turn.
var errReplaced = errors.New("another program opened a socket as this user on the same platform, and OpenIM permits one: " +
	"end the other one, or this")

// backoff is the time between two attempts.
var backoff = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 100, Cap: 30 * time.Second}

// opener opens sockets: an account, or a test's.
type opener interface {
	// enter opens a socket.
	enter(ctx context.Context) (*socket.Socket, error)
	// check reports whether the session of the last socket is still valid, as login.Session.Check does.
	check(ctx context.Context) error
}

// link opens one socket after the other.
type link struct {
	opener opener
	notes  io.Writer
}

// open opens a socket, and tries until it succeeds. An error is one that no further attempt mends.
func (l *link) open(ctx context.Context) (*socket.Socket, error) {
	pause := backoff
	var reported string
	for {
		s, err := l.opener.enter(ctx)
		if err == nil {
			if reported != "" {
				fmt.Fprintln(l.notes, "connected again")
			}
			return s, nil
		}
		if final(err) || ctx.Err() != nil {
			return nil, err
		}
		if text := cli.OneLine(err.Error()); text != reported {
			fmt.Fprintf(l.notes, "not connected: %s; trying again\n", text)
			reported = text
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(pause.Step()):
		}
	}
}

// ended reports whether a session has ended by itself: the device logs in again.
func ended(err error) bool {
	return errors.Is(err, login.ErrExpired) || errors.Is(err, login.ErrNoSession)
}

// final reports whether no further attempt can succeed. A session that was revoked is one: whoever ended it did not mean the program to be
// back a second later.
func final(err error) bool {
	for _, f := range []error{login.ErrRefused, login.ErrRevoked, login.ErrServerKey, login.ErrServerProof, login.ErrAudience, errReplaced} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// after says whether to open another socket after one has ended: nil, or the error that ends the command.
func (l *link) after(ctx context.Context, s *socket.Socket) error {
	end, err := s.Ended(ctx)
	if err != nil || end.Code != closeSession {
		return err
	}
	switch err = l.opener.check(ctx); {
	case err == nil:
		return errReplaced
	case errors.Is(err, login.ErrRevoked):
		return fmt.Errorf("%w: run the command again to log in", err)
	default:
		return nil
	}
}
