package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// DefaultPrefix is the prefix of image references. Without a registry's host, containerd stores such images as docker.io/openimstack/...
const DefaultPrefix = "openimstack/"

// Options of a build.
type Options struct {
	// Only lists the images to build; if it is empty, all but those that are built on demand.
	Only []string
	// Prefix of the references, with its final slash; DefaultPrefix if it is empty.
	Prefix string
	// Arch is the architecture as a GOARCH value; this machine's if it is empty. Images with Debian's programs need this machine's.
	Arch string
	// Listing forbids builds: an image that is not in the cache is an error.
	Listing bool
	// Push sends the images to the registry that Prefix names.
	Push bool
	// Out receives progress lines.
	Out io.Writer
}

// Result is a finished image.
type Result struct {
	Name    string
	Ref     string
	Archive string // docker archive in the cache
}

// Build builds the images that are not in the cache and returns all requested images in a fixed order.
func Build(ctx context.Context, o Options) ([]Result, error) {
	o = o.withDefaults()
	wanted, err := choose(recipes(), o)
	if err != nil {
		return nil, err
	}
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	cache, err := component.Cache()
	if err != nil {
		return nil, err
	}
	store := archives{dir: filepath.Join(cache, "images")}

	var results []Result
	for i, r := range wanted {
		label := fmt.Sprintf("[%d/%d] image %s", i+1, len(wanted), r.name)
		p, err := r.prepare(ctx, root, o.Arch, o.Out)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", r.name, err)
		}
		ref := p.reference(o.Prefix)
		archive := store.path(r.name, p.tag, ref)
		if !store.has(archive, p.key) {
			if o.Listing {
				return nil, fmt.Errorf("image %s is not in the cache: run `go run ./hack/images build --only %s`", ref, r.name)
			}
			if err := p.build(ctx, store, ref, archive, label, o.Out); err != nil {
				return nil, fmt.Errorf("image %s: %w", r.name, err)
			}
		}
		if o.Push {
			if err := push(ctx, store, archive, ref, label, o.Out); err != nil {
				return nil, err
			}
		}
		results = append(results, Result{Name: r.name, Ref: ref, Archive: archive})
	}
	store.prune(results)
	return results, nil
}

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = DefaultPrefix
	}
	if o.Arch == "" {
		o.Arch = runtime.GOARCH
	}
	if o.Out == nil {
		o.Out = os.Stderr
	}
	return o
}

// choose returns the recipes of the requested images and refuses those that cannot be built here.
func choose(all []recipe, o Options) ([]recipe, error) {
	var names []string
	for _, r := range all {
		names = append(names, r.name)
	}
	for _, name := range o.Only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("unknown image %q: use %s", name, strings.Join(names, ", "))
		}
	}
	var wanted []recipe
	for _, r := range all {
		if len(o.Only) > 0 && !slices.Contains(o.Only, r.name) || len(o.Only) == 0 && r.onDemand {
			continue
		}
		if o.Arch != runtime.GOARCH && len(r.packages) > 0 {
			return nil, fmt.Errorf(
				"image %s contains programs of this machine's Debian packages and can only be built for %s: exclude it with --only",
				r.name,
				runtime.GOARCH,
			)
		}
		wanted = append(wanted, r)
	}
	return wanted, nil
}

// build runs buildah on the build context, with temporary storage.
func (p *plan) build(ctx context.Context, store archives, ref, archive, label string, out io.Writer) error {
	start := time.Now()
	if err := host.Ensure(ctx, out, host.Buildah); err != nil {
		return err
	}
	scratch, err := store.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	fmt.Fprintf(out, "%s: building %s\n", label, ref)
	staged := filepath.Join(scratch, "context")
	if err := os.Mkdir(staged, 0o755); err != nil {
		return err
	}
	if err := p.writeContext(staged); err != nil {
		return err
	}
	b := buildah{scratch: scratch, label: label, out: out, start: start}
	id := filepath.Join(scratch, "id") // no tag in buildah's storage: the archive would contain the tag, too
	args := []string{"bud", "--isolation", "chroot", "--timestamp", "0", "--format", "docker",
		"--platform", "linux/" + p.arch, "--build-arg", "TARGETOS=linux", "--build-arg", "TARGETARCH=" + p.arch,
		"--file", filepath.Join(staged, dockerfileName), "--iidfile", id}
	if p.target != "" {
		args = append(args, "--target", p.target)
	}
	if err := b.run(ctx, append(args, staged)...); err != nil {
		return err
	}
	image, err := os.ReadFile(id)
	if err != nil {
		return err
	}
	finished := filepath.Join(scratch, "image.tar")
	if err := b.run(ctx, "push", strings.TrimSpace(string(image)), "docker-archive:"+finished+":"+ref); err != nil {
		return err
	}
	if err := store.keep(finished, archive, p.key); err != nil {
		return err
	}
	info, err := os.Stat(archive)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: built in %s, %d MB\n", label, time.Since(start).Round(100*time.Millisecond), info.Size()>>20)
	return nil
}

// push pushes an archive to a registry, with the login of `buildah login`.
func push(ctx context.Context, store archives, archive, ref, label string, out io.Writer) error {
	scratch, err := store.scratch()
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	b := buildah{scratch: scratch, label: label, out: out, start: time.Now()}
	if err := b.run(ctx, "pull", "docker-archive:"+archive); err != nil {
		return err
	}
	if err := b.run(ctx, "push", ref, "docker://"+ref); err != nil {
		return fmt.Errorf("pushing %s: %w: set --prefix to a registry that you are logged in to", ref, err)
	}
	fmt.Fprintf(out, "%s: pushed %s\n", label, ref)
	return nil
}
