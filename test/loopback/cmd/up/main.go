// Command up starts a stack on this machine's loopback (package loopback) and prints where everything is.
//
//	go run ./test/loopback/cmd/up
//
// It runs until Ctrl-C.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/openimstack/openim-operator/test/loopback"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	flag.Parse()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	s, err := loopback.Start(ctx, loopback.Options{})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "OpenIM's API   %s\n", s.OpenIM.URL)
	fmt.Fprintf(out, "its socket     %s\n", s.SocketURL)
	fmt.Fprintf(out, "admin's token  %s\n", s.OpenIM.Token)
	<-ctx.Done()
	return s.Close()
}
