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
	"path/filepath"
	"syscall"

	"github.com/openimstack/openim-operator/hack/render"
)

const usage = `usage: go run ./hack/release COMMAND [FLAGS]

  build   build a release into a folder that does not exist
    --version v0.1.0   the version, which the tree names too
    --out FOLDER       dist/release/VERSION by default
    --allow-dirty      also when files differ from the commit; the provenance says so
  check   check a folder that build wrote: checksums, images, SBOMs, provenance
    FOLDER
  twice   build two clones of the commit in different surroundings, and compare all files
    --version v0.1.0
    --out FOLDER       for both, dist/release-twice by default
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case err != nil:
		fmt.Fprintln(os.Stderr, "release:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("no command: use build, check or twice (see --help)")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	version := flags.String("version", "", "")
	folder := flags.String("out", "", "")
	dirty := flags.Bool("allow-dirty", false, "")
	switch args[0] {
	case "build", "twice":
	case "check":
		if len(args) != 2 {
			return errors.New("check takes one folder (see --help)")
		}
		return check(args[1])
	case "-h", "--help", "help":
		return flag.ErrHelp
	default:
		return fmt.Errorf("unknown command %q: use build, check or twice", args[0])
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%s takes flags only: unexpected argument %q", args[0], flags.Arg(0))
	}
	root, err := render.Root()
	if err != nil {
		return err
	}
	if err := checkVersion(root, *version); err != nil {
		return err
	}
	if args[0] == "twice" {
		return twice(ctx, root, *version, *folder, out)
	}
	if *folder == "" {
		*folder = filepath.Join(root, "dist", "release", *version)
	}
	return build(ctx, root, *version, *folder, *dirty, out)
}

// release is a release that is being built.
type release struct {
	root, version string
	source        source
	// folder gets the files that are published, scratch what they are made from.
	folder, scratch string
	out             io.Writer
}

// build builds a release. The folder appears when the release is complete and passes its check; after an error it is not there.
func build(ctx context.Context, root, version, folder string, dirty bool, out io.Writer) (err error) {
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the folder %s exists: remove it, or name another with --out", folder)
	}
	from, err := sourceOf(ctx, root)
	if err != nil {
		return err
	}
	if from.dirty && !dirty {
		return errors.New("files differ from the commit (git status): commit them, or build with --allow-dirty")
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(filepath.Dir(folder), ".release-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	if err := surroundings(version, scratch); err != nil {
		return err
	}
	r := &release{root: root, version: version, source: from, folder: filepath.Join(scratch, "files"), scratch: scratch, out: out}
	if err := os.Mkdir(r.folder, 0o755); err != nil {
		return err
	}
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"images and their SBOMs", r.images}, {"install.yaml", r.install}, {"the chart", r.chart}, {"the plugin and its SBOMs", r.plugin},
		{"the web client", r.webClient}, {"the Go module", r.goModule}, {"provenance and checksums", r.provenance},
	} {
		_, _ = fmt.Fprintf(out, "release: %s\n", step.what)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	if err := check(r.folder); err != nil {
		return err
	}
	if err := os.Rename(r.folder, folder); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "release: wrote %s\n", folder)
	return nil
}

// surroundings makes what the environment decides the same on every machine. Nothing that an earlier build left is used except Go's own
// caches, which are keyed by content.
func surroundings(version, scratch string) error {
	syscall.Umask(0o022)
	for key, value := range map[string]string{
		"VERSION": version, "OPENIM_OPERATOR_CACHE": filepath.Join(scratch, "cache"), "GOFLAGS": "-buildvcs=false -trimpath",
		"CGO_ENABLED": "0", "GOAMD64": "v1", "GOARM64": "v8.0", "GOEXPERIMENT": "", "GODEBUG": "", "GOTOOLCHAIN": "local", "GOWORK": "off",
		"IMAGE_PREFIX": "", "TZ": "UTC", "LC_ALL": "C",
	} {
		if err := os.Setenv(key, value); err != nil {
			return err
		}
	}
	return nil
}

// write writes a file that is published.
func (r *release) write(name string, content []byte) error {
	return os.WriteFile(filepath.Join(r.folder, name), content, 0o644)
}

// goRun runs a command of the project, and returns what it prints.
func (r *release) goRun(ctx context.Context, args ...string) ([]byte, error) {
	return output(ctx, r.root, "go", append([]string{"run"}, args...)...)
}

// output runs a program and returns what it prints on standard output.
func output(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	text, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, fmt.Errorf("%s %v: %w: %s", name, args, err, exit.Stderr)
	}
	return text, err
}
