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

// Names of the images that the environment needs.
const (
	OperatorImage       = "openim-operator"
	WrapperImage        = "openim-wrapper"
	SupervisorImage     = "openim-supervisor"
	OpenIMImage         = "openim-server"
	UpstreamLayoutImage = "openim-server-upstream-layout"
	// NextWrapperImage is the wrapper of another build.
	NextWrapperImage = "openim-wrapper-next"
	// UnsendableImage is an OpenIM whose processes all serve and register, and that sends no message.
	UnsendableImage = "openim-server-unsendable"
	// PrometheusImage is Debian's Prometheus.
	PrometheusImage = "infra-prometheus"
	// TraefikImage is Traefik, an implementation of Ingress and of the Gateway API.
	TraefikImage = "infra-traefik"
	// repository precedes an image's name in manifests that name no registry.
	repository = "openimstack/"
)

// buildImages builds images that have changed and loads them into the local cluster. Another cluster pulls them from the registry path
// IMAGE_PREFIX, to which `go run ./hack/images build --push` has sent them.
func (e *Environment) buildImages(ctx context.Context) error {
	if !e.Local && e.ImagePrefix == "" {
		return errors.New(
			"CLUSTER=current needs IMAGE_PREFIX: the registry path to which `go run ./hack/images build --push` sends the images, for example " +
				"registry.example.com/im/",
		)
	}
	out, err := e.build(ctx)
	if err != nil {
		return err
	}
	e.Images = parseImages(out)
	return e.Images.need(OperatorImage, WrapperImage, SupervisorImage, OpenIMImage, UpstreamLayoutImage)
}

// BuildImage builds an image that is built on demand alone, as buildImages does the others, and returns its reference.
func (e *Environment) BuildImage(ctx context.Context, name string) (string, error) {
	out, err := e.build(ctx, "--only", name)
	if err != nil {
		return "", err
	}
	images := parseImages(out)
	return images[name], images.need(name)
}

// build builds images, loads them into the local cluster, and returns what the builder prints.
func (e *Environment) build(ctx context.Context, flags ...string) ([]byte, error) {
	args := append([]string{"run", "-buildvcs=false", "./hack/images", "build"}, flags...)
	if e.Local {
		args = append(args, "--load")
	}
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = e.Root
	return output(e, command)
}

// prefixed returns the reference in the registry from which the cluster pulls images. For the local cluster, reference stays as it is.
func (e *Environment) prefixed(reference string) string {
	if e.Local {
		return reference
	}
	return e.ImagePrefix + strings.TrimPrefix(reference, repository)
}

// Repository returns the repository of an image, without a tag.
func (e *Environment) Repository(name string) string { return e.prefixed(repository + name) }

// output runs a program, copies its stderr to the journal, and returns its stdout.
func output(e *Environment, command *exec.Cmd) ([]byte, error) {
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = 10 * time.Second
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = &stdout, e.Journal.Lines()
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("running %s: %w: see its output above", strings.Join(command.Args, " "), err)
	}
	return stdout.Bytes(), nil
}

// parseImages reads lines of the form name=reference and ignores all others.
func parseImages(out []byte) Images {
	images := Images{}
	for line := range strings.Lines(string(out)) {
		name, reference, found := strings.Cut(strings.TrimSpace(line), "=")
		if found && !strings.ContainsAny(name, " \t") && strings.Contains(reference, ":") {
			images[name] = reference
		}
	}
	return images
}

// need returns an error for an image that is missing.
func (i Images) need(names ...string) error {
	for _, name := range names {
		if i[name] == "" {
			return fmt.Errorf("hack/images did not build %s: see its output above", name)
		}
	}
	return nil
}

// Retag replaces the images in the containers of objects, whatever their tag, with those that were built.
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

// walk replaces the values of all fields at every depth.
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
