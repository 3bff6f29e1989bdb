package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// outputs are the values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

const (
	maxAttempts = 5
	// attemptPause is the time between two attempts.
	attemptPause = 15 * time.Second
)

// checkCommand is the command line of `wrapper check`.
type checkCommand struct {
	config, output string
	options        check.Options
	// attempts is the number of checks that must fail, with a pause between them.
	attempts int
	between  time.Duration
	// wait is true for a command that checks nothing and waits: the container that keeps the pod of a check alive.
	wait bool
	// terminationLog is the file of Kubernetes' termination message. Empty: none.
	terminationLog string
}

// parseCheck parses what follows "check".
func parseCheck(args []string) (checkCommand, error) {
	c := checkCommand{between: attemptPause}
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.config, "config", "", "the backend's configuration file")
	flags.StringVar(&c.output, "output", outputText, "text or json")
	mode := flags.String("mode", string(check.ModeContract), "Contract or Messages")
	flags.StringVar(&c.options.Socket, "socket", "", "msggateway's address, ws://HOST:10001")
	flags.IntVar(&c.attempts, "attempts", 1, "checks that must fail, 1 to 5")
	flags.BoolVar(&c.wait, "wait", false, "check nothing, and wait for SIGTERM")
	flags.StringVar(&c.terminationLog, "termination-log", "", "the file to which a failed check writes a summary")
	if flags.Parse(args) != nil || flags.NArg() > 0 || c.output != outputText && c.output != outputJSON {
		return c, errUsage
	}
	if c.wait && flags.NFlag() == 1 {
		return c, nil
	}
	if c.wait || c.config == "" || c.attempts < 1 || c.attempts > maxAttempts {
		return c, errUsage
	}
	c.options.Mode = check.Mode(*mode)
	switch {
	case !slices.Contains(check.Modes, c.options.Mode):
		return c, errUsage
	case c.options.Socket == "" && c.options.Mode == check.ModeMessages:
		return c, errUsage
	case c.options.Socket != "" && !httpserver.IsOrigin(c.options.Socket, "ws", "wss"):
		return c, errUsage
	}
	return c, nil
}

// checkOpenIM runs `wrapper check`. args holds what follows "check".
func checkOpenIM(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parseCheck(args)
	if err != nil {
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	}
	if c.wait {
		<-ctx.Done()
		return exitOK
	}
	return c.check(ctx, stdout, stderr)
}

// check checks until an attempt passes or all have failed, and reports on the last.
func (c checkCommand) check(ctx context.Context, stdout, stderr io.Writer) int {
	report, err := c.run(ctx)
	for i := 1; i < c.attempts && (err != nil || len(report.Problems) > 0) && pause(ctx, c.between); i++ {
		_, _ = fmt.Fprintf(stderr, "attempt %d of %d: %s\n", i, c.attempts, lineOf(report, err))
		report, err = c.run(ctx)
	}
	if err == nil {
		if err = report.write(stdout, c.output); err != nil {
			err = fmt.Errorf("writing the report: %w", err)
		}
	}
	switch {
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(stderr, "the check was stopped before its end: its result means nothing")
		return exitFailed
	case err != nil:
		_, _ = fmt.Fprintln(stderr, err)
		c.leave(err.Error(), stderr)
		return exitFailed
	case len(report.Problems) > 0:
		c.leave(report.summary(maxTerminationMessage), stderr)
		return exitFailed
	}
	return exitOK
}

// pause waits between two attempts. It returns false if ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

func lineOf(report checkReport, err error) string {
	if err != nil {
		return err.Error()
	}
	return report.summary(maxTerminationMessage)
}

// run reads the configuration and checks.
func (c checkCommand) run(ctx context.Context) (checkReport, error) {
	data, err := os.ReadFile(c.config)
	if err != nil {
		return checkReport{}, fmt.Errorf("reading the configuration: %w", err)
	}
	config, err := backend.ParseConfig(data)
	if err != nil {
		return checkReport{}, err
	}
	findings, err := backend.Check(ctx, config, c.options, time.Now)
	return reportOf(findings), err
}

// leave writes the termination message, which the kubelet reads when the container has ended.
func (c checkCommand) leave(message string, stderr io.Writer) {
	if c.terminationLog == "" {
		return
	}
	text, err := termination.Check{Failed: message}.Encode()
	if err == nil {
		err = os.WriteFile(c.terminationLog, text, 0o600)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "writing the termination message: %v\n", err)
	}
}
