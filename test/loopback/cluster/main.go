// Command cluster runs a command that calls the wrapper in a Kubernetes cluster through addresses on this machine's loopback. The command
// reads them from its environment (package endpoints):
//
//	go run ./test/loopback/cluster -- COMMAND ...
//
// The cluster is selected by CLUSTER. Missing parts are set up as by `make demo`, and everything is left running.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/klog/v2"

	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/test/loopback/endpoints"
)

// runTimeout bounds the whole run: the first run builds Kubernetes and OpenIM from source.
const runTimeout = 60 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, args []string) (err error) {
	if len(args) < 2 || args[0] != "--" {
		return errors.New("name the command to run, as in `cluster -- go test .`")
	}
	klog.LogToStderr(false) // the client library's messages about closed streams do not help a reader
	klog.SetOutput(io.Discard)
	ctx, cancel := context.WithTimeoutCause(ctx, runTimeout, fmt.Errorf("it took longer than %s", runTimeout))
	defer cancel()
	environment, err := setup.NewEnvironment(setup.NewJournal(out))
	if err != nil {
		return err
	}
	if err := environment.Up(ctx); err != nil {
		return err
	}
	k, err := newController(ctx, environment)
	if err != nil {
		return err
	}
	defer k.close()
	defer func() { err = errors.Join(err, k.restore(context.WithoutCancel(ctx))) }()
	dir, err := os.MkdirTemp("", "openim-cluster-")
	if err != nil {
		return fmt.Errorf("making a folder for the object store's authority: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	where, err := k.endpoints(dir)
	if err != nil {
		return err
	}
	if where.Control, err = endpoints.Serve(ctx, k); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	cmd.Env = append(os.Environ(), where.Environ()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", args[1], err)
	}
	return nil
}
