package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/hack/archive"
)

// check compares the files of a release with its checksums and its provenance, and reads its images and SBOMs as their users do.
func check(folder string) error {
	sums, err := sumsOf(folder)
	if err != nil {
		return err
	}
	if err := errors.Join(checkSums(folder, sums), checkProvenance(folder, sums)); err != nil {
		return err
	}
	var failures []error
	images, programs := 0, 0
	for _, sum := range sums {
		content, err := os.ReadFile(filepath.Join(folder, sum.name))
		if err != nil {
			return err
		}
		switch {
		case strings.HasSuffix(sum.name, ".oci.tar"):
			images++
			err = checkImage(content)
		case strings.HasSuffix(sum.name, ".cdx.json"):
			programs++
			err = checkSBOM(content)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", sum.name, err))
		}
	}
	if images != len(imageNames) || programs == 0 {
		failures = append(failures, fmt.Errorf("%s has %d images of %d, and %d SBOMs", folder, images, len(imageNames), programs))
	}
	return errors.Join(failures...)
}

func checkSums(folder string, sums []checksum) error {
	listed, err := os.ReadFile(filepath.Join(folder, sumsFile))
	if err != nil {
		return err
	}
	var is strings.Builder
	for _, sum := range sums {
		fmt.Fprintf(&is, "%s  %s\n", sum.digest, sum.name)
	}
	if is.String() != string(listed) {
		return fmt.Errorf("%s does not list the files that are there: run sha256sum -c %s", sumsFile, sumsFile)
	}
	return nil
}

func checkProvenance(folder string, sums []checksum) error {
	text, err := os.ReadFile(filepath.Join(folder, provenanceFile))
	if err != nil {
		return err
	}
	var s statement
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("%s: %w", provenanceFile, err)
	}
	if s.Type != typeStatement || s.PredicateType != typePredicate {
		return fmt.Errorf("%s is no provenance: %s about %s", provenanceFile, s.Type, s.PredicateType)
	}
	var about []checksum
	for _, of := range s.Subject {
		about = append(about, checksum{of.Name, of.Digest["sha256"]})
	}
	sums = slices.DeleteFunc(slices.Clone(sums), func(c checksum) bool { return c.name == provenanceFile })
	if !slices.Equal(about, sums) {
		return fmt.Errorf("%s is not about the files that are there", provenanceFile)
	}
	return nil
}

// checkImage follows all references of an image layout.
func checkImage(content []byte) error {
	files, err := archive.Read(bytes.NewReader(content))
	if err != nil {
		return err
	}
	named := map[string][]byte{}
	for _, f := range files {
		if sum, ok := strings.CutPrefix(f.Name, "blobs/sha256/"); ok && sum != archive.Sum(f.Content) {
			return fmt.Errorf("the blob %s has another digest", sum)
		}
		named[f.Name] = f.Content
	}
	read := func(d descriptor, mediaType string, to any) error {
		blob, ok := named["blobs/sha256/"+strings.TrimPrefix(d.Digest, "sha256:")]
		if !ok || d.MediaType != mediaType || d.Size != int64(len(blob)) {
			return fmt.Errorf("no blob %s of %d bytes and type %s", d.Digest, d.Size, d.MediaType)
		}
		if to == nil {
			return nil
		}
		return json.Unmarshal(blob, to)
	}
	var top, image index
	if err := json.Unmarshal(named["index.json"], &top); err != nil {
		return fmt.Errorf("reading index.json: %w", err)
	}
	if len(top.Manifests) != 1 {
		return fmt.Errorf("index.json names %d images, expected one", len(top.Manifests))
	}
	if err := read(top.Manifests[0], typeIndex, &image); err != nil {
		return err
	}
	var found []string
	for _, d := range image.Manifests {
		var m manifest
		var c config
		if err := errors.Join(read(d, typeManifest, &m), read(m.Config, typeConfig, &c)); err != nil {
			return err
		}
		if len(m.Layers) == 0 || len(m.Layers) != len(c.RootFS.DiffIDs) || len(c.Config.Entrypoint) == 0 {
			return fmt.Errorf("the image for %s has %d layers and the entrypoint %v", c.Architecture, len(m.Layers), c.Config.Entrypoint)
		}
		for _, l := range m.Layers {
			if err := read(l, typeLayer, nil); err != nil {
				return err
			}
		}
		if c.Config.User == "" || strings.HasPrefix(c.Config.User, "0") || strings.HasPrefix(c.Config.User, "root") {
			return fmt.Errorf("the image for %s runs as %q: its Dockerfile must name a user", c.Architecture, c.Config.User)
		}
		found = append(found, c.Architecture)
	}
	if !slices.Equal(found, architectures) {
		return fmt.Errorf("the image is for %v, expected %v", found, architectures)
	}
	return nil
}

// checkSBOM reads an SBOM: it is of the project's module and lists others.
func checkSBOM(content []byte) error {
	var s struct {
		BOMFormat, SerialNumber string
		Metadata                struct {
			Timestamp string
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return err
	}
	if s.BOMFormat != "CycloneDX" || s.Metadata.Component.Name != modulePath || len(s.Components) == 0 {
		return fmt.Errorf("it is %q of %q with %d components", s.BOMFormat, s.Metadata.Component.Name, len(s.Components))
	}
	if s.SerialNumber != "" || s.Metadata.Timestamp != "" {
		return errors.New("it has a serial number or a time, which differ between builds")
	}
	return nil
}
