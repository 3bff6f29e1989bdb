package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Images are the project's images: references by name, such as openim-operator.
type Images map[string]string

// Names of the images that the harness asks for.
const (
	OperatorImage       = "openim-operator"
	WrapperImage        = "openim-wrapper"
	OpenIMImage         = "openim-server"
	UpstreamLayoutImage = "openim-server-upstream-layout"
	// repository is what stands before an image's name in manifests, when no registry is named.
	repository = "openimstack/"
)

// buildImages builds what has changed. It loads it into the local cluster; another cluster takes it from the registry that IMAGE_PREFIX
// names, to which `go run ./hack/images build --push` has sent it.
func (e *Environment) buildImages(ctx context.Context) error {
	if !e.Local && e.ImagePrefix == "" {
		return errors.New("CLUSTER=current needs IMAGE_PREFIX: the registry path to which `go run ./hack/images build --push` sends the images, for example registry.example.com/im/")
	}
	args := []string{"run", "-buildvcs=false", "./hack/images", "build"}
	if e.Local {
		args = append(args, "--load")
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = e.Root
	out, err := output(e, command)
	if err != nil {
		return err
	}
	if e.Images, err = parseImages(out); err != nil {
		return err
	}
	return nil
}

// prefixed is a repository's name in the registry from which another cluster than the local one takes the images.
func (e *Environment) prefixed(reference string) string {
	if e.Local {
		return reference
	}
	return e.ImagePrefix + strings.TrimPrefix(reference, repository)
}

// Repository is where an image is, without its tag.
func (e *Environment) Repository(name string) string { return e.prefixed(repository + name) }

// output runs a program, passes on what it says to stderr, and returns what it says to stdout.
func output(e *Environment, command *exec.Cmd) ([]byte, error) {
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = 10 * time.Second
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = &stdout, e.Journal.Lines()
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s failed (its words are above): %w", strings.Join(command.Args, " "), err)
	}
	return stdout.Bytes(), nil
}

// parseImages reads lines of name=reference; others are words for people.
func parseImages(out []byte) (Images, error) {
	images := Images{}
	for line := range strings.Lines(string(out)) {
		name, reference, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.ContainsAny(name, " \t") && strings.Contains(reference, ":") {
			images[name] = reference
		}
	}
	for _, name := range []string{OperatorImage, WrapperImage, OpenIMImage, UpstreamLayoutImage} {
		if images[name] == "" {
			return nil, fmt.Errorf("hack/images did not build %s: look at what it printed above", name)
		}
	}
	return images, nil
}

// Retag replaces the images in the containers of objects, whatever their tag, by those that were built.
func (i Images) Retag(objects []*unstructured.Unstructured) {
	for _, object := range objects {
		walk(object.Object, i.replace)
	}
}

func (i Images) replace(field string, value any) any {
	text, isText := value.(string)
	if field != "image" || !isText {
		return value
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(text, repository), ":")
	if reference := i[name]; reference != "" && strings.HasPrefix(text, repository) {
		return reference
	}
	return value
}

// walk replaces the values of all fields, at every depth.
func walk(node any, replace func(field string, value any) any) {
	switch n := node.(type) {
	case map[string]any:
		for field, value := range n {
			n[field] = replace(field, value)
			walk(n[field], replace)
		}
	case []any:
		for i, value := range n {
			n[i] = replace("", value)
			walk(n[i], replace)
		}
	}
}
