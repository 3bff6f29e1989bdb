package node

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
)

// coreDNSImage names the image after the build, so that a new build is a new image.
func coreDNSImage(b binaries) string { return "openimstack/coredns:" + filepath.Base(b.CoreDNS) }

// loadOwnImages loads the two images that every node needs.
func (n *Node) loadOwnImages(ctx context.Context, b binaries) error {
	for _, image := range []struct{ ref, user, binary string }{
		{pauseImage, "65535", filepath.Join(b.Pause, "pause")},
		{coreDNSImage(b), "65532", filepath.Join(b.CoreDNS, "coredns")},
	} {
		var archive bytes.Buffer
		if err := writeArchive(&archive, image.ref, image.user, image.binary); err != nil {
			return err
		}
		path := n.paths.in("images", filepath.Base(image.binary)+".tar")
		if err := writeFile(path, archive.Bytes(), 0o600); err != nil {
			return err
		}
		if err := n.load(ctx, path); err != nil {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}
