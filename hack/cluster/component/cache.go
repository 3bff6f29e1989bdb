package component

import (
	"fmt"
	"os"
	"path/filepath"
)

// CacheEnv is the environment variable that moves the cache.
const CacheEnv = "OPENIM_OPERATOR_CACHE"

// Cache returns the folder for everything that is built and kept outside of the repository:
// $OPENIM_OPERATOR_CACHE, or openim-operator in the user's cache folder ($XDG_CACHE_HOME or ~/.cache).
func Cache() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "openim-operator"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w: set HOME or %s", err, CacheEnv)
	}
	return filepath.Join(home, ".cache", "openim-operator"), nil
}

// Root returns the folder of the repository that the working directory belongs to: the nearest
// folder upwards that holds hack/cluster/components.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(filepath.Join(dir, "hack", "cluster", "components")); err == nil && info.IsDir() {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside the repository: no folder hack/cluster/components in it or above it", start)
		}
	}
}
