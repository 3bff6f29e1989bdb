package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/openimstack/openim-operator/hack/cluster/node"
	"github.com/openimstack/openim-operator/hack/images/image"
)

const usage = `usage: go run ./hack/images COMMAND [FLAGS]

  build      build the images that are not in the cache, and print their references as NAME=REFERENCE
    --only NAME,...   these images only; infra-prometheus and infra-traefik are built when they are named
    --load            import them into the local cluster
    --list            build nothing; fail if an image is missing
    --prefix PREFIX   of the references instead of openimstack/, for example registry.example.com/im/ (also: IMAGE_PREFIX)
    --push            send them to the registry that the prefix names
    --arch ARCH       amd64, arm64, ...; this machine's by default
  binaries   compile operator, wrapper, supervisor and preflight to dist/linux_ARCH/, from where the Dockerfile copies them
    --arch ARCH
  programs   build the named programs if they are not in the cache, and print their folders as NAME=FOLDER
    NAME...   etcd, ferretdb, kafka, mongodb, openim, preflight, s3, supervisor, wrapper
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		stop()
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("no command: use build, binaries or programs (see --help)")
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o := image.Options{Out: stderr}
	fs.StringVar(&o.Arch, "arch", "", "")
	switch args[0] {
	case "build":
		return build(ctx, fs, o, args[1:], stdout)
	case "binaries":
		if err := parse(fs, args[1:]); err != nil {
			return err
		}
		return image.Binaries(ctx, o)
	case "programs":
		return programs(ctx, args[1:], stdout, stderr)
	case "-h", "--help", "help":
		return flag.ErrHelp
	}
	return fmt.Errorf("unknown command %q: use build, binaries or programs", args[0])
}

func build(ctx context.Context, fs *flag.FlagSet, o image.Options, args []string, stdout io.Writer) error {
	only := fs.String("only", "", "")
	load := fs.Bool("load", false, "")
	fs.BoolVar(&o.Listing, "list", false, "")
	fs.StringVar(&o.Prefix, "prefix", os.Getenv("IMAGE_PREFIX"), "")
	fs.BoolVar(&o.Push, "push", false, "")
	if err := parse(fs, args); err != nil {
		return err
	}
	for _, name := range strings.Split(*only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Only = append(o.Only, name)
		}
	}
	if o.Prefix != "" && !strings.HasSuffix(o.Prefix, "/") {
		return fmt.Errorf("--prefix %q must end with a slash", o.Prefix)
	}
	if o.Push && o.Prefix == "" {
		return errors.New("--push needs --prefix: name the registry, for example registry.example.com/im/")
	}

	results, err := image.Build(ctx, o)
	if err != nil {
		return err
	}
	if *load {
		if err := loadAll(ctx, results, o.Out); err != nil {
			return err
		}
	}
	for _, r := range results {
		fmt.Fprintf(stdout, "%s=%s\n", r.Name, r.Ref)
	}
	return nil
}

func programs(ctx context.Context, names []string, stdout, stderr io.Writer) error {
	if len(names) == 0 {
		return errors.New("programs: name at least one program (see --help)")
	}
	folders, err := image.Programs(ctx, stderr, names...)
	if err != nil {
		return err
	}
	for i, name := range names {
		fmt.Fprintf(stdout, "%s=%s\n", name, folders[i])
	}
	return nil
}

func parse(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%s takes flags only: unexpected argument %q", fs.Name(), fs.Arg(0))
	}
	return nil
}

func loadAll(ctx context.Context, results []image.Result, out io.Writer) error {
	n, err := node.New(node.Options{StateDir: node.DefaultStateDir, Out: out})
	if err != nil {
		return err
	}
	var archives []string
	for _, r := range results {
		archives = append(archives, r.Archive)
	}
	return n.Load(ctx, archives...)
}
