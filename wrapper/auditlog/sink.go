package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// sink is where lines go.
type sink interface {
	io.Writer
	// Sync brings what was written to where it survives a crash of the machine, if the sink can.
	Sync() error
	// Moved takes notice of a rotation: it reports true when what is written next stands in a new file.
	Moved() (bool, error)
	Close() error
}

// stream is the standard output: whoever collects it keeps and rotates it.
type stream struct{ io.Writer }

func (stream) Sync() error          { return nil }
func (stream) Moved() (bool, error) { return false, nil }
func (stream) Close() error         { return nil }

// file is a file that is appended to. One process writes to it.
type file struct {
	path string
	*os.File
}

func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the audit file: %w", err)
	}
	return &file{path: path, File: f}, nil
}

// Moved opens the path anew when it no longer leads to the file that is open: somebody has renamed or removed that one.
// While that does not succeed, the old one is written on.
func (f *file) Moved() (bool, error) {
	there, err := os.Stat(f.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("look at the audit file: %w", err)
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

// tailWindow is how much of a file's end is searched for its last event. A line has at most 8 KiB.
const tailWindow = 256 << 10

// last finds the last whole event of the file, nil when there is none, and whether the file ends in the middle of a line.
func (f *file) last() (found *line, torn bool, err error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil, false, err
	}
	window := make([]byte, min(info.Size(), tailWindow))
	if _, err := f.ReadAt(window, info.Size()-int64(len(window))); err != nil {
		return nil, false, fmt.Errorf("read the end of the audit file: %w", err)
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
