package filewatch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// NewFolder names a source that is all files of one folder, such as a Secret whose entries come and go. parse gets the
// files' names in lexical order together with their contents; its error must not repeat the latter. A folder that
// holds more than most files is refused before any is read. Names that begin with a dot are the kubelet's own.
func NewFolder[T any](name, dir string, most int, parse func(names []string, contents [][]byte) (T, error)) *Source[T] {
	return &Source[T]{
		name:  name,
		place: dir,
		files: func() ([]string, error) { return list(dir, most) },
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

// list gives the paths of a folder's files in lexical order.
func list(dir string, most int) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, fmt.Errorf("read the mounted folder: %w", err)
	}
	var paths []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if paths = append(paths, filepath.Join(dir, entry.Name())); len(paths) > most {
			return nil, fmt.Errorf("the mounted folder %s holds more than %d files: take the surplus out", dir, most)
		}
	}
	return paths, nil
}
