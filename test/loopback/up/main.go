// Command up starts a stack on this machine's loopback (package loopback).
//
//	go run ./test/loopback/up                   print the endpoints, run until Ctrl-C
//	go run ./test/loopback/up -- COMMAND ...    run a command with the endpoints in its environment (package endpoints), then end
//	go run ./test/loopback/up --wrapper ...     with the wrapper in front of OpenIM
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"

	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/test/loopback/endpoints"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	wrapper := flag.Bool("wrapper", false, "run the wrapper in front of OpenIM")
	gateways := flag.Int("gateways", 1, "with --wrapper: replicas of the gateway")
	backends := flag.Int("backends", 1, "with --wrapper: replicas of the backend")
	flag.Parse()
	o := loopback.Options{Files: true}
	if *wrapper {
		o.Wrapper = &loopback.Wrapper{Gateways: *gateways, Backends: *backends, Hot: loopback.Generous}
	}
	if err := run(ctx, os.Stdout, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, o loopback.Options, command []string) (err error) {
	s, err := loopback.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.Keep()
			err = fmt.Errorf("%w\nthe logs are kept in %s", err, s.Logs())
		}
		err = errors.Join(err, s.Close())
	}()
	where := s.Endpoints()
	if where.Control, err = endpoints.Serve(ctx, s); err != nil {
		return err
	}
	if len(command) == 0 {
		return show(ctx, out, s, where)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	cmd.Env = append(os.Environ(), where.Environ()...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return s.Err()
}

func show(ctx context.Context, out io.Writer, s *loopback.Stack, where endpoints.Endpoints) error {
	env := where.Environ()
	slices.Sort(env)
	for _, line := range env {
		_, _ = fmt.Fprintln(out, line)
	}
	_, _ = fmt.Fprintf(out, "logs in %s\nan administrator's token: POST $IM_CONTROL/token\n", s.Logs())
	<-ctx.Done()
	return nil
}
