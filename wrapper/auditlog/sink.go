package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// sink receives the lines.
type sink interface {
	io.Writer
	// Sync makes written lines durable, if the sink can.
	Sync() error
	// Moved checks for a rotation. It returns true if the next line begins a new file.
	Moved() (bool, error)
	Close() error
}

// stream is the standard output. The program that collects it stores and rotates it.
type stream struct{ io.Writer }

func (stream) Sync() error          { return nil }
func (stream) Moved() (bool, error) { return false, nil }
func (stream) Close() error         { return nil }

// file is a file to which one process appends.
type file struct {
	path string
	*os.File
}

func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit file: %w", err)
	}
	return &file{path: path, File: f}, nil
}

// Moved opens the path again if the path is no longer the open file, because another program has renamed or removed the file. Until that
// succeeds, the old file remains in use.
func (f *file) Moved() (bool, error) {
	there, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("checking the audit file: %w", err)
	}
	if err == nil {
		mine, err := f.Stat()
		if err != nil || os.SameFile(there, mine) {
			return false, err
		}
	}
	next, err := openFile(f.path)
	if err != nil {
		return false, err
	}
	old := f.File
	f.File = next.File
	return true, errors.Join(old.Sync(), old.Close())
}

// tailWindow is the size of the end of a file that is searched for the last event. A line has at most 8 KiB.
const tailWindow = 256 << 10

// last returns the last complete event of the file, nil if there is none. torn reports whether the file ends within a line.
func (f *file) last() (found *line, torn bool, err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, false, err
	}
	window := make([]byte, min(info.Size(), tailWindow))
	if _, err := f.ReadAt(window, info.Size()-int64(len(window))); err != nil {
		return nil, false, fmt.Errorf("reading the end of the audit file: %w", err)
	}
	torn = window[len(window)-1] != '\n'
	for len(window) > 0 {
		at := bytes.LastIndexByte(bytes.TrimRight(window, "\n"), '\n') + 1
		if l, err := readLine(window[at:]); err == nil && !l.changed {
			return l, torn, nil
		}
		window = window[:at]
	}
	return nil, torn, nil
}
