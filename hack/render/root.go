package render

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root is the folder of the project that the working directory lies in: the one which holds PROJECT.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the project's folder: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "PROJECT"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("find the project's folder: %w", err)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no folder above holds PROJECT: change to a checkout of openim-operator")
		}
	}
}
