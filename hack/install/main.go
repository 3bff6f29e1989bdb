package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/openimstack/openim-operator/hack/render"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("install", flag.ContinueOnError)
	base := flags.String("config", "config/default", "folder to render, config/default or config/namespaced")
	operator := flags.String("operator-image", "", "image of the operator; empty: the release named in config/manager")
	wrapper := flags.String("wrapper-image", "", "default image of the wrapper; empty: the release named in config/manager")
	supervisor := flags.String("supervisor-image", "", "image of the supervisor; empty: the release named in config/manager")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: use flags, see --help", flags.Arg(0))
	}
	root, err := render.Root()
	if err != nil {
		return err
	}
	manifest, err := render.Kustomize(ctx, root, render.Overlay{
		Base: *base,
		Images: map[string]string{
			render.OperatorImage: *operator, render.WrapperImage: *wrapper, render.SupervisorImage: *supervisor,
		},
	})
	if err != nil {
		return err
	}
	_, err = out.Write(manifest)
	return err
}
