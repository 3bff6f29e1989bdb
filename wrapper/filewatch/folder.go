package filewatch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// NewFolder returns a source of all files of a folder, such as a Secret whose entries change. parse receives the files' names in lexical
// order and their contents. Its error must not contain the contents. A folder of more than most files is refused before any file is read.
// Names that begin with a dot are the kubelet's own and are skipped.
func NewFolder[T any](name, dir string, most int, parse func(names []string, contents [][]byte) (T, error)) *Source[T] {
	return &Source[T]{
		name:     name,
		location: dir,
		files:    func() ([]string, error) { return list(dir, most) },
		parse: func(paths []string, contents [][]byte) (T, error) {
			names := make([]string, len(paths))
			for i, path := range paths {
				names[i] = filepath.Base(path)
			}
			return parse(names, contents)
		},
		err: ErrNotLoaded,
	}
}

// list returns the paths of a folder's entries in lexical order, without names that begin with a dot. More than most entries are an error.
func list(dir string, most int) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("reading the mounted folder: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if paths = append(paths, filepath.Join(dir, entry.Name())); len(paths) > most {
			return nil, fmt.Errorf("reading the mounted folder %s: more than %d files: remove some", dir, most)
		}
	}
	return paths, nil
}
