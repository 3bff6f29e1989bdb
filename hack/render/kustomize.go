package render

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Names of the images in config/manager.
const (
	OperatorImage   = "openimstack/openim-operator"
	WrapperImage    = "openimstack/openim-wrapper"
	SupervisorImage = "openimstack/openim-supervisor"
)

// imageFields lists the fields, besides a container's image, that name an image. Kustomize needs the file beside each overlay.
const imageFields = "config/manager/image-fields.yaml"

// Overlay is a kustomization on top of a folder of the repository.
type Overlay struct {
	// Base is a folder of the project, for example config/default.
	Base string
	// Beside lists further folders of the project to render with the base, for example config/admission.
	Beside []string
	// Components lists folders of the project with kustomize components, for example config/prometheus.
	Components []string
	// Images maps names of images (OperatorImage, WrapperImage, SupervisorImage) to references. An empty reference changes nothing.
	Images map[string]string
}

// kustomization is the part of kustomize's file format that an overlay needs.
type kustomization struct {
	APIVersion     string   `json:"apiVersion"`
	Kind           string   `json:"kind"`
	Resources      []string `json:"resources"`
	Components     []string `json:"components,omitempty"`
	Configurations []string `json:"configurations"`
	Images         []image  `json:"images,omitempty"`
}

// Kustomize renders an overlay as one stream of YAML documents. root is the project's folder.
func Kustomize(ctx context.Context, root string, overlay Overlay) ([]byte, error) {
	dir, err := os.MkdirTemp("", "openim-operator-overlay-")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for the overlay: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := writeOverlay(root, dir, overlay); err != nil {
		return nil, fmt.Errorf("writing an overlay of %s: %w", overlay.Base, err)
	}
	return output(ctx, root, "kustomize", "build", dir)
}

func writeOverlay(root, dir string, overlay Overlay) error {
	// Kustomize accepts relative paths only, and follows no links on the way.
	realRoot, err := filepath.EvalSymlinks(root)
	if err != nil {
		return err
	}
	realDir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	relative, err := filepath.Rel(realDir, realRoot)
	if err != nil {
		return err
	}
	k := kustomization{
		APIVersion:     "kustomize.config.k8s.io/v1beta1",
		Kind:           "Kustomization",
		Resources:      []string{filepath.Join(relative, overlay.Base)},
		Configurations: []string{filepath.Base(imageFields)},
	}
	for _, folder := range overlay.Beside {
		k.Resources = append(k.Resources, filepath.Join(relative, folder))
	}
	for _, component := range overlay.Components {
		k.Components = append(k.Components, filepath.Join(relative, component))
	}
	for _, name := range []string{OperatorImage, WrapperImage, SupervisorImage} {
		if reference := overlay.Images[name]; reference != "" {
			k.Images = append(k.Images, parseImage(name, reference))
		}
	}
	fields, err := os.ReadFile(filepath.Join(root, imageFields))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(imageFields)), fields, 0o600); err != nil {
		return err
	}
	content, err := yaml.Marshal(k)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "kustomization.yaml"), content, 0o600)
}
