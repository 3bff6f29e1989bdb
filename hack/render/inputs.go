package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Inputs returns a hash over all files of the two ways to install. A test that renders should call it first: Go caches the result of a test
// as long as the files that the test itself has read are unchanged, and does not see the files that kustomize and Helm read.
func Inputs(root string) (string, error) {
	sum := sha256.New()
	for _, dir := range []string{"config", "charts", "hack/tools/kustomize", "hack/tools/helm"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(sum, "%s %d\n%s", file, len(content), content)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("reading the rendered files: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
