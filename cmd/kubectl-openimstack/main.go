package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := (&program{out: os.Stdout, errors: os.Stderr, terminal: terminalOf(os.Stdout, os.Getenv)}).run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
