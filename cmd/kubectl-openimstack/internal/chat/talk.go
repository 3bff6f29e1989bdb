package chat

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
)

const (
	// unknown is the last sequence number before the first connection.
	unknown = -1
	// maxMine limits the receipts that are kept to recognise messages of this terminal.
	maxMine = 1000
)

// talk is the conversation of two users in a terminal.
type talk struct {
	peer, user   string
	gateway      string // its name
	conversation string
	history      int64
	out, notes   io.Writer
	link         *link
	now          func() time.Time

	// last is the newest sequence number that was printed.
	last int64
	// mine are the server's IDs of the messages that were typed here, in order in sent.
	mine map[string]bool
	sent []string
}

// run sends the lines and prints what arrives, over one socket after the other, until the lines end.
func (t *talk) run(ctx context.Context, lines <-chan string) error {
	fmt.Fprintf(t.notes, "%s at %s, with %s. Type a line to send it; Ctrl-D ends.\n", cli.OneLine(t.user), t.gateway, cli.OneLine(t.peer))
	for {
		s, err := t.link.open(ctx)
		if err != nil {
			return err
		}
		done, err := t.over(ctx, s, lines)
		if !done && err == nil {
			err = t.link.after(ctx, s)
		}
		s.Close()
		if done || err != nil {
			return err
		}
	}
}

// over talks over one socket. It reports whether the lines have ended; otherwise the socket has.
func (t *talk) over(ctx context.Context, s *socket.Socket, lines <-chan string) (done bool, err error) {
	if err := t.catchUp(ctx, s); err != nil {
		if s.Alive() {
			return false, err
		}
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	pushes := make(chan socket.Received)
	go receive(ctx, s, pushes)
	for {
		select {
		case line, more := <-lines:
			if !more {
				return true, nil
			}
			t.send(ctx, s, line)
		case m, more := <-pushes:
			if !more {
				return false, context.Cause(ctx)
			}
			t.receive(ctx, s, m)
		}
	}
}

// receive passes pushed messages on until the socket ends.
func receive(ctx context.Context, s *socket.Socket, pushes chan<- socket.Received) {
	defer close(pushes)
	for {
		m, err := s.Receive(ctx, func(socket.Received) bool { return true })
		if err != nil {
			return
		}
		select {
		case pushes <- m:
		case <-ctx.Done():
			return
		}
	}
}

func (t *talk) send(ctx context.Context, s *socket.Socket, line string) {
	receipt, err := s.Send(ctx, t.peer, line)
	switch {
	case err == nil:
		t.remember(receipt.ServerID)
	case s.Alive():
		fmt.Fprintf(t.notes, "not sent: %s: %s\n", cli.OneLine(line), cli.OneLine(err.Error()))
	default:
		fmt.Fprintf(t.notes, "the connection broke: it is not known whether this was sent, and if it was it is printed below: %s\n",
			cli.OneLine(line))
	}
}

func (t *talk) remember(id string) {
	t.mine[id] = true
	if t.sent = append(t.sent, id); len(t.sent) > maxMine {
		delete(t.mine, t.sent[0])
		t.sent = t.sent[1:]
	}
}

// receive prints a pushed message, after those before it that were not pushed.
func (t *talk) receive(ctx context.Context, s *socket.Socket, m socket.Received) {
	switch {
	case m.Conversation != t.conversation:
		if m.SendID != t.user && m.Text != "" {
			fmt.Fprintf(t.notes, "a message of %s in another conversation\n", cli.OneLine(m.SendID))
		}
	case m.Seq <= t.last:
	case m.Seq == t.last+1:
		t.print(m)
	default:
		if err := t.pull(ctx, s, m.Seq); err != nil {
			fmt.Fprintf(t.notes, "could not read the messages before this one: %s\n", cli.OneLine(err.Error()))
			t.print(m)
		}
	}
}

// catchUp prints what was sent while there was no socket; at the first one the end of the history.
func (t *talk) catchUp(ctx context.Context, s *socket.Socket) error {
	newest, err := s.NewestSeq(ctx, t.conversation)
	if err != nil {
		return err
	}
	if t.last == unknown {
		t.last = max(0, newest-t.history)
	}
	return t.pull(ctx, s, newest)
}

// pull prints the messages after the last one, up to a sequence number. Of very many it prints the newest.
func (t *talk) pull(ctx context.Context, s *socket.Socket, newest int64) error {
	if skipped := newest - t.last - socket.MaxRange; skipped > 0 {
		fmt.Fprintf(t.notes, "%d messages are left out here\n", skipped)
		t.last += skipped
	}
	messages, err := s.Range(ctx, t.conversation, t.last+1, newest)
	if err != nil {
		return err
	}
	for _, m := range messages {
		t.print(m)
	}
	t.last = max(t.last, newest)
	return nil
}

// print prints a message unless it was typed here.
func (t *talk) print(m socket.Received) {
	t.last = max(t.last, m.Seq)
	if t.mine[m.ServerID] {
		return
	}
	at := m.Created
	if at.IsZero() {
		at = m.At
	}
	text := m.Text
	if text == "" {
		text = fmt.Sprintf("(a message of content type %d)", m.ContentType)
	}
	fmt.Fprintf(t.out, "%s %s: %s\n", at.Local().Format(t.layout(at)), cli.OneLine(m.SendID), cli.OneLine(text))
}

// layout leaves the date out of times that are not long ago.
func (t *talk) layout(at time.Time) string {
	if t.now().Sub(at) < 12*time.Hour {
		return time.TimeOnly
	}
	return time.DateTime
}
