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

	corev1 "k8s.io/api/core/v1"
)

const (
	// maxTargets bounds the targets of one run.
	maxTargets = 512
	// maxTimeout bounds one attempt.
	maxTimeout = 30 * time.Second
	// defaultTimeout is sufficient for a working network.
	defaultTimeout = 2 * time.Second
	// defaultSettle is sufficient for networks that apply policies within seconds.
	defaultSettle = 10 * time.Second
	// ListenPort is the port of "probe listen". It is above 1024 because the container has no capabilities.
	ListenPort = 7007
)

// Exit codes of Main. The outcome of the attempts is in the output, not in the exit code.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `usage:
  probe idle                            wait for SIGTERM
  probe tcp [--timeout 2s] HOST:PORT... attempt each connection, print one JSON array of results
  probe dns [--timeout 2s] [--name kubernetes.default.svc.cluster.local] HOST:PORT...
                                        query each for a name by UDP, print one JSON array of results
  probe listen [--address :7007]        accept connections and close them at once, until SIGTERM
  probe plan [--timeout 2s] [--settle 10s] [--message FILE] open=ADDRESS:PORT|shut=ADDRESS:PORT...
                                        run a plan of attempts, write one letter for each attempt to FILE
`

// Main runs "manager probe". args are the arguments after "probe". It returns the exit code.
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
	case "dns":
		return dns(ctx, rest, stdout, stderr)
	case "listen":
		return listenUntil(ctx, rest, stderr)
	case "plan":
		return plan(ctx, rest, stderr)
	default:
		_, _ = fmt.Fprintf(stderr, "unknown command %q: write idle, tcp, dns, listen or plan\n%s", command, usage)
		return exitUsage
	}
}

func tcp(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := newFlags("tcp", stderr)
	timeout := flags.Duration("timeout", defaultTimeout, "time for one attempt, at most 30s")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if err := check(*timeout, flags.Args()); err != nil {
		return refuse(stderr, err)
	}
	return show(stdout, stderr, TCP(ctx, *timeout, flags.Args()))
}

func dns(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := newFlags("dns", stderr)
	timeout := flags.Duration("timeout", defaultTimeout, "time for one target, at most 30s")
	name := flags.String("name", defaultName, "the name to query")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if err := check(*timeout, flags.Args()); err != nil {
		return refuse(stderr, err)
	}
	results, err := DNS(ctx, *timeout, absolute(*name), flags.Args())
	if err != nil {
		return refuse(stderr, err)
	}
	return show(stdout, stderr, results)
}

func listenUntil(ctx context.Context, args []string, stderr io.Writer) int {
	flags := newFlags("listen", stderr)
	address := flags.String("address", fmt.Sprintf(":%d", ListenPort), "where to listen")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	if flags.NArg() > 0 {
		return refuse(stderr, fmt.Errorf("unexpected arguments %q: write --address alone", flags.Args()))
	}
	if err := Listen(ctx, *address); err != nil {
		return fail(stderr, err)
	}
	return exitDone
}

func plan(ctx context.Context, args []string, stderr io.Writer) int {
	flags := newFlags("plan", stderr)
	timing := Timing{}
	flags.DurationVar(&timing.Timeout, "timeout", defaultTimeout, "time for one attempt, at most 30s")
	flags.DurationVar(&timing.Settle, "settle", defaultSettle, "how long attempts with an unexpected outcome are repeated, at most 1m")
	file := flags.String("message", corev1.TerminationMessagePathDefault, "file for the outcome")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	attempts, err := checkPlan(timing, flags.Args())
	if err != nil {
		return refuse(stderr, err)
	}
	outcomes := Run(ctx, timing, attempts)
	if ctx.Err() != nil {
		return fail(stderr, errors.New("running the plan: stopped before all attempts were made"))
	}
	if err := os.WriteFile(*file, []byte(FormatMessage(outcomes)), 0o600); err != nil {
		return fail(stderr, fmt.Errorf("writing the outcome: %w", err))
	}
	return exitDone
}

func newFlags(command string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("probe "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}

func show(stdout, stderr io.Writer, results []Result) int {
	if err := json.NewEncoder(stdout).Encode(results); err != nil {
		return fail(stderr, fmt.Errorf("writing results: %w", err))
	}
	return exitDone
}

func refuse(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintln(stderr, err)
	return exitUsage
}

func fail(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintln(stderr, err)
	return exitFailed
}

func checkPlan(timing Timing, words []string) ([]Attempt, error) {
	switch {
	case timing.Timeout <= 0 || timing.Timeout > maxTimeout:
		return nil, fmt.Errorf("--timeout is %s: write a time above 0 and up to %s", timing.Timeout, maxTimeout)
	case timing.Settle < 0 || timing.Settle > maxSettle:
		return nil, fmt.Errorf("--settle is %s: write a time from 0 to %s", timing.Settle, maxSettle)
	case len(words) == 0:
		return nil, errors.New("no attempt: write at least one open=ADDRESS:PORT or shut=ADDRESS:PORT")
	case len(words) > MaxAttempts:
		return nil, fmt.Errorf("%d attempts: write at most %d", len(words), MaxAttempts)
	}
	attempts := make([]Attempt, len(words))
	for i, word := range words {
		parsed, err := ParseAttempt(word)
		if err != nil {
			return nil, err
		}
		attempts[i] = parsed
	}
	return attempts, nil
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
