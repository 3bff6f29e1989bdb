package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// imageNamespace is the containerd namespace in which the CRI keeps images.
const imageNamespace = "k8s.io"

func (n *Node) ctr(ctx context.Context, args ...string) (string, error) {
	return run(ctx, nil, "ctr", append([]string{"--address=" + n.paths.Socket(), "--namespace=" + imageNamespace}, args...)...)
}

// Load imports docker archives into the cluster. It skips an image that exists with the same content.
func (n *Node) Load(ctx context.Context, archives ...string) error {
	if err := host.Require("loading images into the cluster"); err != nil {
		return err
	}
	if _, alive := n.alive("containerd"); !alive {
		return errors.New("the cluster does not run: start it with `go run ./hack/cluster up`")
	}
	for _, archive := range archives {
		if err := n.load(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) load(ctx context.Context, archive string) error {
	images, err := readArchive(archive)
	if err != nil {
		return err
	}
	listing, err := n.ctr(ctx, "images", "list")
	if err != nil {
		return err
	}
	if there := parseImages(listing); hasAll(there, images) {
		for _, image := range images {
			fmt.Fprintf(n.out, "  %s exists already\n", strings.Join(image.Refs, " "))
		}
		return nil
	}
	size := int64(0)
	if info, err := os.Stat(archive); err == nil {
		size = info.Size()
	}
	start := time.Now()
	if _, err := n.ctr(ctx, "images", "import", archive); err != nil {
		return err
	}
	for _, image := range images {
		fmt.Fprintf(n.out, "  %s loaded: %d MB in %.1fs\n", strings.Join(image.Refs, " "), size>>20, time.Since(start).Seconds())
	}
	return nil
}

// parseImages parses `ctr images list` into references and digests of manifests. The CRI also lists each image by its ID, the digest of
// its configuration.
func parseImages(listing string) map[string]string {
	images := map[string]string{}
	for _, line := range strings.Split(listing, "\n") {
		if fields := strings.Fields(line); len(fields) >= 3 && strings.HasPrefix(fields[2], "sha256:") {
			images[fields[0]] = fields[2]
		}
	}
	return images
}

// hasAll reports whether each reference points to the same manifest as the image's ID.
func hasAll(there map[string]string, images []archived) bool {
	for _, image := range images {
		byID, ok := there[image.Config]
		if !ok {
			return false
		}
		for _, ref := range image.Refs {
			if there[canonical(ref)] != byID {
				return false
			}
		}
	}
	return len(images) > 0
}

// canonical returns a reference as containerd stores it: with a registry's name and a tag.
func canonical(ref string) string {
	first, rest, nested := strings.Cut(ref, "/")
	switch {
	case !nested:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		ref = "docker.io/" + first + "/" + rest
	}
	if !strings.Contains(ref[strings.LastIndex(ref, "/"):], ":") {
		ref += ":latest"
	}
	return ref
}
