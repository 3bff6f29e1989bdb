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
	"regexp"
	"strings"

	"github.com/openimstack/openim-operator/hack/render"
)

// platforms for which archives are built: os/arch, as Go writes them.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

const (
	binary   = "kubectl-openimstack"
	template = "config/krew/openimstack.yaml"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "plugin:", err)
		os.Exit(1)
	}
}

var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plugin", flag.ContinueOnError)
	version := flags.String("version", "", "version of the release, such as v0.1.0")
	only := flags.String("platforms", strings.Join(platforms, ","), "platforms to build for; with fewer than all no manifest is written")
	folder := flags.String("out", "dist/plugin", "folder to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !versions.MatchString(*version) {
		return fmt.Errorf("%q is no version: write --version v0.1.0", *version)
	}
	root, err := render.Root()
	if err != nil {
		return err
	}
	if !filepath.IsAbs(*folder) {
		*folder = filepath.Join(root, *folder)
	}
	if err := os.MkdirAll(*folder, 0o755); err != nil {
		return err
	}
	b := builder{root: root, folder: *folder, version: *version, sums: map[string]string{}}
	for platform := range strings.SplitSeq(*only, ",") {
		if err := b.build(ctx, platform); err != nil {
			return fmt.Errorf("%s: %w", platform, err)
		}
		fmt.Fprintf(out, "plugin: %s\n", filepath.Join(*folder, b.archive(platform)))
	}
	if err := b.writeSums(); err != nil {
		return err
	}
	if len(b.sums) < len(platforms) {
		return nil
	}
	return b.writeManifest()
}

// builder of one version's archives.
type builder struct {
	root, folder, version string
	// sums are the archives' SHA-256 in hexadecimal digits, by platform.
	sums map[string]string
}

func (b *builder) archive(platform string) string {
	return fmt.Sprintf("%s_%s_%s.tar.gz", binary, b.version, strings.ReplaceAll(platform, "/", "_"))
}

// build compiles for one platform and packs what is installed.
func (b *builder) build(ctx context.Context, platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return errors.New("a platform is os/arch, such as linux/amd64")
	}
	scratch, err := os.MkdirTemp("", binary)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	name := binary
	if goos == "windows" {
		name += ".exe"
	}
	compiled := filepath.Join(scratch, name)
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.release="+b.version, "-o", compiled, "./cmd/"+binary)
	command.Dir = b.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling: %w\n%s", err, output)
	}
	sum, err := pack(filepath.Join(b.folder, b.archive(platform)), []entry{
		{compiled, name, 0o755},
		{filepath.Join(b.root, "cmd", binary, completion), completion, 0o755},
		{filepath.Join(b.root, "LICENSE"), "LICENSE", 0o644},
	})
	if err != nil {
		return err
	}
	b.sums[platform] = sum
	return nil
}
