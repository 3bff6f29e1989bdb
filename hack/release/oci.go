package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/hack/archive"
)

// Media types and annotations of the OCI image specification 1.1, https://github.com/opencontainers/image-spec.
const (
	typeIndex    = "application/vnd.oci.image.index.v1+json"
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"

	annotationRef      = "org.opencontainers.image.ref.name"
	annotationVersion  = "org.opencontainers.image.version"
	annotationRevision = "org.opencontainers.image.revision"
	annotationCreated  = "org.opencontainers.image.created"
	annotationSource   = "org.opencontainers.image.source"
	annotationLicenses = "org.opencontainers.image.licenses"
)

// descriptor names a blob of a layout.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    *platform         `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// index lists the manifests of an image's platforms, or the images of a layout.
type index struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// manifest is an image for one platform.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// config holds what an image's container runs. Docker's form of it has the same fields and others, which hold names of the machine that
// built the image.
type config struct {
	Created      string `json:"created"`
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User       string   `json:"User,omitempty"`
		Env        []string `json:"Env,omitempty"`
		Entrypoint []string `json:"Entrypoint,omitempty"`
		Cmd        []string `json:"Cmd,omitempty"`
		WorkingDir string   `json:"WorkingDir,omitempty"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// layout is an OCI image layout with one image for several platforms.
type layout struct {
	blobs     map[string][]byte
	manifests []descriptor
}

// add adds a blob and returns its descriptor.
func (l *layout) add(mediaType string, content []byte) descriptor {
	if l.blobs == nil {
		l.blobs = map[string][]byte{}
	}
	sum := archive.Sum(content)
	l.blobs[sum] = content
	return descriptor{MediaType: mediaType, Digest: "sha256:" + sum, Size: int64(len(content))}
}

// addJSON adds a document.
func (l *layout) addJSON(mediaType string, document any) (descriptor, error) {
	content, err := json.Marshal(document)
	if err != nil {
		return descriptor{}, err
	}
	return l.add(mediaType, content), nil
}

// addDocker adds an image for one platform from an archive in Docker's form, and returns the files of its layers.
func (l *layout) addDocker(files []archive.File, created string, annotations map[string]string) ([]archive.File, error) {
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.Name] = f.Content
	}
	var images []struct {
		Config string
		Layers []string
	}
	if err := json.Unmarshal(byName["manifest.json"], &images); err != nil {
		return nil, fmt.Errorf("reading manifest.json of the image's archive: %w", err)
	}
	if len(images) != 1 {
		return nil, fmt.Errorf("manifest.json of the image's archive names %d images, expected one", len(images))
	}
	var c config
	if err := json.Unmarshal(byName[images[0].Config], &c); err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	c.Created = created
	m := manifest{SchemaVersion: 2, MediaType: typeManifest, Annotations: annotations}
	var held []archive.File
	for i, name := range images[0].Layers {
		layer, ok := byName[name]
		if !ok || i >= len(c.RootFS.DiffIDs) || c.RootFS.DiffIDs[i] != "sha256:"+archive.Sum(layer) {
			return nil, fmt.Errorf("layer %s is missing, or is not the one that the image's configuration names", name)
		}
		inside, err := archive.Read(bytes.NewReader(layer))
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", name, err)
		}
		held = append(held, inside...)
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		if _, err := w.Write(layer); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		m.Layers = append(m.Layers, l.add(typeLayer, compressed.Bytes()))
	}
	var err error
	if m.Config, err = l.addJSON(typeConfig, c); err != nil {
		return nil, err
	}
	d, err := l.addJSON(typeManifest, m)
	if err != nil {
		return nil, err
	}
	d.Platform = &platform{Architecture: c.Architecture, OS: c.OS}
	l.manifests = append(l.manifests, d)
	return held, nil
}

// tar returns the layout as an archive. reference is the name under which tools find the image in it.
func (l *layout) tar(reference string, annotations map[string]string) ([]byte, error) {
	image, err := l.addJSON(typeIndex, index{SchemaVersion: 2, MediaType: typeIndex, Manifests: l.manifests, Annotations: annotations})
	if err != nil {
		return nil, err
	}
	image.Annotations = map[string]string{annotationRef: reference}
	top, err := json.Marshal(index{SchemaVersion: 2, MediaType: typeIndex, Manifests: []descriptor{image}})
	if err != nil {
		return nil, err
	}
	const mode = 0o644
	files := []archive.File{
		{Name: "oci-layout", Mode: mode, Content: []byte(`{"imageLayoutVersion":"1.0.0"}`)}, {Name: "index.json", Mode: mode, Content: top},
	}
	for sum, content := range l.blobs {
		files = append(files, archive.File{Name: "blobs/sha256/" + sum, Mode: mode, Content: content})
	}
	slices.SortFunc(files[2:], func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	if err := archive.Tar(&out, files); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
