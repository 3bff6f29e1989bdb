package filewatch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// MaxBytes limits each file. A Kubernetes Secret cannot be larger.
const MaxBytes = 1 << 20

// ErrNotLoaded is the error of Get before the first successful Reload.
var ErrNotLoaded = errors.New("the mounted file has not been read yet")

// Source is a value read from one or more files that change together, such as a certificate and its key.
type Source[T any] struct {
	name     string
	location string // for errors: the first file, or the folder
	files    func() (paths []string, err error)
	parse    func(paths []string, contents [][]byte) (T, error)

	mu     sync.RWMutex
	loaded bool
	value  T
	sum    [sha256.Size]byte // of the last content, valid or not
	err    error             // of the last content
}

// New returns a source of one or more files, and reads nothing. name is its label in logs and metrics. parse receives the contents in the
// order of paths. Its error must not contain them.
func New[T any](name string, parse func(contents [][]byte) (T, error), paths ...string) *Source[T] {
	return &Source[T]{
		name:     name,
		location: paths[0],
		files:    func() ([]string, error) { return paths, nil },
		parse:    func(_ []string, contents [][]byte) (T, error) { return parse(contents) },
		err:      ErrNotLoaded,
	}
}

// Name returns the label given to New.
func (s *Source[T]) Name() string { return s.name }

// Get returns the last valid value, or an error if there has been none.
func (s *Source[T]) Get() (T, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if !s.loaded {
		var none T
		return none, s.err
	}
	return s.value, nil
}

// Reload reads the files, and replaces the value if they changed. changed reports whether the content is new, valid or not. err is about
// the current content, also when it is the same invalid one as before.
func (s *Source[T]) Reload() (changed bool, err error) {
	paths, err := s.files()
	if err != nil {
		return s.refuse([sha256.Size]byte{}, err)
	}
	contents := make([][]byte, len(paths))
	sum := sha256.New()
	for i, path := range paths {
		if contents[i], err = read(path); err != nil {
			return s.refuse([sha256.Size]byte{}, err)
		}
		for _, part := range [][]byte{[]byte(path), contents[i]} {
			whole := sha256.Sum256(part)
			sum.Write(whole[:])
		}
	}
	now := [sha256.Size]byte(sum.Sum(nil))

	s.mu.RLock()
	seen, last := s.sum == now, s.err
	s.mu.RUnlock()
	if seen {
		return false, last
	}

	value, err := s.parse(paths, contents)
	if err != nil {
		return s.refuse(now, fmt.Errorf("%s (%s): %w", s.name, s.location, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded, s.value, s.sum, s.err = true, value, now, nil
	return true, nil
}

// refuse keeps the value and records the error.
func (s *Source[T]) refuse(sum [sha256.Size]byte, err error) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.sum != sum || s.err == nil || s.err.Error() != err.Error()
	s.sum, s.err = sum, err
	return changed, err
}

// read reads a whole file of at most MaxBytes.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the mounted file: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the mounted file %s: %w", path, err)
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("reading the mounted file %s: larger than %d bytes", path, MaxBytes)
	}
	return data, nil
}

// Text returns a parse function for a secret of one line. The function removes the final line break, which editors and
// `kubectl create secret --from-file` add, and requires minimum to maximum bytes.
func Text(minimum, maximum int) func([][]byte) ([]byte, error) {
	return func(contents [][]byte) ([]byte, error) {
		text := bytes.TrimRight(contents[0], "\r\n")
		if len(text) < minimum || len(text) > maximum {
			return nil, fmt.Errorf("holds %d bytes: write %d to %d", len(text), minimum, maximum)
		}
		return text, nil
	}
}

// Interval is how often the files are read. The kubelet itself needs up to a minute to update a mounted file.
const Interval = 5 * time.Second
