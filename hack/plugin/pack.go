package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// completion is the program that kubectl calls to complete command lines of the plugin.
const completion = "kubectl_complete-openimstack"

// entry is one file of an archive.
type entry struct {
	from, name string
	mode       int64
}

// pack writes an archive and returns its SHA-256 sum. The archive has no times and no owners, so that it depends on the files alone.
func pack(path string, entries []entry) (sum string, err error) {
	var content bytes.Buffer
	compressed := gzip.NewWriter(&content)
	archive := tar.NewWriter(compressed)
	for _, e := range entries {
		file, err := os.ReadFile(e.from)
		if err != nil {
			return "", err
		}
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(file)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if err := archive.WriteHeader(header); err != nil {
			return "", err
		}
		if _, err := archive.Write(file); err != nil {
			return "", err
		}
	}
	if err := errors.Join(archive.Close(), compressed.Close()); err != nil {
		return "", err
	}
	digest := sha256.Sum256(content.Bytes())
	return hex.EncodeToString(digest[:]), os.WriteFile(path, content.Bytes(), 0o644)
}

// writeSums writes SHA256SUMS, as sha256sum reads it.
func (b *builder) writeSums() error {
	var lines strings.Builder
	for _, platform := range slices.Sorted(maps.Keys(b.sums)) {
		fmt.Fprintf(&lines, "%s  %s\n", b.sums[platform], b.archive(platform))
	}
	return os.WriteFile(filepath.Join(b.folder, "SHA256SUMS"), []byte(lines.String()), 0o644)
}

// unfilled matches the placeholders of the template.
var unfilled = regexp.MustCompile(`SHA256_\w+|VERSION`)

// writeManifest writes krew's manifest from its template.
func (b *builder) writeManifest() error {
	text, err := os.ReadFile(filepath.Join(b.root, template))
	if err != nil {
		return err
	}
	_, manifest, _ := strings.Cut(string(text), "apiVersion:") // without the comment of the template
	manifest = "apiVersion:" + manifest
	for platform, sum := range b.sums {
		manifest = strings.ReplaceAll(manifest, "SHA256_"+strings.ReplaceAll(platform, "/", "_"), sum)
	}
	manifest = strings.ReplaceAll(manifest, "VERSION", b.version)
	if left := unfilled.FindString(manifest); left != "" {
		return fmt.Errorf("filling %s: no archive is built for %s: name the platforms of hack/plugin", template, left)
	}
	return os.WriteFile(filepath.Join(b.folder, "openimstack.yaml"), []byte(manifest), 0o644)
}
