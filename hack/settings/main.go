package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: settings dialects REPOSITORY FOLDER
       settings docs FILE`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "settings:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "dialects":
		return writeDialects(ctx, args[1], args[2])
	case len(args) == 2 && args[0] == "docs":
		return writeDocs(args[1])
	}
	return errors.New(usage)
}
