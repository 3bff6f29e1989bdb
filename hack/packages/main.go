package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// known lists the packages that can be requested.
var known = []host.Package{
	host.RedisServer,
	host.EtcdServer,
	host.Prometheus,
	host.GCC,
	host.NodeJS,
	host.NPM,
	host.Chromium,
	host.Nginx,
	host.HAProxy,
	host.Caddy,
	host.UtilLinux,
	host.QemuUser,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	wanted, err := choose(args)
	if err != nil {
		return err
	}
	return host.Ensure(ctx, out, wanted...)
}

func choose(args []string) ([]host.Package, error) {
	if len(args) == 0 {
		return nil, errors.New("no package: use some of " + list())
	}
	var wanted []host.Package
	for _, name := range args {
		i := slices.IndexFunc(known, func(p host.Package) bool { return p.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown package %q: use one of %s", name, list())
		}
		wanted = append(wanted, known[i])
	}
	return wanted, nil
}

func list() string {
	var names []string
	for _, p := range known {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}
