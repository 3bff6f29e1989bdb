package node

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
)

// imageConfig is the part of an OCI image configuration that a single static program needs.
type imageConfig struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Config       struct {
		User       string   `json:"User"`
		Entrypoint []string `json:"Entrypoint"`
	} `json:"config"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

// archiveEntry is one image in the manifest.json of a docker archive.
type archiveEntry struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// writeArchive writes a docker archive of an image FROM scratch with one static program. The same program gives the same bytes, and so the
// same digest.
func writeArchive(w io.Writer, ref, user, binary string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	name := filepath.Base(binary)
	layer, err := tarball(file{name, program, 0o755})
	if err != nil {
		return err
	}
	config := imageConfig{Architecture: runtime.GOARCH, OS: "linux"}
	config.Config.User = user
	config.Config.Entrypoint = []string{"/" + name}
	config.RootFS.Type = "layers"
	config.RootFS.DiffIDs = []string{"sha256:" + digest(layer)}
	configJSON, err := json.Marshal(config)
	if err != nil {
		return err
	}
	entry := archiveEntry{Config: digest(configJSON) + ".json", RepoTags: []string{ref}, Layers: []string{digest(layer) + ".tar"}}
	manifest, err := json.Marshal([]archiveEntry{entry})
	if err != nil {
		return err
	}
	archive, err := tarball(file{"manifest.json", manifest, 0o644}, file{entry.Config, configJSON, 0o644}, file{entry.Layers[0], layer, 0o644})
	if err != nil {
		return err
	}
	_, err = w.Write(archive)
	return err
}

type file struct {
	name    string
	content []byte
	mode    int64
}

func tarball(files ...file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// archived is an image found in an archive.
type archived struct {
	Refs   []string // as written in the archive
	Config string   // "sha256:..." of the configuration: the image's ID
}

// readArchive lists the images of a docker archive without reading its layers.
func readArchive(path string) ([]archived, error) {
	manifest, err := readMember(path, "manifest.json")
	if err != nil {
		return nil, fmt.Errorf("reading %s as a docker archive: %w", path, err)
	}
	var entries []archiveEntry
	if err := json.Unmarshal(manifest, &entries); err != nil {
		return nil, fmt.Errorf("decoding manifest.json of %s: %w", path, err)
	}
	var images []archived
	for _, entry := range entries {
		config, err := readMember(path, entry.Config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		images = append(images, archived{Refs: entry.RepoTags, Config: "sha256:" + digest(config)})
	}
	return images, nil
}

// readMember returns one small file of a tar archive; the others are skipped by seeking.
func readMember(path, name string) ([]byte, error) {
	const limit = 1 << 20 // bytes; manifests and configurations are far smaller
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("%s is missing", name)
		}
		if err != nil {
			return nil, err
		}
		if filepath.Clean(header.Name) == filepath.Clean(name) {
			if header.Size > limit {
				return nil, fmt.Errorf("%s has %d bytes, more than %d", name, header.Size, limit)
			}
			return io.ReadAll(r)
		}
	}
}
