package component

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Tool is the package pattern for all programs that the tool directives of a go.mod name.
const Tool = "tool"

// Spec describes a build. Name, Dir and either Module or Version are required.
type Spec struct {
	// Name is the name of the component: the first part of its folder in the cache.
	Name string
	// Dir is the folder of the component's go.mod.
	Dir string
	// Module is the module whose version in go.mod becomes the version of the build.
	Module string
	// Version replaces a module's version, for programs without one ("dev").
	Version string
	// Packages lists the packages to build, relative to Dir ("./cmd/manager"); by default {Tool}.
	Packages []string
	// Rename maps the name that go gives a binary to the wanted name: a main package at
	// the root of a module go.etcd.io/etcd/server/v3 would become "server".
	Rename map[string]string
	// Stamp returns variables to set by the linker (-X), as "path.variable=value", for a version.
	Stamp func(version string) []string
	// Env is added to the environment of the build, for example "GOARCH=arm64". It is part of the key.
	Env []string
	// Inputs lists other strings that change the result, for example the content of a file that Prepare writes. They are part of the key.
	Inputs []string
	// Prepare, if set, is called before the build with a scratch copy of Dir, which is then built instead of Dir. It may add files that
	// upstream's module lacks.
	Prepare func(ctx context.Context, dir string) error
	// Out receives the progress lines; os.Stderr by default.
	Out io.Writer
}

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.+-]*$`)
)

func (s Spec) validate() error {
	switch {
	case !namePattern.MatchString(s.Name):
		return fmt.Errorf("component name %q: use lower-case letters, digits and single dashes", s.Name)
	case s.Dir == "":
		return fmt.Errorf("component %s: Dir is empty: name the folder of its go.mod", s.Name)
	case s.Module == "" && s.Version == "":
		return fmt.Errorf("component %s: no version: set Module or Version", s.Name)
	case s.Version != "" && !versionPattern.MatchString(s.Version):
		return fmt.Errorf("component %s: version %q cannot be part of a folder name", s.Name, s.Version)
	}
	for from, to := range s.Rename {
		if strings.ContainsAny(from+to, "/") || from == "" || to == "" {
			return fmt.Errorf("component %s: rename %q to %q: both must be plain file names", s.Name, from, to)
		}
	}
	return nil
}

func (s Spec) packages() []string {
	if len(s.Packages) == 0 {
		return []string{Tool}
	}
	return s.Packages
}

// onlyTools reports whether no package of the module itself is compiled: go.mod and go.sum then pin everything.
func (s Spec) onlyTools() bool {
	return !slices.ContainsFunc(s.packages(), func(p string) bool { return p != Tool })
}

// ldflags returns linker flags that strip symbols and set the stamped variables, in the given order, which is part of the key.
func (s Spec) ldflags(version string) string {
	flags := []string{"-s", "-w"}
	if s.Stamp != nil {
		for _, variable := range s.Stamp(version) {
			flags = append(flags, "-X", variable)
		}
	}
	return strings.Join(flags, " ")
}

// environment returns the environment of the build: without cgo and without the caller's flags and workspace, which the key does not
// cover.
func (s Spec) environment(inherited []string) []string {
	env := slices.Clone(inherited)
	return append(append(env, "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"), s.Env...)
}

var errNoGo = errors.New("the go command is not in PATH: install Go 1.26 or newer")
