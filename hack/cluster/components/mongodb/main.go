package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/proxy"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mongodb stand-in:", err)
		os.Exit(1)
	}
}

// run starts FerretDB, then the proxy, and serves until ctx or FerretDB ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	fs := flag.NewFlagSet("mongodb", flag.ContinueOnError)
	fs.SetOutput(out)
	listen := fs.String("listen", ":27017", "`address` to listen on")
	program := fs.String("ferretdb", "/ferretdb", "`file` of the FerretDB v1 program")
	dataDir := fs.String("data-dir", "/data", "`folder` for the database")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: this command takes flags only, see -h", fs.Arg(0))
	}

	db, err := startFerretDB(ctx, *program, *dataDir, out)
	if err != nil {
		return err
	}
	defer db.stop()
	// The port is opened last: an open port means that commands are answered.
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w: use another --listen address", *listen, err)
	}
	fmt.Fprintf(out, "mongodb stand-in (FerretDB v1 on SQLite behind a proxy): listening on %s, data in %s\n", ln.Addr(), *dataDir)

	serving, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		<-db.done
		cancel(errors.New("FerretDB ended"))
	}()
	server := proxy.Server{Dial: db.dial, Log: slog.New(slog.NewTextHandler(out, nil))}
	if err := server.Serve(serving, ln); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return fmt.Errorf("%w: see its log output above", context.Cause(serving))
	}
	return nil
}
