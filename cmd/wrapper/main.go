// Command wrapper runs one of the two roles in front of OpenIM, checks OpenIM, and verifies the roles' audit logs.
//
//	wrapper gateway --config FILE   the public edge: verifies callers
//	wrapper backend --config FILE   the adapter behind it: verifies again, decides, and calls OpenIM
//	wrapper check --config FILE [--mode Contract|Messages] [--socket ws://HOST:PORT] [--output text|json] [--attempts N]
//	  [--termination-log FILE]      checks that OpenIM keeps to what the wrapper relies on
//	wrapper check --wait            checks nothing and waits for SIGTERM, beside a container that has checked
//	wrapper audit verify [--partial] [--expect FILE|-] [FILE|-]...   checks that an audit log is unchanged and complete
//	wrapper version                 prints the version alone; --version with platform and compiler
//
//go:debug x509usefallbackroots=1
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/publicroots"
	"github.com/openimstack/openim-operator/version"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

const usage = `usage:
  wrapper gateway --config FILE
  wrapper backend --config FILE
  wrapper check --config FILE [--mode Contract|Messages] [--socket ws://HOST:PORT] [--output text|json] [--attempts N]
    [--termination-log FILE]    Messages needs --socket
  wrapper check --wait
  wrapper audit verify [--partial] [--expect FILE|-] [FILE|-]...
  wrapper version | wrapper --version
`

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // could not start, failed, or cut requests off when stopping
	exitUsage  = 2
)

func main() {
	// The image holds no certificates. Identity providers and trace collectors may be on the public internet.
	if err := publicroots.Trust(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "wrapper:", err)
		os.Exit(exitFailed)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// errUsage is an invalid command line.
var errUsage = errors.New("invalid command line")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "version" {
		_, _ = fmt.Fprintln(stdout, version.String())
		return exitOK
	}
	if version.Asked(args) {
		_, _ = fmt.Fprintln(stdout, version.Line("wrapper"))
		return exitOK
	}
	if len(args) >= 2 && args[0] == "audit" && args[1] == "verify" {
		return auditVerify(args[2:], os.Stdin, stdout, stderr)
	}
	if len(args) >= 1 && args[0] == "check" {
		return checkOpenIM(ctx, args[1:], stdout, stderr)
	}
	lines := httpserver.NewLogBuffer(stdout)
	defer lines.Flush()
	log := slog.New(slog.NewJSONHandler(lines, nil))
	app, err := load(args, log, time.Now)
	switch {
	case errors.Is(err, errUsage):
		_, _ = fmt.Fprint(stderr, usage)
		return exitUsage
	case err != nil:
		log.Error("starting failed", "error", err.Error())
		return exitFailed
	}
	app.Background = append(app.Background, func(ctx context.Context) { httpserver.KeepMemory(ctx, log) })
	if err := app.Run(ctx); err != nil {
		log.Error("running failed", "error", err.Error())
		return exitFailed
	}
	return exitOK
}

// load reads the command line and the configuration, and builds the role. now is its clock.
func load(args []string, log *slog.Logger, now func() time.Time) (*httpserver.App, error) {
	if len(args) == 0 || args[0] != "gateway" && args[0] != "backend" {
		return nil, errUsage
	}
	role := args[0]
	flags := flag.NewFlagSet(role, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	path := flags.String("config", "", "the configuration file")
	if flags.Parse(args[1:]) != nil || *path == "" || flags.NArg() > 0 {
		return nil, errUsage
	}
	data, err := os.ReadFile(*path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	log = log.With("role", role)
	if role == "gateway" {
		c, err := gateway.ParseConfig(data)
		if err != nil {
			return nil, err
		}
		return gateway.New(c, version.String(), log, now)
	}
	c, err := backend.ParseConfig(data)
	if err != nil {
		return nil, err
	}
	return backend.New(c, version.String(), log, now)
}
