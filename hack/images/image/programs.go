package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

// programsByName lists the programs that tests run outside of images.
var programsByName = map[string]func(root string) component.Spec{
	"etcd":       component.Etcd,
	"ferretdb":   FerretDB,
	"kafka":      Kafka,
	"mongodb":    MongoDB,
	"openim":     OpenIM,
	"preflight":  PreflightProgram,
	"s3":         S3,
	"supervisor": SupervisorProgram,
	"wrapper":    WrapperProgram,
}

// Programs returns the folders with the named programs, in the order of the names. Programs that are not in the cache are built;
// out receives the progress.
func Programs(ctx context.Context, out io.Writer, names ...string) ([]string, error) {
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	var specs []component.Spec
	for _, name := range names {
		spec, ok := programsByName[name]
		if !ok {
			return nil, fmt.Errorf("unknown program %q: use %s", name, strings.Join(programNames(), ", "))
		}
		s := spec(root)
		s.Out = out
		specs = append(specs, s)
	}
	return component.BuildAll(ctx, specs...)
}

func programNames() []string {
	names := make([]string, 0, len(programsByName))
	for name := range programsByName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
