package render

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Root returns the folder of the project that contains the working directory: the folder with the file PROJECT.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the project's folder: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		_, err := os.Stat(filepath.Join(dir, "PROJECT"))
		if err == nil {
			return dir, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("finding the project's folder: %w", err)
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("finding the project's folder: no parent folder holds PROJECT: change to a checkout of openim-operator")
		}
	}
}
