package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

// Binaries compiles the project's own programs to the folder from which the Dockerfile copies them.
func Binaries(ctx context.Context, o Options) error {
	o = o.withDefaults()
	root, err := component.Root()
	if err != nil {
		return err
	}
	for _, name := range []string{"manager", "wrapper", "supervisor", "preflight"} {
		spec := program(name)(root, o.Arch)
		spec.Out = o.Out
		dir, err := component.Build(ctx, spec)
		if err != nil {
			return err
		}
		to := filepath.Join(root, inDist(name, o.Arch))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := copyFile(filepath.Join(dir, name), to); err != nil {
			return err
		}
		fmt.Fprintln(o.Out, to)
	}
	return nil
}
