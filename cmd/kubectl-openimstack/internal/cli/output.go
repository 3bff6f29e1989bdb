package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Publish writes to the standard output. With a file it writes the file, and prints the summary and the file's name instead.
//
// A file that exists is replaced only when the new content is complete, so that a failed run leaves the old report.
func (s Streams) Publish(file string, write func(io.Writer) error, summary func() string) error {
	return s.publish(file, 0o644, write, summary)
}

// PublishPrivately is Publish for a file that only its owner may read.
func (s Streams) PublishPrivately(file string, write func(io.Writer) error, summary func() string) error {
	return s.publish(file, 0o600, write, summary)
}

func (s Streams) publish(file string, mode os.FileMode, write func(io.Writer) error, summary func() string) error {
	if file == "" {
		return write(s.Out)
	}
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	if err := replace(file, mode, content.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	_, err := fmt.Fprintf(s.Out, "%s\nwritten to %s\n", summary(), file)
	return err
}

// replace writes a file by way of a temporary one in the same folder.
func replace(path string, mode os.FileMode, content []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // fails after the rename, which is the normal case
	if _, err := part.Write(content); err != nil {
		_ = part.Close()
		return err
	}
	if err := part.Chmod(mode); err != nil {
		_ = part.Close()
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}

// Section writes lines under a heading, and nothing when there are no lines.
func Section(w io.Writer, heading string, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w, "%s\n  %s\n", heading, strings.Join(lines, "\n  "))
	return err
}
