package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

// Components that only images need. Those of the cluster itself are in package component.

// OpenIM is the twelve programs of the real server.
func OpenIM(root string) component.Spec {
	return component.Spec{
		Name:   "openim",
		Dir:    components(root, "openim"),
		Module: "github.com/openimsdk/open-im-server/v3",
	}
}

// Unsendable is openim-rpc-msg with one method that fails, for tests.
func Unsendable(root string) component.Spec {
	return component.Spec{
		Name:     "openim-unsendable",
		Dir:      components(root, "openim-unsendable"),
		Module:   "github.com/openimsdk/open-im-server/v3",
		Packages: []string{"./openim-rpc-msg"},
	}
}

// WrapperProgram is the wrapper's own program, for this machine.
func WrapperProgram(root string) component.Spec { return program("wrapper")(root, runtime.GOARCH) }

// PreflightProgram checks the stores of OpenIM's processes, for this machine.
func PreflightProgram(root string) component.Spec { return program("preflight")(root, runtime.GOARCH) }

// SupervisorProgram is the supervisor of OpenIM's processes, for this machine.
func SupervisorProgram(root string) component.Spec {
	return program("supervisor")(root, runtime.GOARCH)
}

// Kafka is the stand-in for Kafka.
func Kafka(root string) component.Spec {
	return component.Spec{
		Name:     "kafka",
		Dir:      components(root, "kafka"),
		Module:   "github.com/twmb/franz-go/pkg/kfake",
		Packages: []string{"."},
	}
}

// S3 is the object store.
func S3(root string) component.Spec {
	return component.Spec{
		Name:     "s3",
		Dir:      components(root, "s3"),
		Module:   "github.com/versity/versitygw",
		Packages: []string{"."},
	}
}

// Traefik is an implementation of Ingress and of the Gateway API.
func Traefik(root string) component.Spec {
	return component.Spec{
		Name:   "traefik",
		Dir:    components(root, "traefik"),
		Module: "github.com/traefik/traefik/v3",
	}
}

// MongoDB is the proxy of the stand-in for MongoDB.
func MongoDB(root string) component.Spec {
	return component.Spec{
		Name:     "mongodb",
		Dir:      components(root, "mongodb"),
		Version:  "dev",
		Packages: []string{"."},
	}
}

const ferretDB = "github.com/FerretDB/FerretDB"

// FerretDB is the database behind the proxy. FerretDB does not start without a file with its version, which its module does not contain.
// So it is built from a copy of the module with this file. The copy is otherwise unchanged.
func FerretDB(root string) component.Spec {
	return component.Spec{
		Name:    "ferretdb",
		Dir:     components(root, "mongodb", "ferretdb"),
		Module:  ferretDB,
		Inputs:  []string{versionFile},
		Prepare: addVersion,
	}
}

// versionFile is the path of FerretDB's version file, relative to its module.
const versionFile = "build/version/version.txt"

func addVersion(ctx context.Context, dir string) error {
	var module struct{ Version, Dir, Error string }
	out, err := goIn(ctx, dir, "mod", "download", "-json", ferretDB)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, &module); err != nil || module.Error != "" {
		return errors.Join(err, errors.New(module.Error))
	}
	source := filepath.Join(dir, "upstream")
	if err := os.CopyFS(source, os.DirFS(module.Dir)); err != nil {
		return fmt.Errorf("copying FerretDB's module: %w", err)
	}
	// Files in the module cache are read-only, and the copy has the same modes.
	if err := os.Chmod(filepath.Join(source, filepath.Dir(versionFile)), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(source, versionFile), []byte(module.Version+"\n"), 0o644); err != nil {
		return err
	}
	_, err = goIn(ctx, dir, "mod", "edit", "-replace", ferretDB+"=./upstream")
	return err
}

func goIn(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s in %s: %w", args[0], dir, err)
	}
	return out, nil
}

func components(root string, path ...string) string {
	return filepath.Join(append([]string{root, "hack", "cluster", "components"}, path...)...)
}
