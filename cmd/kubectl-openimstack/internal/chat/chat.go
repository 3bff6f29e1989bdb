package chat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/openimstack/openim-operator/clients/go/socket"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/gateway"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
)

// maxLine limits a message, in bytes. The gateway accepts more; a terminal's line is no document.
const maxLine = 8 << 10

// options are the flags of the command.
type options struct {
	gateway.Flags

	streams  cli.Streams
	codeFile string
	user     string
	folder   string
	history  int64
}

// New returns the command.
func New(streams cli.Streams, connection *genericclioptions.ConfigFlags) *cobra.Command {
	o := &options{streams: streams, Flags: gateway.Flags{Flags: load.Flags{Connection: connection}}}
	cmd := &cobra.Command{
		Use:   "chat USER",
		Short: "send messages to a user and receive theirs, in this terminal, through the gateway",
		Long: `Logs in at the gateway, prints the last messages with USER and each further one, and sends every line that you type. Ctrl-D ends it and
logs out.

The first time it needs an enrolment code (` + cli.Name + ` user code), for which it asks, or which --code-file holds. The device's key is kept
in a folder of yours and logs in from then on. When the connection breaks, the command connects again and prints what it missed.`,
		Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args[0]) },
	}
	o.Add(cmd, "users")
	flags := cmd.Flags()
	flags.StringVar(&o.codeFile, "code-file", "",
		"a file whose first line is an enrolment code: enrol a new device with it; - reads the standard input")
	flags.StringVar(&o.user, "user-id", "", "log in as this user, if several have a device here")
	flags.StringVar(&o.folder, "devices", "",
		"the folder of the devices' keys; without it openimstack below your folder of configuration files")
	flags.Int64Var(&o.history, "history", 10, "how many earlier messages to print, at most 100")
	cli.DescribeExitCodes(cmd, "0 ended by you, 1 otherwise (errors included).")
	return cmd
}

func (o *options) run(ctx context.Context, peer string) error {
	if o.history < 0 || o.history > socket.MaxRange {
		return fmt.Errorf("--history: %d: write 0 to %d", o.history, socket.MaxRange)
	}
	if o.folder == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("finding your folder of configuration files: %w: name one with --devices", err)
		}
		o.folder = filepath.Join(config, "openimstack")
	}
	ctx, cancel := context.WithCancel(ctx) // ends the port-forward
	defer cancel()
	way, err := o.Users(ctx)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(o.streams.In, maxLine)
	c, device, session, err := o.session(ctx, way, in)
	if err != nil {
		return err
	}
	if session.UserID == peer {
		return errors.New("this is the user that is logged in: name another")
	}
	t := &talk{
		peer: peer, user: session.UserID, history: o.history, conversation: socket.Conversation(session.UserID, peer),
		gateway: way.Name, now: time.Now, out: o.streams.Out, notes: o.streams.ErrOut, mine: map[string]bool{}, last: unknown,
	}
	user := &account{way: way, client: c, device: device, session: session}
	defer func() { logout(ctx, user, o.streams.ErrOut) }()
	t.link = &link{opener: user, notes: o.streams.ErrOut}
	return t.run(ctx, lines(ctx, in, o.streams.ErrOut))
}

// lines returns a channel of the lines that are typed, which is closed at the end of the input. A line that is too long is refused.
func lines(ctx context.Context, in *bufio.Reader, notes io.Writer) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for {
			line, long, err := readLine(in)
			switch {
			case long:
				fmt.Fprintf(notes, "not sent: a line may have %d bytes\n", maxLine)
			case line != "":
				select {
				case out <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return out
}

// readLine reads a line without its end, or reports that it is too long for the reader's buffer and skips it.
func readLine(in *bufio.Reader) (line string, long bool, err error) {
	for {
		part, more, err := in.ReadLine()
		if err != nil {
			return line, long, err
		}
		if long = long || more; !long {
			line = string(part)
		}
		if !more {
			return line, long, nil
		}
	}
}
