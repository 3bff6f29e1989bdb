package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/hack/archive"
)

// completion is the program that kubectl calls to complete command lines of the plugin.
const completion = "kubectl_complete-openimstack"

// pack writes an archive and returns its SHA-256 sum.
func pack(path string, files ...archive.File) (string, error) {
	var content bytes.Buffer
	if err := archive.TarGz(&content, files); err != nil {
		return "", err
	}
	return archive.Sum(content.Bytes()), os.WriteFile(path, content.Bytes(), 0o644)
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
