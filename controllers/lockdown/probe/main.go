package probe

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

const (
	// maxTargets bounds one run.
	maxTargets = 512
	// maxTimeout bounds one attempt.
	maxTimeout = 30 * time.Second
	// defaultTimeout is enough for a network that works.
	defaultTimeout = 2 * time.Second
)

// Exit codes of Main. What came of the attempts is in the output, not in the exit code.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `usage:
  probe idle                            wait for SIGTERM
  probe tcp [--timeout 2s] HOST:PORT... attempt each connection, print one JSON array of results
`

// Main is the command line behind "manager probe". args are what follows that word. It returns the exit code.
func Main(args []string, stdout io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return run(ctx, args, stdout, os.Stderr)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = io.WriteString(stderr, usage)
		return exitUsage
	}
	switch command, rest := args[0], args[1:]; command {
	case "idle":
		<-ctx.Done()
		return exitDone
	case "tcp":
		return tcp(ctx, rest, stdout, stderr)
	default:
		_, _ = fmt.Fprintf(stderr, "unknown command %q: write idle or tcp\n%s", command, usage)
		return exitUsage
	}
}

func tcp(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("probe tcp", flag.ContinueOnError)
	flags.SetOutput(stderr)
	timeout := flags.Duration("timeout", defaultTimeout, "time for one attempt, at most 30s")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if err := check(*timeout, flags.Args()); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if err := json.NewEncoder(stdout).Encode(TCP(ctx, *timeout, flags.Args())); err != nil {
		_, _ = fmt.Fprintf(stderr, "results could not be written: %v\n", err)
		return exitFailed
	}
	return exitDone
}

func check(timeout time.Duration, targets []string) error {
	switch {
	case timeout <= 0 || timeout > maxTimeout:
		return fmt.Errorf("--timeout is %s: write a time above 0 and up to %s", timeout, maxTimeout)
	case len(targets) == 0:
		return errors.New("no target: write at least one HOST:PORT")
	case len(targets) > maxTargets:
		return fmt.Errorf("%d targets: write at most %d", len(targets), maxTargets)
	}
	for _, target := range targets {
		host, port, err := net.SplitHostPort(target)
		number, atoi := strconv.ParseUint(port, 10, 16)
		if err != nil || atoi != nil || host == "" || number == 0 {
			return fmt.Errorf("target %q: write HOST:PORT with a port from 1 to 65535, an IPv6 address in brackets", target)
		}
	}
	return nil
}
