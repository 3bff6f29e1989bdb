package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// outputs are the values of --output.
const (
	outputText = "text"
	outputJSON = "json"
)

// checkCommand is the command line of `wrapper check`.
type checkCommand struct {
	config, output string
	options        check.Options
	// serve is the address of /readyz after a successful check. Empty: the command ends with the check.
	serve string
	// terminationLog is the file of Kubernetes' termination message. Empty: none.
	terminationLog string
}

// parseCheck parses what follows "check".
func parseCheck(args []string) (checkCommand, error) {
	var c checkCommand
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.config, "config", "", "the backend's configuration file")
	flags.StringVar(&c.output, "output", outputText, "text or json")
	mode := flags.String("mode", string(check.ModeContract), "Contract or Messages")
	flags.StringVar(&c.options.Socket, "socket", "", "msggateway's address, ws://HOST:10001")
	flags.StringVar(&c.serve, "serve", "", "after a successful check, the address of /readyz")
	flags.StringVar(&c.terminationLog, "termination-log", "", "the file to which a failed check writes a summary")
	if flags.Parse(args) != nil || c.config == "" || flags.NArg() > 0 || c.output != outputText && c.output != outputJSON {
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
	report, err := c.run(ctx)
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
	case c.serve == "":
		return exitOK
	}
	if err := serveReady(ctx, c.serve); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		c.leave(err.Error(), stderr)
		return exitFailed
	}
	return exitOK
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
	if err := os.WriteFile(c.terminationLog, []byte(shortened(message, maxTerminationMessage)), 0o600); err != nil {
		_, _ = fmt.Fprintf(stderr, "writing the termination message: %v\n", err)
	}
}
