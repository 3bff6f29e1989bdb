package archive

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// File is one file of an archive.
type File struct {
	// Name is the path in the archive, with slashes.
	Name string
	// Mode are the permissions, such as 0o755.
	Mode int64
	// Content is the whole file.
	Content []byte
}

// Bounds of what Read accepts. Released archives have some hundred files of some ten megabytes.
const (
	maxFiles = 10_000
	maxBytes = 1 << 30
)

// Tar writes an archive.
func Tar(w io.Writer, files []File) error {
	archive := tar.NewWriter(w)
	for _, f := range files {
		header := &tar.Header{
			Name: f.Name, Mode: f.Mode, Size: int64(len(f.Content)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR,
		}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
		if _, err := archive.Write(f.Content); err != nil {
			return fmt.Errorf("writing %s: %w", f.Name, err)
		}
	}
	return archive.Close()
}

// TarGz writes an archive, compressed with gzip.
func TarGz(w io.Writer, files []File) error {
	compressed := gzip.NewWriter(w) // its header has no name and no time
	return errors.Join(Tar(compressed, files), compressed.Close())
}

// Read reads the regular files of an archive, in their order. Links and folders are left out; a name that leaves the archive is an error.
func Read(r io.Reader) ([]File, error) {
	var files []File
	var total int64
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if name := path.Clean(header.Name); name != header.Name || path.IsAbs(name) || name == ".." || strings.HasPrefix(name, "../") {
			return nil, fmt.Errorf("reading the archive: the name %q is not a clean path inside of it", header.Name)
		}
		if total += header.Size; len(files) >= maxFiles || total > maxBytes {
			return nil, fmt.Errorf("reading the archive: it has more than %d files or %d bytes", maxFiles, maxBytes)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", header.Name, err)
		}
		files = append(files, File{Name: header.Name, Mode: header.Mode & 0o777, Content: content})
	}
}

// ReadGz reads an archive that is compressed with gzip.
func ReadGz(r io.Reader) ([]File, error) {
	plain, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	return Read(plain)
}

// Open returns a file of this machine, to be written under another name.
func Open(from, name string, mode int64) (File, error) {
	content, err := os.ReadFile(from)
	return File{Name: name, Mode: mode, Content: content}, err
}

// Sum returns the SHA-256 sum of a text in hexadecimal digits.
func Sum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
