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

	"github.com/openimstack/openim-operator/hack/archive"
	"github.com/openimstack/openim-operator/hack/render"
	release "github.com/openimstack/openim-operator/version"
)

// platforms are those for which archives are built: os/arch, as Go writes them.
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

// versions matches the versions of releases.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plugin", flag.ContinueOnError)
	version := flags.String("version", "", "version of the release, such as v0.1.0")
	only := flags.String("platforms", strings.Join(platforms, ","), "platforms to build for; the manifest is written for all platforms only")
	folder := flags.String("out", "dist/plugin", "folder to write to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !versions.MatchString(*version) {
		return fmt.Errorf("invalid version %q: write --version v0.1.0", *version)
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

// builder builds the archives of one version.
type builder struct {
	root, folder, version string
	// sums are the SHA-256 sums of the archives in hexadecimal digits, by platform.
	sums map[string]string
}

// archive returns the file name of an archive.
func (b *builder) archive(platform string) string {
	return fmt.Sprintf("%s_%s_%s.tar.gz", binary, b.version, strings.ReplaceAll(platform, "/", "_"))
}

// build compiles the plugin for one platform, and packs the plugin, its completion and the license.
func (b *builder) build(ctx context.Context, platform string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return errors.New("invalid platform: write os/arch, such as linux/amd64")
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
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X "+release.Variable+"="+b.version, "-o", compiled, "./cmd/"+binary)
	command.Dir = b.root
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling: %w\n%s", err, output)
	}
	var files []archive.File
	for _, f := range []struct {
		from, name string
		mode       int64
	}{
		{compiled, name, 0o755}, {filepath.Join(b.root, "cmd", binary, completion), completion, 0o755},
		{filepath.Join(b.root, "LICENSE"), "LICENSE", 0o644},
	} {
		file, err := archive.Open(f.from, f.name, f.mode)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	sum, err := pack(filepath.Join(b.folder, b.archive(platform)), files...)
	if err != nil {
		return err
	}
	b.sums[platform] = sum
	return nil
}
